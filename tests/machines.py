"""Machines that people have, for the check; `.venv/bin/python tests/machines.py` prints what it says of each."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from test_plan import merged

from dreamr.config import Config
from dreamr.machine.found import Machine, Place
from dreamr.machine.gpus import Gpu, Gpus
from dreamr.machine.lines import compared
from dreamr.machine.needed import Needs, everything, folders, needs_here
from dreamr.machine.telling import faults, on_nodes
from dreamr.machine.verdicts import Line
from dreamr.planning.plan import Plan

ROOT = Path(__file__).parents[1]
DISK, MEMORY, TEMPORARY = 1, 2, 3  # file systems
AVX2 = frozenset({"sse4_2", "avx", "avx2", "fma", "f16c"})
LAPTOP = Machine(
    system="Linux",
    architecture="x86_64",
    processor="Intel(R) Core(TM) i5-1235U",
    instructions=AVX2,
    cores=4,
    memory_gb=16.4,
    free_memory_gb=12.0,
    glibc=(2, 39),
    python=(3, 12),
    compiler=None,
    python_headers=False,
)
H100 = Gpu("NVIDIA H100 80GB HBM3", (580, 65, 6), 85.5, (9, 0))
WORKSTATION = replace(
    LAPTOP,
    processor="AMD EPYC 9354",
    instructions=AVX2 | {"avx512f"},
    cores=32,
    memory_gb=270.0,
    free_memory_gb=250.0,
    compiler="/usr/bin/gcc",
    python_headers=True,
    gpus=Gpus((H100,), mps=True),
)
NODE = replace(WORKSTATION, memory_gb=1080.0, free_memory_gb=1000.0)
WITH_GPU, PAPER = ("config/gpu.yaml",), ("config/paper.yaml",)


@dataclass(frozen=True)
class Fake:
    """A machine, what it is asked to do, and the subjects that are not all right."""

    machine: Machine
    verdicts: Mapping[str, str] = field(default_factory=dict)
    overlays: Sequence[Any] = ()
    disk_gb: float = 200.0
    shared_gb: float = 8.0
    temporary_gb: float | None = None  # of a temporary folder on a file system of its own
    writable: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)  # of `needs_here`

    @property
    def needed(self) -> Needs:
        """What the configuration needs where nothing is made yet."""
        plan = Plan(merged(*self.overlays))
        return needs_here(plan, everything(plan), self.machine.cores, **self.options)

    def lines(self) -> list[Line]:
        """What the check says."""
        needed = self.needed
        return compared(replace(self.machine, places=self.places(needed.config)), needed)

    def places(self, config: Config) -> dict[str, Place]:
        """One disk for all folders."""
        found = {name: Place(folder, self.disk_gb, self.writable, DISK) for name, folder in folders(config).items()}
        if self.temporary_gb is not None:
            found["temporary folder"] = Place(Path("/tmp"), self.temporary_gb, True, TEMPORARY)
        return found | {"shared memory": Place(Path("/dev/shm"), self.shared_gb, True, MEMORY)}


def with_gpus(*gpus: Gpu, machine: Machine = WORKSTATION) -> Machine:
    return replace(machine, gpus=Gpus(gpus, mps=True))


WITHOUT_MPS = replace(WORKSTATION, gpus=Gpus((H100,)))
TWO_GPUS = replace(WORKSTATION, gpus=Gpus((H100, H100)))
A100 = replace(H100, name="NVIDIA A100-SXM4-40GB", memory_gb=42.9, capability=(8, 0))
L40S = replace(H100, name="NVIDIA L40S", memory_gb=48.3, capability=(8, 9))
SLICE = replace(H100, memory_gb=10.0, profile="1g.10gb")
FAKES = {
    "laptop with AVX2 and no AVX-512": Fake(LAPTOP),
    "laptop without AVX2": Fake(replace(LAPTOP, instructions=frozenset({"avx", "sse4_2"})), {"processor": "stop"}),
    "desktop with AVX-512": Fake(replace(LAPTOP, instructions=AVX2 | {"avx512f"})),
    "laptop with many cores": Fake(replace(LAPTOP, cores=16), {"memory": "doubt"}),
    "laptop with one core": Fake(replace(LAPTOP, cores=1), {"cores": "doubt"}),
    "laptop on which much is open": Fake(replace(LAPTOP, free_memory_gb=3.0), {"memory": "doubt"}),
    "4 GB of memory": Fake(replace(LAPTOP, memory_gb=4.0, free_memory_gb=3.0), {"memory": "stop"}),
    "3 GB of disk": Fake(LAPTOP, {"disk of environments": "stop"}, disk_gb=3.0),
    "10 GB of disk": Fake(LAPTOP, {"disk of environments": "doubt"}, disk_gb=10.0),
    "small temporary folder": Fake(LAPTOP, {"disk of temporary folder": "stop"}, temporary_gb=0.5),
    "folders of another user": Fake(LAPTOP, {"right to write": "stop"}, writable=False),
    "docker's 64 MB of shared memory": Fake(LAPTOP, shared_gb=0.067),
    "Mac, Apple silicon": Fake(
        replace(LAPTOP, system="Darwin", architecture="aarch64", instructions=frozenset(), glibc=None),
        {"system": "stop"},
    ),
    "Mac, Intel": Fake(
        replace(LAPTOP, system="Darwin", instructions=frozenset(), glibc=None),
        {"system": "stop"},
    ),
    "Windows": Fake(
        replace(LAPTOP, system="Windows", instructions=frozenset(), glibc=None, memory_gb=None),
        {"system": "stop"},
    ),
    "ARM server": Fake(
        replace(LAPTOP, architecture="aarch64", instructions=frozenset({"asimd", "bf16"})), {"system": "doubt"}
    ),
    "POWER server": Fake(replace(LAPTOP, architecture="ppc64le", instructions=frozenset()), {"system": "stop"}),
    "Alpine Linux": Fake(replace(LAPTOP, glibc=None), {"system": "stop"}),
    "RHEL 8": Fake(replace(LAPTOP, glibc=(2, 28)), {"system": "stop"}),
    "Debian 11": Fake(replace(LAPTOP, glibc=(2, 31))),
    "Python 3.14": Fake(replace(LAPTOP, python=(3, 14)), {"Python": "doubt"}),
    "Python 3.15": Fake(replace(LAPTOP, python=(3, 15)), {"Python": "stop"}),
    "vLLM in another Python": Fake(LAPTOP, {"vLLM": "stop"}, [{"environments": "active"}]),
    "vLLM in this Python": Fake(replace(LAPTOP, engine=True), {}, [{"environments": "active"}]),
    "no conda": Fake(LAPTOP, {"program": "stop"}, [{"environments": "conda"}]),
    "workstation with a GPU": Fake(WORKSTATION, {}, WITH_GPU),
    "workstation with a GPU and no MPS": Fake(WITHOUT_MPS, {"engines on one GPU": "doubt"}, WITH_GPU),
    "workstation with two GPUs": Fake(TWO_GPUS, {}, [*WITH_GPU, "config/two_gpus.yaml"]),
    "workstation with docker's 64 MB": Fake(WORKSTATION, {"/dev/shm": "stop"}, WITH_GPU, shared_gb=0.067),
    "workstation without compiler": Fake(
        replace(WORKSTATION, compiler=None, python_headers=False), {"C compiler": "stop", "Python.h": "stop"}, WITH_GPU
    ),
    "old driver": Fake(with_gpus(replace(H100, driver=(535, 183, 1))), {"driver": "stop"}, WITH_GPU),
    "driver that tells no capability": Fake(
        with_gpus(replace(H100, driver=(470, 182, 3), capability=None)),
        {"driver": "stop", "compute capability": "doubt"},
        WITH_GPU,
    ),
    "old GPU (V100)": Fake(
        with_gpus(replace(H100, name="Tesla V100-SXM2-32GB", memory_gb=34.4, capability=(7, 0))),
        {"compute capability": "stop", "memory of a GPU": "stop"},
        WITH_GPU,
    ),
    "GPU without bfloat16 (RTX 8000)": Fake(
        with_gpus(replace(H100, name="Quadro RTX 8000", capability=(7, 5))), {"compute capability": "stop"}, WITH_GPU
    ),
    "small GPU": Fake(with_gpus(A100), {"memory of a GPU": "stop"}, WITH_GPU),
    "MIG slice": Fake(with_gpus(SLICE), {"MIG": "doubt", "memory of a GPU": "stop"}, WITH_GPU),
    "GPU and no driver": Fake(
        replace(WORKSTATION, gpus=Gpus(trouble="no nvidia-smi on the path")), {"GPUs": "stop"}, WITH_GPU
    ),
    "several jobs at once on one GPU": Fake(
        WORKSTATION, {"resource gpu": "doubt"}, WITH_GPU, options={"limits": {"gpu": 8}}
    ),
    "fewer GPUs than asked": Fake(
        with_gpus(*[H100] * 4, machine=NODE),
        {"GPUs": "stop", "memory of a GPU": "stop"},
        PAPER,
        disk_gb=900,
        shared_gb=500,
    ),
    "cluster's head node": Fake(
        replace(LAPTOP, memory_gb=8.0), {}, PAPER, disk_gb=2e5, shared_gb=0.067, options={"submitted": True}
    ),
    "node for answers": Fake(
        with_gpus(*[L40S] * 6, machine=NODE), {}, PAPER, disk_gb=3.0, options={"node": ["generate"]}
    ),
    "node for answers, small shared memory": Fake(
        with_gpus(*[L40S] * 6, machine=NODE),
        {"/dev/shm": "doubt"},
        PAPER,
        shared_gb=0.5,
        options={"node": ["generate"]},
    ),
    "node of slices": Fake(
        with_gpus(*[SLICE] * 7, machine=NODE),
        {"MIG": "stop", "memory of a GPU": "stop"},
        PAPER,
        options={"node": ["generate"]},
    ),
}


def main() -> None:
    from dreamr.cli.check import show

    os.chdir(tempfile.mkdtemp())  # where nothing is made yet
    Path("envs").symlink_to(ROOT / "envs")
    for name, fake in FAKES.items():
        print(f"== {name}")
        lines = fake.lines()
        if "--tables" in sys.argv:
            show(lines)
        told = [*faults(lines), *on_nodes(fake.needed, [str(overlay) for overlay in fake.overlays])]
        print(*told or ["all is there"], sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
