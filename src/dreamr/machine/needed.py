"""What a configuration needs of the machine on which it runs: by its settings, its plan and the locks in envs/."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from dreamr.config import Config, HubModel, Planned
from dreamr.machine.found import SHARED_MEMORY
from dreamr.planning.costs import GB, size, weights_gb
from dreamr.planning.plan import Plan
from dreamr.planning.site import LIMITED
from dreamr.provenance import environment_folder

ENVS = Path("envs")
LOCKS = ("models", "quantize")
NUMBER_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
CHECKPOINT_BYTES = (
    2 * 12
)  # a parameter's value and Adam's two moments in 32 bits; the new one is written beside the old
MAKERS: dict[str, Literal["awq", "sapo"]] = {"quantize": "awq", "train_sapo": "sapo"}  # by rule
RESULTS_GB = 1.0  # tables, traces, micro models and data


class Range(NamedTuple):
    """GB at least and at most."""

    least: float
    most: float


class EnvironmentSize(NamedTuple):
    """GB of an environment, and of the wheels that pip keeps in the temporary folder and in its cache on the way."""

    installed: Range
    wheels: Range


# By the table of envs/README.md. Least: where pip finds builds of torch for CPUs; most: with PyPI's, which need CUDA's
# libraries.
ENVIRONMENTS = {
    "models-cpu": EnvironmentSize(Range(2.5, 6.7), Range(0.7, 2.4)),
    "quantize-cpu": EnvironmentSize(Range(1.1, 5.3), Range(0.3, 2.4)),
    "models-cuda": EnvironmentSize(Range(12, 12), Range(4, 4)),
    "quantize-cuda": EnvironmentSize(Range(6, 6), Range(2.4, 2.4)),
}


class Cuda(NamedTuple):
    """What programs of one major version of CUDA need."""

    driver: int  # smallest major version
    capability: tuple[int, int]  # smallest one that its compilers still make code for


# Drivers: docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html, table 1. Capability: the release
# notes of CUDA 13.0, by which its compilers make no code for Maxwell, Pascal and Volta.
CUDA = {13: Cuda(580, (7, 5))}
BFLOAT16 = (8, 0)  # the capability below which vLLM refuses bfloat16


@dataclass(frozen=True)
class Jobs:
    """Jobs of one rule that work on models."""

    rule: str  # of `planning.site.LIMITED`
    count: int
    threads: int | None  # None: all cores
    memory_gb: int
    gpus: int

    def at_once(self, cores: int, limits: Mapping[str, int]) -> int:
        """How many of them Snakemake starts side by side; `limits` are of its resources."""
        asked = {"gpu": self.gpus, "mem_mb": 1000 * self.memory_gb}
        by_resources = [limit // asked[name] for name, limit in limits.items() if asked.get(name)]
        return max(1, min(self.count, cores // (self.threads or cores), *by_resources))


@dataclass(frozen=True)
class Needs:
    """What is to be done on this machine, and what on others."""

    plan: Plan
    makes: tuple[str, ...]  # locks whose environments are made here
    jobs: tuple[Jobs, ...]  # on models, here
    elsewhere: tuple[Jobs, ...]  # on models, on other machines
    fetches: bool  # whether models are brought here
    cores: int  # given to the run
    limits: Mapping[str, int] | None  # of Snakemake's resources gpu and mem_mb; None where no run asks

    @property
    def config(self) -> Config:
        """The settings."""
        return self.plan.config

    def at_once(self, jobs: Jobs) -> int:
        """How many jobs of a rule run side by side; where no run asks, with as many GPUs as the largest job needs."""
        limits = {"gpu": max(job.gpus for job in self.jobs)} if self.limits is None else self.limits
        return jobs.at_once(self.cores, limits)

    @property
    def trainings(self) -> int:
        """How many trainings run here side by side."""
        return max((self.at_once(jobs) for jobs in self.jobs if jobs.rule == "train_sapo"), default=0)


def needs_here(
    plan: Plan,
    waiting: Mapping[str, int],
    cores: int,
    limits: Mapping[str, int] | None = None,
    submitted: bool = False,
    node: Sequence[str] = (),
) -> Needs:
    """What the `waiting` jobs, a number by rule, need of this machine.

    `submitted`: jobs on models run on other machines. `node`: this machine is one of those, for jobs of these rules.
    """
    known = [replace(jobs, count=waiting[jobs.rule]) for jobs in jobs_on_models(plan) if waiting.get(jobs.rule)]
    here = [] if submitted else [jobs for jobs in known if not node or jobs.rule in node]
    return Needs(
        plan=plan,
        makes=() if node or not waiting.get("environment") else unmade(plan.config),
        jobs=tuple(here),
        elsewhere=tuple(known) if submitted else (),
        fetches=not node and bool(waiting.get("fetch_model")),
        cores=cores,
        limits=limits,
    )


def everything(plan: Plan) -> dict[str, int]:
    """All jobs that this check looks at, as if nothing were done yet: a number by rule."""
    counts = {jobs.rule: jobs.count for jobs in jobs_on_models(plan)}
    return {"environment": len(LOCKS), "fetch_model": len(plan.models["fetch"]), **counts}


def jobs_on_models(plan: Plan) -> Iterator[Jobs]:
    """All jobs on models of a plan by rule."""
    threads = {"quantize": 1, "train_sapo": plan.config.sapo.ranks}
    for rule, paths in plan.outputs().items():
        planned: Planned = LIMITED[rule]
        wanted = plan.config.resources[planned]
        gpus = wanted.gpus if wanted.gpus is not None else max(map(plan.gpus, plan.groups), default=0)
        if paths:
            yield Jobs(rule, len(paths), threads.get(rule), wanted.memory_gb, gpus)


def unmade(config: Config) -> tuple[str, ...]:
    """Locks whose virtual environments are still to be made here."""
    return tuple(lock.stem for lock, folder in _environments(config).items() if not _ready(folder))


def ready_environments(config: Config) -> list[Path]:
    """The virtual environments of the models that are here already."""
    return [folder for folder in _environments(config).values() if _ready(folder)]


def _environments(config: Config) -> dict[Path, Path]:
    """Virtual environments by their locks."""
    locks = (ENVS / f"{name}-{config.device}.txt" for name in LOCKS) if config.environments == "venv" else ()
    return {lock: Path(environment_folder(lock)) for lock in locks}


def _ready(folder: Path) -> bool:
    return Path(folder, "ready.txt").is_file()


def cuda_version(lock: Path) -> tuple[int, int] | None:
    """The version of CUDA whose runtime a lock pins."""
    pin = re.search(r"^nvidia-cuda-runtime==(\d+)\.(\d+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return (int(pin.group(1)), int(pin.group(2))) if pin else None


# -- folders, and what is written there


def folders(config: Config) -> dict[str, Path]:
    """Where a run writes, by what for."""
    kept = config.pathvars
    by_use = {"results": Path(kept.results), "logs": Path(kept.logs), "benchmarks": Path(kept.benchmarks)}
    if config.environments == "venv":
        by_use |= {"environments": Path("environments")}
    if config.micro:
        by_use |= {"data": Path(config.micro.folder)}
    by_use |= {"temporary folder": Path(tempfile.gettempdir()), "pip's cache": pip_cache(), "hub's cache": hub_cache()}
    return by_use | ({"shared memory": SHARED_MEMORY} if SHARED_MEMORY.is_dir() else {})


def hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads."""
    home = Path(os.environ.get("HF_HOME") or _user_cache() / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def pip_cache() -> Path:
    """Where pip keeps what it downloads, on Linux."""
    return Path(os.environ.get("PIP_CACHE_DIR") or _user_cache() / "pip")


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))


def written_gb(needed: Needs) -> dict[str, Range]:
    """What a run still writes in each of `folders`."""
    sizes = [ENVIRONMENTS[name] for name in needed.makes]
    wheels = _sum(size.wheels for size in sizes)  # both environments are made at the same time
    hub = hub_gb(needed) if needed.fetches else 0.0
    return {
        "environments": _sum(size.installed for size in sizes),
        "temporary folder": wheels,
        "pip's cache": wheels if "PIP_NO_CACHE_DIR" not in os.environ else Range(0, 0),
        "results": results_gb(needed),
        "hub's cache": Range(hub, hub),
    }


def _sum(ranges: Iterable[Range]) -> Range:
    all_ranges = list(ranges)
    return Range(sum(part.least for part in all_ranges), sum(part.most for part in all_ranges))


def hub_gb(needed: Needs) -> float:
    """Weights of the hub's models that its cache does not hold yet."""
    models = {name: needed.config.models[name] for name in needed.plan.models["fetch"]}
    missing = (
        weights_gb(size(needed.plan, name)) - _stored_gb(hub_cache() / f"models--{model.id.replace('/', '--')}/blobs")
        for name, model in models.items()
        if isinstance(model, HubModel) and not _is_made(needed.config, name)
    )
    return sum(max(0.0, gb) for gb in missing)


def _stored_gb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / GB if folder.is_dir() else 0.0


def results_gb(needed: Needs) -> Range:
    """Models that are still to be made, and all else; at most also the checkpoints of all trainings at a time."""
    plan, rules = needed.plan, {jobs.rule for jobs in (*needed.jobs, *needed.elsewhere)}
    names = [name for rule in rules & MAKERS.keys() for name in plan.models[MAKERS[rule]]]
    names = [name for name in names if not _is_made(plan.config, name)]
    least = RESULTS_GB + sum(weights_gb(size(plan, name)) for name in names)
    trained = sorted(size(plan, name).parameters for name in names if name in plan.trainings)
    at_once = needed.trainings or len(trained)
    return Range(least, least + sum(trained[-at_once:]) * CHECKPOINT_BYTES / GB)


def _is_made(config: Config, model: str) -> bool:
    return Path(config.pathvars.results, "models", model, "card.json").is_file()


def handed_gb(needed: Needs) -> float:
    """What trainings side by side hand on to their engines through shared memory: the largest draft for each."""
    plan, number = needed.plan, NUMBER_BYTES[needed.config.sapo.rollouts.dtype]
    drafts = (size(plan, training.draft).parameters for training in plan.trainings.values())
    return needed.trainings * max(drafts, default=0.0) * number / GB
