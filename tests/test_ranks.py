"""Several ranks train one draft: as one rank does, as they did before a stop, and with shares of it as on GPUs.

Real processes by torchrun, real trainer, real engine of the draft; verdicts by the length of a step.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, family_folder
from trainings import eight_questions, job

from dreamr.runtime.processes import over_ranks

pytestmark = [pytest.mark.models, pytest.mark.slow]
SCRIPT = Path(__file__).with_name("ranks.py")
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains until a step, or to the end (0), and tells where what came of it lies. Same `work`: goes on from there."""
    folder = tmp_path_factory.mktemp("ranks")
    data = eight_questions(folder)[0].origin
    for draft in FAMILIES:
        family_folder(folder / "models", draft)

    def run(
        work: str,
        ranks: int,
        draft: str = "q3vl-2l",
        until: int = 0,
        shares: bool = False,
        bf16: bool = False,
        **changes: Any,
    ) -> Path:
        spec = job(draft, ranks=ranks, **{"micro_batch": 4, "learning_rate": 1e-4} | changes)
        out = folder / f"{work}-{until}"
        given = {"spec": spec.model_dump_json(), "models": str(folder / "models"), "data": data}
        given |= {"work": str(folder / work), "out": str(out), "until": until, "shares": shares, "bf16": bf16}
        command = [sys.executable, *over_ranks(ranks)[:-1], str(SCRIPT), json.dumps(given)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, ended.stderr[-5000:]
        return out

    return run


MEETING = """
import sys
from torch import distributed
from dreamr.sapo.ranks import any_rank, leave, on_first

distributed.init_process_group("gloo")
rank = distributed.get_rank()
parts = on_first(lambda every: [len(every) * one for one in every], [rank, rank + 10])
told = [any_rank(rank == 1), any_rank(False)]
try:
    on_first(lambda every: [1 // 0 for _ in every], [rank])
except Exception as error:
    sys.stdout.write(f"{rank} {parts} {told} {type(error).__name__} {error}\\n")
leave()
"""


def test_ranks_meet_and_fail_together(tmp_path: Path) -> None:
    """Each gets its own part of what the first made of all; none waits for a first one that has failed."""
    script = tmp_path / "meeting.py"
    script.write_text(MEETING)
    command = [sys.executable, *over_ranks(2)[:-1], str(script)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert sorted(told.stdout.splitlines()) == [
        "0 [0, 40] [True, False] ZeroDivisionError integer division or modulo by zero",
        "1 [4, 44] [True, False] UserError the first rank failed; its own words say why",
    ]


@pytest.fixture(scope="module")
def one(trained: Train) -> Path:
    return trained("one", 1)


@pytest.fixture(scope="module")
def two(trained: Train) -> Path:
    return trained("two", 2)


def of(out: Path, key: str, ranks: int) -> list[list[Any]]:
    """By batch, what the ranks trained on, in their order."""
    ranks_batches = [told(out, rank)["batches"] for rank in range(ranks)]
    return [list(chain.from_iterable(batch[key] for batch in batches)) for batches in zip(*ranks_batches, strict=True)]


def told(out: Path, rank: int) -> dict[str, Any]:
    """What a rank tells of itself."""
    found: dict[str, Any] = json.loads(out.with_name(f"{out.name}.{rank}.json").read_text())
    return found


def log(out: Path, *keys: str) -> list[list[float]]:
    """By batch, what the trainer logged."""
    entries = json.loads(out.with_name(f"{out.name}.log.json").read_text())
    return [[entry[key] for key in keys] for entry in entries if "reward" in entry]


def distance(first: Path, second: Path) -> float:
    """The largest difference of a weight."""
    from safetensors.torch import load_file

    ours, theirs = (load_file(f"{out}.safetensors") for out in (first, second))
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


def alignment(first: Path, second: Path) -> dict[str, float]:
    """The cosine between the ways that each trained weight has gone, and that all of them have as one."""
    import torch
    from safetensors.torch import load_file
    from torch.nn.functional import cosine_similarity

    ours, theirs = (load_file(f"{out}.moved.safetensors") for out in (first, second))
    ways = {name: (way.flatten(), theirs[name].flatten()) for name, way in ours.items() if way.any()}
    ways["all"] = tuple(torch.cat(way) for way in zip(*ways.values(), strict=True))
    return {name: float(cosine_similarity(*way, dim=0)) for name, way in ways.items()}


def test_two_ranks_train_as_one(one: Path, two: Path) -> None:
    assert of(one, "completions", 1) == of(two, "completions", 2)
    assert of(one, "advantages", 1) == of(two, "advantages", 2)
    assert any(any(batch) for batch in of(one, "advantages", 1)), "without spread nothing is trained"
    assert log(one, "reward", "acceptance") == log(two, "reward", "acceptance")
    assert distance(one, two) < 1e-5


def test_two_ranks_that_were_stopped_end_the_same(trained: Train, two: Path) -> None:
    """The first is told; both stop behind the batch, with a checkpoint, and go on to the very same weights."""
    stopped = trained("stopped", 2, until=3)
    assert len(of(stopped, "completions", 2)) == 2, "two steps a batch: step 3 is in the second"
    resumed = trained("stopped", 2)
    both = of(stopped, "completions", 2) + of(resumed, "completions", 2)
    assert both == of(two, "completions", 2)
    assert distance(two, resumed) == 0


def test_ranks_that_hold_shares_train_as_one(trained: Train, one: Path) -> None:
    """FSDP2 as on GPUs, with a stop on the way: gathered for the engine, saved, taken up again, gathered at the end."""
    stopped = trained("shares", 2, until=4, shares=True)
    resumed = trained("shares", 2, shares=True)
    assert of(stopped, "completions", 2) + of(resumed, "completions", 2) == of(one, "completions", 1)
    assert log(resumed, "sampling/sampling_logp_difference/max")[-1][0] < 1e-3
    assert distance(one, resumed) < 1e-5


def test_ranks_with_shares_of_an_untied_head_and_of_a_reference_model_train_as_one(trained: Train) -> None:
    """In two passes an update. Each layer is gathered alone, of the reference too, and each pass ends in averages. TRL
    calls no head: left to itself FSDP2 averages no gradient of MiMo's."""
    settings = {"draft": "mimo-untied", "kl": 0.01, "until": 3}
    plain = trained("untied", 1, **settings)
    shares = trained("untied-shares", 2, shares=True, micro_batch=2, **settings)
    assert distance(plain, shares) < 2e-5, "a step is of 1e-4"
    assert any(batch[0] > 0 for batch in log(shares, "kl")), "the reference is the draft as it was"
    for rank in (told(shares, 0), told(shares, 1)):
        assert rank["reference"] == [unit for unit in rank["draft"] if unit != "FSDPCheckpointWrapper"]
        assert len(rank["reference"]) > 5 and len(rank["passes"]) == 8 and all(rank["passes"])


@pytest.mark.parametrize(("draft", "kl"), [("mimo-untied", 0.0), ("r4b-own-code", 0.01)])
def test_ranks_with_shares_in_16_bits_train_much_as_one_in_32_bits(trained: Train, draft: str, kl: float) -> None:
    """As on GPUs, by the way that weights go in the first update. The second draft has code of its own."""
    settings = {"draft": draft, "kl": kl, "updates": 1, "until": 1}
    plain = trained(f"{draft}-32", 1, **settings)
    found = alignment(plain, trained(f"{draft}-16", 2, shares=True, bf16=True, **settings))
    assert found["all"] > 0.9 and found.get("lm_head.weight", 1) > 0.9
