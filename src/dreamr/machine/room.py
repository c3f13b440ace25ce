"""Memory, shared memory and disks against what jobs take and write."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from dreamr.machine.found import Machine, Place
from dreamr.machine.needed import Jobs, Needs, Range, handed_gb, written_gb
from dreamr.machine.verdicts import Line

SPARE = 0.95  # of the memory that a job asks for: firmware and kernel keep a part of a machine's
PARALLEL_SHARED_GB = 1.0  # shared memory of engines over several GPUs: their queues and NCCL's buffers (an estimate)
SOMETIMES = ("environments", "temporary folder", "hub's cache")  # written where something is made or brought there
ELSEWHERE = ("shared memory", "pip's cache")  # the one has a line of its own, without the other pip goes on


def memory_lines(machine: Machine, needed: Needs) -> Iterator[Line]:
    """The largest job must fit; what runs side by side should."""
    if (memory := machine.memory_gb) is None:
        return
    largest = max(needed.jobs, key=lambda jobs: jobs.memory_gb)
    fullest = max(needed.jobs, key=lambda jobs: jobs.memory_gb * needed.at_once(jobs))
    alone, together = _asked(largest, 1), _asked(fullest, needed.at_once(fullest))
    size, free = f"{memory:.1f} GB", machine.free_memory_gb
    if memory < SPARE * largest.memory_gb:
        setting = f"resources.{largest.rule.partition('_')[0]}.memory_gb"
        do = (
            "Use a larger machine or container, or raise the limit that a shell sets (`ulimit -v`); where you know "
            f"that such a job takes less, lower {setting}"
        )
        yield Line("memory", size, alone, "stop", do)
    elif memory < SPARE * fullest.memory_gb * needed.at_once(fullest):
        do = f"Let fewer run at a time: .venv/bin/snakemake --resources mem_mb={int(1000 * memory)}, or fewer --cores"
        yield Line("memory", size, together, "doubt", do)
    elif free is not None and free < SPARE * largest.memory_gb:
        yield Line("memory", f"{size}, {free:.1f} GB of it free", alone, "doubt", "Close what else uses memory")
    else:
        yield Line("memory", size, together)


def _asked(jobs: Jobs, at_once: int) -> str:
    several = f", {at_once} at a time" if at_once > 1 else ""
    return f"{jobs.memory_gb * at_once} GB ({jobs.rule}{several})"


def shared_memory_lines(machine: Machine, needed: Needs) -> Iterator[Line]:
    """Trainings hand their weights on there, and engines over several GPUs talk through it."""
    if (place := machine.places.get("shared memory")) is None:
        return
    handed, parallel = handed_gb(needed), is_parallel(needed)
    if not (handed or parallel):
        return
    least = handed + PARALLEL_SHARED_GB * parallel
    words = [f"trainings at a time: {needed.trainings}"] * bool(handed) + ["engines over several GPUs"] * parallel
    line = Line(str(place.folder), f"{place.free_gb:.2f} GB free", f"{least:.2f} GB ({', '.join(words)})")
    do = "Give the container more (docker run --shm-size=8g), or the machine (mount -o remount,size=8g /dev/shm)"
    yield line.unless(place.free_gb >= least, "doubt" if place.free_gb >= handed else "stop", do)


def is_parallel(needed: Needs) -> bool:
    """Whether an engine here has several GPUs."""
    engines = [*(model.engine for model in needed.config.models.values()), needed.config.sapo.rollouts]
    several = any(engine.tensor_parallel > 1 and not engine.url for engine in engines)
    return needed.config.device == "cuda" and several


def disk_lines(machine: Machine, needed: Needs) -> Iterator[Line]:
    """The right to write in each folder, and room on each file system for all that is written there."""
    written = {name: gb for name, gb in written_gb(needed).items() if gb.most > 0}
    places = machine.places
    used = {name: place for name, place in places.items() if name in written or name not in SOMETIMES}
    yield write_line({name: place for name, place in used.items() if name not in ELSEWHERE})
    systems: dict[int, list[str]] = defaultdict(list)
    for name in written:
        systems[places[name].file_system].append(name)
    for names in systems.values():
        yield disk_line(places[names[0]], {name: written[name] for name in names})


def write_line(places: Mapping[str, Place]) -> Line:
    """The right to write."""
    closed = sorted({str(place.folder) for place in places.values() if not place.writable})
    state = f"not in {', '.join(closed)}" if closed else "in all folders"
    line = Line("right to write", state, ", ".join(places))
    do = (
        "Make the folder writable (chown, chmod), or clone to one that is; or name other folders: pathvars in the "
        "configuration, TMPDIR, PIP_CACHE_DIR, HF_HOME"
    )
    return line.unless(not closed, "stop", do)


def disk_line(place: Place, written: Mapping[str, Range]) -> Line:
    """Room on one file system."""
    least, most = sum(gb.least for gb in written.values()), sum(gb.most for gb in written.values())
    parts = ", ".join(f"{name} {_words(gb)}" for name, gb in written.items())
    needed = f"{_words(Range(least, most))} GB ({parts})"
    line = Line(f"disk of {next(iter(written))}", f"{place.free_gb:.1f} GB free", needed)
    do = "Make room, or put folders elsewhere: the whole clone, pathvars.results in the configuration, TMPDIR, "
    do += "PIP_CACHE_DIR, HF_HOME"
    more = "" if least == most else ". The larger numbers are with PyPI's torch, and with all checkpoints"
    return line.unless(place.free_gb >= most, "doubt" if place.free_gb >= least else "stop", do + more)


def _words(gb: Range) -> str:
    least, most = f"{gb.least:.1f}", f"{gb.most:.1f}"
    return least if least == most else f"{least} to {most}"
