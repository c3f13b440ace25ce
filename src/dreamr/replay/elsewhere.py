"""Recorded answers on engines that nobody measured: projections, to be made only behind the gate.

Times are in those of a target's token. Draft and target have devices of their own; what a prompt costs beyond a verdict
or a request is left out. How much requests of one engine crowd each other is as it was found here.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple

import pandas as pd

from dreamr.config import REFERENCE
from dreamr.records import Question
from dreamr.replay.predictions import Key, Part
from dreamr.replay.running import Costs, answered
from dreamr.replay.serving import Cost
from dreamr.statistics.frame import BASELINE, KEYS
from dreamr.statistics.predicted import SETTING

METHODS = ("lookahead", REFERENCE)
MOST = 6  # questions of a fold
DRAFTS, VERDICTS, OVERHEADS = (0.05, 0.1, 0.2, 0.4), (1.0, 2.0, 4.0), (0.0, 1.0, 4.0)
# Tokens a second of a single request by SGLang 0.5.8 on an RTX PRO 6000, of the text models Qwen3-4B (bfloat16) and
# Qwen3-32B (bfloat16, AWQ INT4): treeru.com/en/blog/awq-quantization-speed-comparison, February 2026.
PUBLISHED = {
    "RTX PRO 6000: 4B for 32B": 23.9 / 208.1,
    "RTX PRO 6000: 4B for 32B AWQ": 70.2 / 208.1,
}
COLUMNS = [*KEYS, "question", "cluster", "n", *SETTING, "baseline_seconds", "seconds"]


class Setting(NamedTuple):
    """What work costs elsewhere, in a target's tokens."""

    c: float  # a token of the draft
    v: float  # a verdict: at least the iteration that any token takes
    overhead: float  # a request, before an engine sees it
    machine: str  # whose published speeds c comes from, or ""

    def costs(self, here: Costs) -> Costs:
        target = Cost(decode=1.0, request=self.overhead, verdict=self.v - 1, crowding=here.target.crowding)
        return Costs(target, Cost(decode=self.c, request=self.overhead, crowding=here.draft.crowding))


def settings() -> list[Setting]:
    """The map, and the machines whose speeds are published."""
    drafts = [*((c, "") for c in DRAFTS), *((c, machine) for machine, c in PUBLISHED.items())]
    return [Setting(c, v, overhead, name) for (c, name), v, overhead in product(drafts, VERDICTS, OVERHEADS)]


def answers_elsewhere(folds: Iterable[Part], questions: Mapping[Key, Question]) -> pd.DataFrame:
    """One row per setting, method and question."""
    rows = [
        _answer(part, name, key, setting) | {"cluster": f"{key[0]}/{questions[key].cluster}"}
        for part in folds
        for setting in settings()
        for name in METHODS
        for key in sorted(part.keys & part.pair.alone.get(name, {}).keys())[:MOST]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _answer(part: Part, name: str, key: Key, setting: Setting) -> dict[str, object]:
    pair, costs = part.pair, setting.costs(part.costs)
    methods = pair.job.tables.methods
    return {
        **{
            "target": pair.target,
            "draft": pair.draft,
            "method": name,
            "benchmark": key[0],
            "question": key[1],
            "n": 1.0,
        },
        **setting._asdict(),
        "baseline_seconds": answered(pair.batched[BASELINE][key], methods[BASELINE], costs, pair.limits)[0],
        "seconds": answered(pair.alone[name][key], methods[name], costs, pair.limits)[0],
    }
