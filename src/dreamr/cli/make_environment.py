"""Make a Python environment from a complete lock.

OUT is a folder whose name carries the lock's digest, so that another lock is another environment and one that is whole
is never made again. It is whole once it holds lock.txt, a copy of the lock; ready.txt says the same to Snakemake, which
deletes what a rule makes before it runs the rule again.
"""

import argparse
import shutil
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

from dreamr.cli.common import command_parser
from dreamr.errors import UserError
from dreamr.runtime.endings import worded, worded_or_requeued
from dreamr.runtime.locks import only_writer


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    whole = options.out / "lock.txt"
    with worded_or_requeued(options.out.parent), only_writer(options.out):
        if not whole.exists():
            make(options.lock, options.out)
            shutil.copy(options.lock, whole)
        (options.out / "ready.txt").touch()


def make(lock: Path, folder: Path) -> None:
    """An environment with exactly what the lock names, and with what the build of torch that pip found may need."""
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-compile"]
    for packages in (["--no-deps", "--requirement", str(lock)], ["torch", "torchvision"]):
        if subprocess.run([*install, *packages]).returncode:
            raise UserError(f"{lock}: pip could not install it; what pip said stands above")


def parser() -> argparse.ArgumentParser:
    described = command_parser(
        "make_environment", __doc__, "example: --lock envs/models-cpu.txt --out environments/models-cpu-0123456789"
    )
    described.add_argument("--lock", required=True, type=Path, metavar="FILE", help="requirements, every one pinned")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="the environment's folder")
    return described


if __name__ == "__main__":
    main()
