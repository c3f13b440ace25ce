"""What the target's own versions of steps bring, on the virtual clock: computed, never measured.

Steps are equally long, a verdict on a step is a coin flip, and the same coins fall for all settings. Requests and
prompts cost nothing; what several requests at once cost is `crowding`, which the closed form leaves out.
"""

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

from dreamr.config import Method, TargetSpeculation
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost, VirtualEngine, run
from dreamr.methods.protocol import Engines, Limits, Outcome, load
from dreamr.prompts import STEP_BREAK, Prompt

ACCEPTANCE = (0.3, 0.5, 0.7, 0.85, 0.95)
COST = 0.15  # of a draft's step, in steps of the target: about what the micro scale has
# Of a verdict, likewise: at steps of 50 tokens, as is assumed of the paper's models and published nowhere, and at the
# micro scale's.
VERDICTS = (0.03, 0.2)
CROWDING = (0.0, 0.1, 0.3)  # n requests at once each take 1 + crowding * (n - 1) times as long
SETTINGS: tuple[tuple[TargetSpeculation, bool], ...] = (
    ("all", True),
    ("frontier", True),
    ("none", True),
    ("none", False),
)
STEPS = 80  # of an answer
STEP_TOKENS = 2  # the word and the blank line


def table() -> Iterator[dict[str, Any]]:
    """Speed-up over the target alone under every setting, a row each."""
    for verdict, crowding, acceptance in product(VERDICTS, CROWDING, ACCEPTANCE):
        target = Cost(decode=1 / STEP_TOKENS, verdict=verdict, crowding=crowding)
        for target_speculation, continues in SETTINGS:
            method = Method(
                loop="fpsr",
                verifier="cpn",
                alpha=0.5,
                window=4,
                target_speculation=target_speculation,
                continues=continues,
            )
            yield {
                "target_speculation": target_speculation,
                "continues": continues,
                "acceptance": acceptance,
                "cost": COST,
                "verdict": verdict,
                "crowding": crowding,
                "speedup": speedup(method, acceptance, target, Cost(decode=COST / STEP_TOKENS)),
            }


def speedup(method: Method, acceptance: float, target: Cost, draft: Cost, steps: int = STEPS) -> float:
    """Speed-up over the target alone on one answer of `steps` steps, a share `acceptance` of which pass."""

    async def answer() -> Outcome:
        writers = coins(acceptance, steps)
        engines = Engines(*map(VirtualEngine, writers, (target, draft)))
        limits = Limits(step_tokens=STEP_TOKENS, answer_tokens=STEP_TOKENS * steps)
        return await load(method.loop)(Prompt("", ()), engines, method, limits)

    seconds, _ = run(answer())
    return steps * STEP_TOKENS * target.decode / seconds


def coins(acceptance: float, steps: int) -> tuple[Script, Script]:
    """Target and draft whose steps differ; the target accepts that share of the draft's, at places drawn once."""
    right = round(acceptance * steps)
    flips = random.Random(0).sample([1.0] * right + [0.0] * (steps - right), steps)
    target = Script(lambda done: f"t{STEP_BREAK}", lambda done: flips[len(done) - 1])
    return target, Script(lambda done: f"d{STEP_BREAK}")
