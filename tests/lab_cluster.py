"""A Slurm as labs have it, and README's smoke command on it: accounting, enforced limits, a user who is not root.

Run by hand, as root; needs Debian's slurmctld, slurmd, slurm-client, munge, slurmdbd and mariadb-server, and a Python
and environments that others may execute. Prints what Snakemake prints, and what Slurm's accounting says of the jobs.

    python tests/lab_cluster.py --user lab --folder /srv/lab
    python tests/lab_cluster.py --user lab --folder /srv/lab --stand-ins   # all work done in seconds, by nobody
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from clusters import ACCOUNT, Slurm, slurm, why_not
from projects import Project, copied, stubbed, with_environments, with_form

SMOKE = ("--profile", "profiles/slurm", "--configfile", "config/smoke.yaml")
ACCOUNTED = "--format=JobID%6,User%8,Account%8,State%10,Elapsed,Restarts%8"


def main() -> None:
    options = parser().parse_args()
    if why := why_not(accounting=True):
        sys.exit(f"no Slurm with accounting can be started here: {why}")
    make_user(options.user)
    options.folder.mkdir(parents=True)
    project = copied(options.folder / "dreamr", weights=not options.stand_ins)
    with_form(stubbed(project) if options.stand_ins else with_environments(project))
    shutil.chown(options.folder, options.user)
    subprocess.run(["chown", "--recursive", "--no-dereference", options.user, project.folder], check=True)
    with Slurm(options.folder / "slurm", accounting=True):
        slurm("sacctmgr", "--immediate", "add", "user", options.user, f"account={ACCOUNT}")
        slurm("sacctmgr", "--immediate", "modify", "user", options.user, "set", f"maxsubmitjobs={options.most}")
        code = run_as(options.user, project)
        print(slurm("sacct", "--allusers", "--allocations", ACCOUNTED))
    sys.exit(code)


def make_user(name: str) -> None:
    """The user, who has to be able to run this Python."""
    if subprocess.run(["id", name], capture_output=True).returncode:
        subprocess.run(["useradd", "--create-home", name], check=True)
    if subprocess.run(["runuser", "-u", name, "--", sys.executable, "-c", ""], capture_output=True).returncode:
        sys.exit(f"{name} may not execute {Path(sys.executable).resolve()}: a folder above it is closed to others")


def run_as(user: str, project: Project) -> int:
    """Snakemake's exit code."""
    command = ["runuser", "-u", user, "--", sys.executable, "-m", "snakemake", *SMOKE]
    home = {"HOME": str(Path(f"~{user}").expanduser()), "USER": user}
    return subprocess.run(command, cwd=project.folder, env=os.environ | home).returncode


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--user", default="lab", help="is made if it is not there")
    described.add_argument("--folder", required=True, type=Path, help="is made, and gets project and Slurm")
    described.add_argument("--stand-ins", action="store_true", help="commands that write empty outputs")
    described.add_argument("--most", type=int, default=2, help="jobs that the user may have in the queue")
    return described


if __name__ == "__main__":
    main()
