"""Train the models of the micro zoo from nothing.

Two targets and four drafts of one to five million parameters, in well over an hour on two cores if targets and drafts
are trained by two processes side by side:

    python -m zoo.train --out results/zoo --models q3vl-deep q3vl-moe &
    python -m zoo.train --out results/zoo --models q3vl-2l q3vl-3l r4b-2l mimo-3l
"""

import argparse
from pathlib import Path

from dreamr.runtime.endings import exit_on_user_error
from dreamr.runtime.output import print_lines
from dreamr.runtime.processes import set_threads, start_with_allocator
from zoo.recipes import ZOO


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m zoo.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder that gets one folder per model")
    parser.add_argument(
        "--models", nargs="+", choices=list(ZOO), default=list(ZOO), metavar="NAME", help="default: all"
    )
    parser.add_argument("--work", type=Path, help="folder for what models share (towers, trunk); default: OUT/work")
    parser.add_argument("--fast", action="store_true", help="a few steps each: models that run, not models that know")
    parser.add_argument("--threads", type=int, default=1, help="threads of one training (default: %(default)s)")
    return parser.parse_args()


@exit_on_user_error()
def main() -> None:
    options = arguments()
    set_threads("cpu")
    import torch

    from zoo.making import Workshop

    torch.set_num_threads(options.threads)
    workshop = Workshop(options.out, options.work or options.out / "work", options.fast)
    for name in options.models:
        workshop.make(name)


if __name__ == "__main__":
    start_with_allocator()
    print_lines()
    main()
