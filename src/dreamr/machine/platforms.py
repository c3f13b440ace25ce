"""The kinds of machines that people have, and whether this project runs there. A table of docs/ is made from this."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dreamr.machine.found import Machine
from dreamr.machine.needed import BFLOAT16, CUDA
from dreamr.machine.verdicts import Verdict

GLIBC = (2, 31)  # of the wheels that ask for the newest: llguidance's (manylinux_2_31), which vLLM needs
NEEDS_GLIBC = f"wheels need glibc {GLIBC[0]}.{GLIBC[1]} or newer"
ARCHITECTURES = ("x86_64", "aarch64")
WORDS: dict[Verdict, str] = {"ok": "yes", "doubt": "perhaps", "stop": "no"}
CONTAINER = "use the container (`docker build .`)"
NOT_RUN = "wheels exist for it, but this project was not run there"


@dataclass(frozen=True)
class Platform:
    """One kind of machine."""

    name: str
    verdict: Verdict
    why: str
    do: str
    fits: Callable[[Machine], bool]


# What decides whether the packages can be installed. The first that fits is the one.
SYSTEMS = (
    Platform(
        "macOS, Intel or Apple silicon",
        "stop",
        "the engine has no wheel for macOS",
        CONTAINER,
        lambda machine: machine.system == "Darwin",
    ),
    Platform(
        "Windows",
        "stop",
        "the engine has no wheel for Windows",
        "work in WSL 2, which is Linux, or " + CONTAINER,
        lambda machine: machine.system == "Windows",
    ),
    Platform(
        "Linux with another C library than glibc (Alpine)",
        "stop",
        NEEDS_GLIBC,
        CONTAINER,
        lambda machine: machine.glibc is None,
    ),
    Platform(
        f"Linux with glibc before {GLIBC[0]}.{GLIBC[1]} (RHEL 8, CentOS 7, Ubuntu 18.04)",
        "stop",
        NEEDS_GLIBC,
        CONTAINER,
        lambda machine: machine.glibc is not None and machine.glibc < GLIBC,
    ),
    Platform(
        "Linux on other processors (32 bits, POWER, RISC-V)",
        "stop",
        "the engine has wheels for x86-64 and 64-bit ARM alone",
        "use a machine of these two kinds",
        lambda machine: machine.architecture not in ARCHITECTURES,
    ),
    Platform(
        "Linux on 64-bit ARM (Graviton, Ampere, Grace, a container on Apple silicon)",
        "doubt",
        NOT_RUN,
        "begin with `--configfile config/smoke.yaml`",
        lambda machine: machine.architecture == "aarch64",
    ),
    Platform("Linux on x86-64", "ok", "", "", lambda machine: True),
)
# What decides whether the engine for CPUs runs once it is installed.
PROCESSORS = (
    Platform(
        "Linux on x86-64 without AVX2 (before 2013, some later Celerons and Pentiums, virtual machines that hide it)",
        "stop",
        "the engine's library for x86-64 is compiled for AVX2, and ends with `Illegal instruction`",
        "use another machine; give a virtual machine the host's type of CPU",
        lambda machine: "avx2" not in machine.instructions,
    ),
    Platform(
        "Linux on x86-64 with AVX2 and without AVX-512 (most laptops)",
        "ok",
        "run in the tests",
        "",
        lambda machine: "avx512f" not in machine.instructions,
    ),
    Platform("Linux on x86-64 with AVX-512", "ok", "run in the tests", "", lambda machine: True),
)


def system_of(machine: Machine) -> Platform:
    """The first of SYSTEMS that fits."""
    return next(platform for platform in SYSTEMS if platform.fits(machine))


def processor_of(machine: Machine) -> Platform | None:
    """The first of PROCESSORS that fits; None where instructions are not told apart: elsewhere than on x86-64 Linux."""
    if (machine.system, machine.architecture) != ("Linux", "x86_64"):
        return None
    return next(platform for platform in PROCESSORS if platform.fits(machine))


def supported() -> Iterator[str]:
    """The table of docs/how-to/machines.md: what runs first."""
    yield "| machine | does it run? | what to do |"
    yield "| --- | --- | --- |"
    divided = [platform for platform in (*SYSTEMS, *PROCESSORS) if platform.name != "Linux on x86-64"]
    for verdict, word in WORDS.items():
        for platform in divided:
            if platform.verdict == verdict:
                yield f"| {platform.name} | {word}: {platform.why} | {platform.do} |"
        if verdict == "doubt":
            yield f"| {on_gpus()} | {word}: planned and dry-run, not run by this project | [GPUs](gpus.md) |"


def on_gpus() -> str:
    """Which GPUs the locks for `device: cuda` run on."""
    ((version, cuda),) = CUDA.items()
    numbers, least = (".".join(map(str, capability)) for capability in (BFLOAT16, cuda.capability))
    return (
        f"Linux with NVIDIA GPUs, driver {cuda.driver} or newer (CUDA {version}), compute capability {numbers} or more "
        f"(bfloat16; with `dtype: float16` {least}), a C compiler and Python.h"
    )
