"""A Slurm as labs have it, and the documented first day on it: accounting, enforced limits, a user who is not root.

Run by hand, as root; needs Debian's slurmctld, slurmd, slurm-client, munge, slurmdbd and mariadb-server, and a Python
that others may execute. The user installs the workflow, fills in the form and runs the smoke command; then Ctrl-C is
pressed while a training runs, and one is preempted. Prints what Snakemake prints and what Slurm's accounting says.

    python tests/lab_cluster.py --folder /srv/lab --python /usr/bin/python3
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from clusters import ACCOUNT, NODES, Slurm, slurm, why_not
from projects import Project, copied, with_form

SMOKE = ".venv/bin/snakemake --profile profiles/slurm --configfile config/smoke.yaml"
INSTALL = "{python} -m venv .venv && .venv/bin/pip install -q -e '.[slurm]'"
OTHER_ALPHA = "methods: {{dreamr: {{alpha: {0}}}}}\nsapo: {{alpha: {0}}}\n"  # trains and answers again
ACCOUNTED = "--format=JobID%6,User%8,Account%8,State%12,Elapsed,Restarts%8"
AT_WORK = 15  # seconds that a job is let run before something happens to it


def main() -> None:
    options = parser().parse_args()
    if why := why_not(accounting=True):
        sys.exit(f"no Slurm with accounting can be started here: {why}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it runs in the background ignore it
    options.folder.mkdir(parents=True)
    lab = Lab(options.user, with_form(copied(options.folder / "dreamr", weights=True)))
    lab.succeed(INSTALL.format(python=options.python))
    with Slurm(options.folder / "slurm", accounting=True):
        slurm("sacctmgr", "--immediate", "add", "user", options.user, f"account={ACCOUNT}")
        slurm("sacctmgr", "--immediate", "modify", "user", options.user, "set", f"maxsubmitjobs={options.most}")
        lab.succeed(SMOKE)
        lab.press_ctrl_c(0.65)
        lab.preempt(0.66)
        print(slurm("sacct", "--allusers", "--allocations", "--duplicates", ACCOUNTED))


class Lab:
    """The user's commands, in the user's folder."""

    def __init__(self, user: str, project: Project) -> None:
        self._user, self._folder = user, project.folder
        if subprocess.run(["id", user], capture_output=True).returncode:
            subprocess.run(["useradd", "--create-home", user], check=True)
        shutil.chown(self._folder.parent, user)
        subprocess.run(["chown", "--recursive", "--no-dereference", user, self._folder], check=True)

    def start(self, command: str) -> subprocess.Popen[bytes]:
        home = {"HOME": str(Path(f"~{self._user}").expanduser()), "USER": self._user}
        print(f"{self._user}$ {command}", flush=True)
        as_user = ["runuser", "-u", self._user, "--", "bash", "-c", command]
        return subprocess.Popen(as_user, cwd=self._folder, env=os.environ | home, start_new_session=True)

    def succeed(self, command: str) -> None:
        begun = time.monotonic()
        code = self.start(command).wait()
        print(f"ended with {code} after {time.monotonic() - begun:.0f} s", flush=True)
        if code:
            sys.exit(code)

    def press_ctrl_c(self, alpha: float) -> None:
        """While a training runs; the queue has to be empty after it."""
        run = self._at_work(alpha)
        begun = time.monotonic()
        os.killpg(run.pid, signal.SIGINT)
        code, seconds = run.wait(), time.monotonic() - begun
        print(f"Ctrl-C: ended with {code} after {seconds:.0f} s; queue: {_queue()!r}", flush=True)

    def preempt(self, alpha: float) -> None:
        """A training, by jobs of a partition of higher priority that need both nodes."""
        run = self._at_work(alpha)
        for node in NODES:
            more = shlex.split("--partition=urgent --cpus-per-task=2 --mem=15000 --output=/dev/null --wrap='sleep 20'")
            slurm("sbatch", f"--nodelist={node}", f"--account={ACCOUNT}", *more)
        print(f"preempted: ended with {run.wait()}", flush=True)

    def _at_work(self, alpha: float) -> subprocess.Popen[bytes]:
        """The smoke run with another alpha, whose training is at work."""
        (self._folder / "alpha.yaml").write_text(OTHER_ALPHA.format(alpha))
        run = self.start(f"{SMOKE} alpha.yaml")
        _until(lambda: "RUNNING" in _queue(), run)
        time.sleep(AT_WORK)
        return run


def _queue() -> str:
    return slurm("squeue", "--noheader", "--format=%i %T %k").strip()


def _until(true: Callable[[], bool], run: subprocess.Popen[bytes]) -> None:
    while not true():
        if run.poll() is not None:
            sys.exit(f"the run ended with {run.returncode} before anything happened to it")
        time.sleep(1)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--user", default="lab", help="is made if it is not there")
    described.add_argument("--folder", required=True, type=Path, help="is made, and gets project and Slurm")
    described.add_argument("--python", default="/usr/bin/python3", help="by which the user makes the environment")
    described.add_argument("--most", type=int, default=3, help="jobs that the user may have in the queue")
    return described


if __name__ == "__main__":
    main()
