"""All subjects of the check: software and processor here, room and GPUs in modules of their own."""

from collections.abc import Iterator

from dreamr.machine.found import Machine
from dreamr.machine.needed import Needs
from dreamr.machine.on_gpus import gpu_lines
from dreamr.machine.platforms import GLIBC, Platform, processor_of, system_of
from dreamr.machine.room import disk_lines, memory_lines, shared_memory_lines
from dreamr.machine.verdicts import Line

RUN_PYTHONS = ((3, 11), (3, 13))  # the first and the last of this project's tests
WHEELS_UNTIL = (3, 14)  # the last for which all pins have wheels
SYSTEMS = {"Darwin": "macOS"}  # what Python calls otherwise than people do
PROVIDERS = {"conda": ("conda",)}  # by `environments`


def compared(machine: Machine, needed: Needs) -> list[Line]:
    """What matters for the jobs that are to run here."""
    lines = [*software_lines(machine, needed), *disk_lines(machine, needed)]
    if needed.jobs:
        lines += [*processor_lines(machine, needed), *memory_lines(machine, needed)]
        lines += [*shared_memory_lines(machine, needed), *gpu_lines(machine, needed)]
    return lines


def software_lines(machine: Machine, needed: Needs) -> Iterator[Line]:
    """Whether the environments of the models can be made here, or are here."""
    kind = needed.config.environments
    if needed.makes or (needed.jobs and kind == "venv"):
        yield system_line(machine)
        yield python_line(machine)
    yield from environment_lines(machine)
    if needed.jobs and kind == "active":
        line = Line("vLLM", "in this Python" if machine.engine else "not in this Python", "`environments: active`")
        yield line.unless(machine.engine, "stop", "Set `environments: venv`, or use a Python that has all packages")
    if kind in PROVIDERS and (needed.jobs or needed.elsewhere):
        there = sorted(machine.programs.intersection(PROVIDERS[kind]))
        first = PROVIDERS[kind][0]
        line = Line("program", ", ".join(there) or f"no {first}", f"{first} (`environments: {kind}`)")
        yield line.unless(bool(there), "stop", f"Install {first}, or set `environments: venv`")


def system_line(machine: Machine) -> Line:
    """Operating system, architecture and C library: what wheels are made for."""
    platform = system_of(machine)
    system = f"{SYSTEMS.get(machine.system, machine.system)} {machine.architecture}"
    if machine.system == "Linux":
        system += f", glibc {_version(machine.glibc)}" if machine.glibc else ", another C library than glibc"
    line = Line("system", system, f"Linux on x86_64 or aarch64, glibc {_version(GLIBC)} or newer")
    return line.unless(platform.verdict == "ok", platform.verdict, _remedy(platform))


def python_line(machine: Machine) -> Line:
    """The environments of the models are made with the Python that runs Snakemake."""
    first, last = RUN_PYTHONS
    line = Line("Python", _version(machine.python), f"{_version(first)} to {_version(last)}")
    if not first <= machine.python <= WHEELS_UNTIL:
        return line.unless(False, "stop", f"Not all pins have wheels for it: make .venv with Python {_version(last)}")
    why = f"All pins have wheels for it, but this project was not run there: {_version(last)} is safer"
    return line.unless(machine.python <= last, "doubt", why)


def environment_lines(machine: Machine) -> Iterator[Line]:
    """Environments that are made already."""
    for folder, files in machine.damaged.items():
        state = f"{', '.join(files)} missing or cut off" if files else "whole"
        line = Line(folder, state, "all compiled files of vLLM and torch")
        yield line.unless(not files, "stop", f"Remove {folder}; the next run makes it anew")


def processor_lines(machine: Machine, needed: Needs) -> Iterator[Line]:
    """Instructions of the engine for CPUs, and cores for answers that are timed."""
    if needed.config.device == "cpu" and (platform := processor_of(machine)):
        sets = ", ".join(sorted(machine.instructions & {"avx2", "avx512f"})) or "no avx2"
        line = Line("processor", f"{machine.processor}, {sets}", "avx2")
        yield line.unless(platform.verdict == "ok", platform.verdict, _remedy(platform))
    timed = any(suite.alone or suite.load for suite in needed.config.suites.values())
    if timed and any(jobs.rule == "generate" for jobs in needed.jobs):
        line = Line("cores", str(machine.cores), "2 for timed answers")
        yield line.unless(
            machine.cores > 1, "doubt", "Target and draft share it, so their times say little about the method"
        )


def _remedy(platform: Platform) -> str:
    return f"{platform.why[:1].upper()}{platform.why[1:]}: {platform.do}"


def _version(parts: tuple[int, ...]) -> str:
    return ".".join(map(str, parts))
