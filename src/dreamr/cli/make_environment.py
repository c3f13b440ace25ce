"""Make a Python environment from a complete lock.

OUT is a folder whose name carries the lock's digest, so that another lock is another environment and one that is whole
is never made again. It is whole once it holds lock.txt, a copy of the lock; ready.txt says the same to Snakemake, which
deletes what a rule makes before it runs the rule again.
"""

import argparse
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from dreamr.cli.common import command_parser
from dreamr.errors import UserError
from dreamr.runtime.endings import worded, worded_or_requeued
from dreamr.runtime.locks import only_writer
from dreamr.runtime.output import print_lines

QUIETLY = ("--quiet", "--progress-bar=off", "--disable-pip-version-check")


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
    names = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and line[0] not in "#-"]
    print(f"{lock}: {len(names)} packages go to {folder}, which takes some minutes; pip tells what goes wrong")
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", *QUIETLY, "--no-compile"]
    for packages in (["--no-deps", "--requirement", str(lock)], ["torch", "torchvision"]):
        pip = subprocess.run([*install, *packages], stderr=subprocess.PIPE, text=True)
        sys.stderr.write(pip.stderr)
        if pip.returncode:
            errors = [line for line in pip.stderr.splitlines() if line.startswith("ERROR: ")]
            raise UserError(f"{lock}: pip could not install it: {' '.join(errors) or pip.stderr.strip()}")


def parser() -> argparse.ArgumentParser:
    described = command_parser(
        "make_environment", __doc__, "example: --lock envs/models-cpu.txt --out environments/models-cpu-0123456789"
    )
    described.add_argument("--lock", required=True, type=Path, metavar="FILE", help="requirements, every one pinned")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="the environment's folder")
    return described


if __name__ == "__main__":
    print_lines()
    main()
