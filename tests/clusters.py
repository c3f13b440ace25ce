"""A real Slurm on this machine for as long as a block lasts: a controller and two nodes on loopback, as root."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

SETTINGS = Path("/etc/slurm/slurm.conf")  # jobs of the executor find the controller by this file alone
OWN = (SETTINGS, SETTINGS.with_name("cgroup.conf"))
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
NODES = ("n1", "n2")
CONFIGURATION = """\
ClusterName=here
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5  # also how long a requeued job waits; 120 by default
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SwitchType=switch/none
MailProg=/bin/true
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17001 CPUs=2 RealMemory=16000 Features=here State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17002 CPUs=2 RealMemory=16000 Features=here State=UNKNOWN
PartitionName=work Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=2
"""


def why_not() -> str | None:
    """Why no Slurm can be started here."""
    if os.geteuid() != 0:
        return "not root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return f"{SETTINGS} is there: this machine has a Slurm of its own" if SETTINGS.exists() else None


class Slurm:
    """The cluster; `folder` gets its state and logs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "Slurm":
        (self._folder / "state").mkdir(parents=True)
        texts = (CONFIGURATION.format(folder=self._folder), "CgroupPlugin=disabled\n")
        for path, text in zip(OWN, texts, strict=True):
            (self._folder / path.name).write_text(text)
            path.unlink(missing_ok=True)
            path.symlink_to(self._folder / path.name)
        start_munge()
        subprocess.run(["slurmctld"], check=True)
        for node in NODES:
            subprocess.run(["slurmd", "-N", node], check=True)
        wait_until(
            lambda: slurm("sinfo", "--noheader", "--Node", "--format=%T").split().count("idle") >= 4, 60, "idle nodes"
        )
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        slurm("scancel", "--state=PENDING", "--user=root")
        slurm("scancel", "--user=root")
        for pid in self._folder.glob("*.pid"):
            os.kill(int(pid.read_text()), signal.SIGTERM)
        for path in OWN:
            path.unlink()


def start_munge() -> None:
    """Slurm's authentication, unless it runs already."""
    if subprocess.run(["munge", "--no-input"], capture_output=True).returncode == 0:
        return
    folders = [Path(name) for name in ("/run/munge", "/var/log/munge", "/var/lib/munge")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    for path in (*folders, "/etc/munge/munge.key"):
        shutil.chown(path, "munge", "munge")
    subprocess.run(["setpriv", "--reuid=munge", "--regid=munge", "--init-groups", "munged", "--force"], check=True)


def slurm(*command: str) -> str:
    """What one of Slurm's commands prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)
