"""Train the models of the micro zoo from nothing.

Two targets and four drafts of one to five million parameters, in well over an hour on two cores if targets and drafts
are trained by two processes side by side:

    dreamr train-zoo --out zoo --models q3vl-deep q3vl-moe &
    dreamr train-zoo --out zoo --models q3vl-2l q3vl-3l r4b-2l mimo-3l
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dreamr.micro.zoo import ZOO
from dreamr.runtime.endings import worded
from dreamr.runtime.processes import set_threads


@worded()
def main(
    *,
    out: Path,
    models: Annotated[tuple[str, ...], Parameter(choices=tuple(ZOO))] = tuple(ZOO),
    work: Path | None = None,
    fast: bool = False,
    threads: int = 1,
) -> None:
    """Make the models, one after the other.

    Args:
        out: folder that gets one folder per model
        models: names of those to train
        work: folder for what models share (towers, trunk); default: OUT/work
        fast: a few steps each: models that run, not models that know
        threads: of one training
    """
    set_threads("cpu")
    import torch

    from dreamr.micro.making import Workshop

    torch.set_num_threads(threads)
    workshop = Workshop(out, work or out / "work", fast)
    for name in models:
        workshop.make(name)
