"""What this machine has. Small probes of the standard library, so that a run can ask at its start."""

import math
import os
import platform
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from dreamr.machine.gpus import Gpus, probed_gpus
from dreamr.machine.whole import damaged

GB = 1e9
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")
SHARED_MEMORY = Path("/dev/shm")
PROGRAMS = ("conda",)  # that Snakemake takes environments from
ARCHITECTURES = {"AMD64": "x86_64", "arm64": "aarch64"}  # Windows' and macOS' words in those of Linux


@dataclass(frozen=True)
class Place:
    """A folder that is written to. What is not there yet has the properties of the folder in which it will be made."""

    folder: Path
    free_gb: float
    writable: bool
    file_system: int  # folders with the same number share their room


@dataclass(frozen=True)
class Machine:
    """What a run may use, within the limits of its container or job."""

    system: str  # Linux, Darwin, Windows
    architecture: str  # x86_64, aarch64
    processor: str
    instructions: frozenset[str]  # the processor's flags as Linux names them; empty on other systems
    cores: int
    memory_gb: float | None  # None where the system does not tell
    free_memory_gb: float | None
    glibc: tuple[int, int] | None  # None: another C library
    python: tuple[int, int]
    compiler: str | None  # path of a C compiler
    python_headers: bool  # whether Python.h is there
    programs: frozenset[str] = frozenset()  # those of PROGRAMS that are on the path
    engine: bool = False  # whether this Python has vLLM
    damaged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by environment: files that are not whole
    places: Mapping[str, Place] = field(default_factory=dict)  # by what they are for
    gpus: Gpus = field(default_factory=Gpus)


def probed(folders: Mapping[str, Path], with_gpus: bool, environments: Sequence[Path] = ()) -> Machine:
    """This machine.

    `folders`: where a run writes, by what for; `with_gpus`: whether NVIDIA's GPUs are asked for; `environments`: those
    that are made, and have to be whole.
    """
    return Machine(
        system=platform.system(),
        architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        processor=processor(CPUINFO),
        instructions=instructions(CPUINFO),
        cores=cores(),
        memory_gb=memory_gb(),
        free_memory_gb=free_memory_gb(MEMINFO),
        glibc=glibc(),
        python=sys.version_info[:2],
        compiler=compiler(),
        python_headers=(Path(sysconfig.get_path("include")) / "Python.h").is_file(),
        programs=frozenset(name for name in PROGRAMS if shutil.which(name)),
        engine=find_spec("vllm") is not None,
        damaged={str(one): tuple(file.name for file in damaged(one)) for one in environments},
        places={name: place(folder) for name, folder in folders.items()},
        gpus=probed_gpus() if with_gpus else Gpus(),
    )


# -- processor


def processor(cpuinfo: Path) -> str:
    """The processor's name, as far as it is told."""
    return _field(cpuinfo, "model name") or platform.processor() or platform.machine()


def instructions(cpuinfo: Path) -> frozenset[str]:
    """The sets of instructions of the first core: `flags` on x86, `Features` on ARM."""
    return frozenset((_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split())


def _field(file: Path, name: str) -> str:
    """What the first line `name : value` of a file says; nothing where there is none."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    line = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return line.group(1).strip() if line else ""


def cores() -> int:
    """Cores that this process may use: those that it is bound to, and no more than its cgroups' share of time."""
    bound = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min([bound, *map(math.ceil, core_limits(OWN_CGROUPS, CGROUPS))]))


def core_limits(own: Path, root: Path) -> Iterator[float]:
    """How many cores each cgroup of this process may use at most."""
    for quota in _cgroup_files(own, root, "cpu", "cpu.max", "cpu.cfs_quota_us"):
        if quota.name == "cpu.max":
            limit, period = quota.read_text().split()
        else:
            limit, period = quota.read_text(), quota.with_name("cpu.cfs_period_us").read_text()
        if limit.strip() not in ("max", "-1"):
            yield int(limit) / int(period)


# -- memory


def memory_gb() -> float | None:
    """Memory of the machine, or of its container, job or shell where that may use less."""
    if sys.platform == "win32":
        return None
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([whole, *memory_limits(OWN_CGROUPS, CGROUPS), *address_limits()]) / GB


def address_limits() -> Iterator[int]:
    """Bytes that a process started here may use at most: `ulimit -v`."""
    if sys.platform != "win32":
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            yield limit


def memory_limits(own: Path, root: Path) -> Iterator[int]:
    """Bytes that each cgroup of this process may use at most."""
    for file in _cgroup_files(own, root, "memory", "memory.max", "memory.limit_in_bytes"):
        if (limit := file.read_text().strip()) != "max":
            yield int(limit)


def free_memory_gb(meminfo: Path) -> float | None:
    """Memory that is free now, or can be made free without swapping."""
    told = _field(meminfo, "MemAvailable")
    return int(told.removesuffix("kB")) * 1024 / GB if told else None


def _cgroup_files(own: Path, root: Path, controller: str, unified: str, legacy: str) -> Iterator[Path]:
    """Files of this process's cgroups and of all above them: `unified` of cgroup 2, `legacy` of cgroup 1.

    In a container the path of a cgroup may be the host's, and what is seen below `root` begins at the container's own.
    """
    for line in own.read_text().splitlines() if own.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top, name = (root / controller, legacy) if controllers else (root, unified)
        below = top / path.lstrip("/")
        for folder in (below, *(parent for parent in below.parents if parent.is_relative_to(top))):
            if (folder / name).is_file():
                yield folder / name


# -- software


def glibc() -> tuple[int, int] | None:
    """The version of the GNU C library; None where the C library is another."""
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return None
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION")
    except OSError:  # the name is known to Python and not to the library
        return None
    version = re.match(r"glibc (\d+)\.(\d+)", text or "")
    return (int(version.group(1)), int(version.group(2))) if version else None


def compiler() -> str | None:
    """The C compiler that Triton would take."""
    choices = (os.environ.get("CC", "").partition(" ")[0], "gcc", "clang")
    return next((path for name in choices if name and (path := shutil.which(name))), None)


# -- folders


def place(folder: Path) -> Place:
    """Room and right to write of a folder, or of the nearest one above it that is there."""
    there = folder.absolute()
    while not there.is_dir():
        there = there.parent
    return Place(folder, shutil.disk_usage(there).free / GB, _writable(there), there.stat().st_dev)


def _writable(folder: Path) -> bool:
    """Tried, since rights alone do not tell of read-only file systems and of servers with rules of their own."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
