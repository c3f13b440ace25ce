"""What jobs with `device: cuda` need on the machine on which they run."""

from collections.abc import Iterator, Sequence

from dreamr.config import Planned
from dreamr.machine.found import Machine
from dreamr.machine.gpus import MPS, Gpu
from dreamr.machine.needed import BFLOAT16, CUDA, ENVS, Needs, cuda_version
from dreamr.machine.verdicts import Line
from dreamr.planning.jobs import sharing
from dreamr.planning.limits import too_large
from dreamr.planning.plan import Plan
from dreamr.planning.site import LIMITED

SERVED = "a target of a server elsewhere needs none here (`engine: {url: ...}`, .venv/bin/dreamr serve-model --help)"


def gpu_lines(machine: Machine, needed: Needs) -> Iterator[Line]:
    """All of it; nothing where jobs run on a CPU."""
    if needed.config.device == "cpu":
        return
    yield from compiler_lines(machine)
    seen, wanted = machine.gpus.seen, max(jobs.gpus for jobs in needed.jobs)
    line = Line("GPUs", _named(seen) or machine.gpus.trouble, str(wanted))
    yield line.unless(len(seen) >= wanted, "stop", f"Ask for more, or free some; {SERVED}")
    if seen and needed.limits is not None:
        yield share_line(len(seen), needed.limits.get("gpu"))
    if seen:
        yield from slice_lines(seen, wanted)
        yield from turns_line(machine.gpus.mps, needed)
        yield driver_line(seen, needed)
        yield capability_line(seen, needed)
        yield from memory_lines(seen, needed)


def compiler_lines(machine: Machine) -> Iterator[Line]:
    """Triton 3.7 compiles what starts its kernels by a C compiler, when they are first used."""
    do = "Install gcc (apt install gcc), load its module, or name a compiler by CC"
    yield Line("C compiler", machine.compiler or "none", "gcc or clang").unless(bool(machine.compiler), "stop", do)
    do = f"Install Python's headers (apt install python{_version(machine.python)}-dev)"
    line = Line("Python.h", "there" if machine.python_headers else "not there", "there, for what is compiled")
    yield line.unless(machine.python_headers, "stop", do)


def share_line(seen: int, given: int | None) -> Line:
    """Snakemake starts as many jobs side by side as it has of the resource; each takes the first GPUs."""
    line = Line("resource gpu", "no limit" if given is None else str(given), f"{seen}, as many as there are")
    do = f"Jobs side by side may take the same GPU: .venv/bin/snakemake --profile profiles/gpu --resources gpu={seen}"
    return line.unless(given is not None and given <= seen, "doubt", do)


def slice_lines(gpus: Sequence[Gpu], wanted: int) -> Iterator[Line]:
    """MIG: a program of CUDA sees one slice at a time."""
    if any(gpu.profile for gpu in gpus):
        line = Line("MIG", _named(gpus), f"{wanted} for one job")
        do = "A job sees one slice alone: use whole GPUs, or let all engines fit one (`devices: [0]`)"
        less = "This project was not run on slices, and whoever shares the GPU changes times"
        yield line.unless(False, *(("stop", do) if wanted > 1 else ("doubt", less)))


def turns_line(mps: bool, needed: Needs) -> Iterator[Line]:
    """Engines of one pair on one GPU: as processes of their own they take turns, and no work is done side by side."""
    shared = [f"{target} with {draft}" for target, draft in sharing(needed.config)]
    if shared and any(jobs.rule == "generate" for jobs in needed.jobs):
        line = Line(
            "engines on one GPU", f"{', '.join(shared)}; MPS {'runs' if mps else 'does not run'}", "a GPU each, or MPS"
        )
        do = (
            "They take turns, so times of parallel schedules say little; the page marks them as of a shared device. "
            f"With two GPUs lay config/two_gpus.yaml over it; else start NVIDIA's MPS before the run: {MPS} -d"
        )
        yield line.unless(mps, "doubt", do)


def driver_line(gpus: Sequence[Gpu], needed: Needs) -> Line:
    """The driver against the version of CUDA that the lock pins."""
    version, oldest = _cuda(needed), min(gpu.driver for gpu in gpus)
    smallest = CUDA[version[0]].driver
    line = Line("driver", _version(oldest), f"{smallest} or newer (CUDA {_version(version)})")
    return line.unless(oldest >= (smallest,), "stop", "Install a newer driver on the machine; no container brings one")


def capability_line(gpus: Sequence[Gpu], needed: Needs) -> Line:
    """The GPUs' generation against CUDA and the engines' numbers."""
    least = CUDA[_cuda(needed)[0]].capability
    wanted = max(least, BFLOAT16) if _takes_bfloat16(needed.plan) else least
    lowest = min((gpu.capability for gpu in gpus if gpu.capability), default=None)
    why = f"CUDA {_version(_cuda(needed))}" if wanted == least else "bfloat16"
    line = Line("compute capability", _version(lowest or ()) or "not told", f"{_version(wanted)} or more ({why})")
    if lowest is None:
        return line.unless(False, "doubt", "A newer driver tells it")
    do = "Set `dtype: float16` for all engines" if lowest >= least else "Use newer GPUs"
    return line.unless(lowest >= wanted, "stop", do)


def _takes_bfloat16(plan: Plan) -> bool:
    """Whether an engine that is started here computes in it."""
    names = {name for group in plan.groups for name in plan.models_of(group)}
    engines = [plan.ref(name).engine for name in names] + ([plan.config.sapo.rollouts] if plan.trainings else [])
    return any(engine.dtype == "bfloat16" and not engine.url for engine in engines)


def memory_lines(gpus: Sequence[Gpu], needed: Needs) -> Iterator[Line]:
    """The plan once more, with GPUs of the size of the smallest that was found."""
    rules: list[Planned] = [LIMITED[jobs.rule] for jobs in needed.jobs if jobs.gpus]
    kinds = {needed.config.estimates.rules[rule] for rule in rules}
    planned = max((needed.config.estimates.devices[kind].memory_gb or 0 for kind in kinds), default=0)
    size = min((gpu.memory_gb for gpu in gpus if gpu.memory_gb), default=None)
    if size and planned:
        faults = [] if size >= planned else [fault for fault in too_large(resized(needed.plan, kinds, size)) if fault]
        line = Line("memory of a GPU", f"{size:.0f} GB", f"{planned:g} GB by the plan")
        where = ", ".join(f"estimates.devices.{kind}.memory_gb" for kind in sorted(kinds))
        more = f". Set {where} to {size:.0f}, and .venv/bin/dreamr plan tells all {len(faults)} faults"
        yield line.unless(not faults, "stop", faults[0] + more if faults else "")


def resized(plan: Plan, kinds: set[str], memory_gb: float) -> Plan:
    """A plan whose devices of these kinds have so much memory."""
    estimates = plan.config.estimates
    devices = {kind: estimates.devices[kind].model_copy(update={"memory_gb": memory_gb}) for kind in kinds}
    estimates = estimates.model_copy(update={"devices": {**estimates.devices, **devices}})
    return Plan(plan.config.model_copy(update={"estimates": estimates}))


def _cuda(needed: Needs) -> tuple[int, int]:
    version = cuda_version(ENVS / f"models-{needed.config.device}.txt")
    assert version, "a lock for GPUs pins CUDA's runtime"
    return version


def _named(gpus: Sequence[Gpu]) -> str:
    """GPUs by name: `2 x NVIDIA L40S`."""
    names = [gpu.name + (f" MIG {gpu.profile}" if gpu.profile else "") for gpu in gpus]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def _version(parts: tuple[int, ...]) -> str:
    return ".".join(map(str, parts))
