"""A real Slurm on this machine for as long as a block lasts: a controller and two nodes on loopback, as root.

With accounting it has Slurm's database daemon on a MariaDB, and limits are enforced.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

SETTINGS = Path("/etc/slurm/slurm.conf")  # jobs of the executor find the controller by this file alone
OWN = (SETTINGS, SETTINGS.with_name("cgroup.conf"), SETTINGS.with_name("slurmdbd.conf"))
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
FOR_ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db")
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
MinJobAge={age}
{accounting}
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
WITHOUT_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
WITH_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStorageEnforce=associations,limits,qos"""
DATABASE = """\
AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={port}
StorageUser=root
StorageLoc=slurm
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
"""
PORT = 17306  # of the MariaDB
ACCOUNT = "none"  # as the form of tests.projects has it


def why_not(accounting: bool = False) -> str | None:
    """Why no Slurm can be started here."""
    if os.geteuid() != 0:
        return "not root"
    wanted = PROGRAMS + (FOR_ACCOUNTING if accounting else ())
    absent = [name for name in wanted if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return f"{SETTINGS} is there: this machine has a Slurm of its own" if SETTINGS.exists() else None


class Slurm:
    """The cluster; `folder` gets its state and logs. `age`: seconds for which squeue can list a job that has ended."""

    def __init__(self, folder: Path, accounting: bool = False, age: int = 300) -> None:
        self._folder, self._accounting, self._age = folder, accounting, age

    def __enter__(self) -> "Slurm":
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        slurm("scancel", "--state=PENDING", "--user=root")
        slurm("scancel", "--user=root")
        self._end()

    def _start(self) -> None:
        (self._folder / "state").mkdir(parents=True)
        accounting = WITH_ACCOUNTING if self._accounting else WITHOUT_ACCOUNTING
        texts = (
            CONFIGURATION.format(folder=self._folder, accounting=accounting, age=self._age),
            "CgroupPlugin=disabled\n",
            DATABASE.format(folder=self._folder, port=PORT),
        )
        for path, text in zip(OWN, texts, strict=True):
            (self._folder / path.name).write_text(text)
            (self._folder / path.name).chmod(0o600 if path.name == "slurmdbd.conf" else 0o644)
            path.unlink(missing_ok=True)
            path.symlink_to(self._folder / path.name)
        start_munge()
        if self._accounting:
            self._start_accounting()
        self.start_controller()
        for node in NODES:
            subprocess.run(["slurmd", "-N", node], check=True)
        wait_until(
            lambda: slurm("sinfo", "--noheader", "--Node", "--format=%T").split().count("idle") >= 4, 60, "idle nodes"
        )

    def _end(self) -> None:
        """End all daemons; the next cluster's use the same ports, so this waits for them."""
        daemons = []
        for path in sorted(self._folder.glob("*.pid")):
            with suppress(psutil.NoSuchProcess, FileNotFoundError, ValueError):  # of one that has died without a word
                daemons.append(psutil.Process(int(path.read_text())))
                daemons[-1].terminate()
        left = psutil.wait_procs(daemons, timeout=60)[1]
        for path in OWN:
            path.unlink(missing_ok=True)
        assert not left, f"these daemons do not end: {left}"

    def start_controller(self) -> None:
        subprocess.run(["slurmctld"], check=True)

    def stop_controller(self) -> None:
        os.kill(int((self._folder / "slurmctld.pid").read_text()), signal.SIGTERM)
        wait_until(lambda: subprocess.run(["squeue"], capture_output=True).returncode, 30, "no controller")

    def _start_accounting(self) -> None:
        """MariaDB, the daemon on it, and this cluster, an account and its user in it."""
        data = self._folder / "mariadb"
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["mariadb-install-db", "--user=root", f"--datadir={data}"], **quiet)
        server = ["mariadbd", "--user=root", f"--datadir={data}", f"--socket={data}/socket", f"--port={PORT}"]
        server += ["--bind-address=127.0.0.1", "--skip-grant-tables", f"--pid-file={self._folder}/mariadb.pid"]
        with (self._folder / "mariadb.log").open("w") as log:
            subprocess.Popen(server, stdout=log, stderr=log, start_new_session=True)
        made = ["mariadb", f"--socket={data}/socket", "--execute=CREATE DATABASE slurm"]  # 24.11 fails to make it
        wait_until(lambda: not subprocess.run(made, capture_output=True).returncode, 60, "MariaDB")
        subprocess.run(["slurmdbd"], check=True)
        wait_until(
            lambda: not subprocess.run(["sacctmgr", "show", "cluster"], **quiet | {"check": False}).returncode,
            60,
            "slurmdbd",
        )
        for added in (
            ["cluster", "here"],
            ["account", ACCOUNT, "cluster=here"],
            ["user", "root", f"account={ACCOUNT}"],
        ):
            subprocess.run(["sacctmgr", "--immediate", "add", *added], **quiet)


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
