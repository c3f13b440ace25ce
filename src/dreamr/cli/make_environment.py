"""Make a Python environment from a complete lock.

    dreamr make-environment --lock envs/models-cpu.txt --out environments/models-cpu-0123456789

OUT is a folder whose name carries the lock's digest, so that another lock is another environment and one that is whole
is never made again. It is whole once it holds lock.txt, a copy of the lock; ready.txt says the same to Snakemake, which
deletes what a rule makes before it runs the rule again.
"""

import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from dreamr.errors import Cause, UserError
from dreamr.runtime.causes import AGAIN
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer

UNREACHED = re.compile(r"requirement (\S+?)[=<>~! ].*\(from versions: none\)")
NO_INDEX = "pip reaches no index that has what the environment needs"
QUIETLY = ("--quiet", "--progress-bar=off", "--disable-pip-version-check")


@exit_on_user_error()
def main(*, lock: Path, out: Path) -> None:
    """Make the environment, unless it is whole.

    Args:
        lock: file of requirements, every one pinned
        out: the environment's folder
    """
    whole = out / "lock.txt"
    with exit_or_requeue(out.parent), only_writer(out):
        if not whole.exists():
            make(lock, out)
            shutil.copy(lock, whole)
        (out / "ready.txt").touch()


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
            raise refused(lock, pip.stderr)


def refused(lock: Path, said: str) -> UserError:
    """What pip's words mean: those of a package that no index has, told once for all locks, or its own."""
    if none := UNREACHED.search(said):
        mend = "see to the network, the proxy (HTTPS_PROXY) or the index (PIP_INDEX_URL)"
        why = f"{lock}: pip reaches no index that has {none[1]}: {mend}"
        return UserError(why, Cause(NO_INDEX, certain=True, remedy=f"{mend}, then {AGAIN}"))
    errors = [line for line in said.splitlines() if line.startswith("ERROR: ")]
    return UserError(f"{lock}: pip could not install it: {' '.join(errors) or said.strip()}")
