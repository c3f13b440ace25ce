"""A few questions of each micro benchmark for tests of engines, prepared as the workflow does."""

from pathlib import Path

from micro_sizes import micro_size

from dreamr.config import DataSpec
from dreamr.data.loading import prepare_questions
from dreamr.prompts import Prompt, question_prompt
from dreamr.records import Question, read_rows, write_rows

SPLITS = {"mathverse": "testmini", "mmbench": "dev", "realworldqa": "test", "mmmu": "validation"}


def write_benchmarks(folder: Path) -> None:
    """Write `<benchmark>.jsonl` of 16 questions or so to `folder`."""
    from dreamr.micro.datasets import write_all

    write_all(folder / "micro", micro_size(7, 16, 16))
    for name, split in SPLITS.items():
        spec = DataSpec(adapter=name, path=str(folder / "micro" / name), split=split)
        write_rows(folder / f"{name}.jsonl", prepare_questions(name, spec, folder))


def read_prompts(folder: Path) -> list[Prompt]:
    """The questions that were written there, benchmark by benchmark."""
    rows = [row for name in SPLITS for row in read_rows(folder / f"{name}.jsonl", Question)]
    return [question_prompt(row, str(folder)) for row in rows]
