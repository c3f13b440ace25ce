"""Methods on engines of one's own, for commands that answer as they are asked: what `ask` and `serve` share.

The models are those that the workflow has made; one that is missing is named with the command that makes it.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

from cyclopts import Parameter

from dreamr.answering.engines import EngineKey, started
from dreamr.answering.thresholds import certified
from dreamr.certificates import Certificate, read_certificate
from dreamr.config import PLAIN, REFERENCE, Config, Guarantee, Method, sapo_model
from dreamr.errors import UserError
from dreamr.models.cards import model_digest
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.plan import Calibrated, Plan
from dreamr.provenance import SOURCES, environment_folder

if TYPE_CHECKING:
    from dreamr.engines.vllm.engine import VllmEngine

SHOWN = 20  # of the names that are allowed in the place of an unknown one

T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """Methods and their pair, by name.

    Args:
        method: of the configuration
        target: model; default: the target of the first pair
        draft: model before SAPO; default: the draft of the first pair
    """

    method: tuple[str, ...] = (REFERENCE,)
    target: str | None = None
    draft: str | None = None


USUAL = Chosen()
Choice = Annotated[Chosen, Parameter("*")]  # its fields are options of the command


class LiveMethod(NamedTuple):
    """A method, and the engines that it runs on, by role."""

    method: Method
    engines: dict[str, EngineKey]
    certificate: Certificate | None = None  # of a threshold that was calibrated


def live_methods(config: Config, chosen: Chosen, overlays: Sequence[Path]) -> dict[str, LiveMethod]:
    """The chosen ones by name; all of their models are there."""
    target, draft = SummariseJob.of(config).pairs[0]
    live = {
        name: live_method(Plan(config), name, chosen.target or target, chosen.draft or draft, overlays)
        for name in chosen.method
    }
    for name in {key.model.name: None for method in live.values() for key in method.engines.values()}:
        result_file(config, f"models/{name}/card.json", overlays)
    return live


def live_method(plan: Plan, name: str, target: str, draft: str, overlays: Sequence[Path] = ()) -> LiveMethod:
    """The method of this name on the models of this pair, with the threshold that was calibrated for it."""
    method = known(plan.config.methods, name, "method")
    if method.asks_oracle:
        raise UserError(f"{name!r}: its verdicts are the step oracle's, which is asked by the workflow alone")
    models, certificate = model_names(plan, method, target, draft), None
    if method.guarantee:
        certificate = found_certificate(plan, Calibrated(target, models["draft"], name), method.guarantee, overlays)
        method = certified(method, certificate)
        models = model_names(plan, method, target, draft)
    engines = {role: EngineKey.of(plan.ref(model), method, role) for role, model in models.items()}
    return LiveMethod(method, engines, certificate)


def found_certificate(plan: Plan, calibrated: Calibrated, promised: Guarantee, overlays: Sequence[Path]) -> Certificate:
    """That of a method on a pair; a UserError where there is none, or one of another promise or of other models."""
    target, drafter, name = calibrated
    if calibrated not in plan.calibrations:
        pairs = [f"{one.target} with {one.drafter}" for one in plan.calibrations if one.method == name]
        raise UserError(
            f"{name!r}: its threshold is not calibrated for {target} with {drafter}; it is for: "
            f"{', '.join(pairs) or 'none'}. A run with this pair and method calibrates it"
        )
    results = Path(plan.config.pathvars.results)
    path = result_file(plan.config, str(Path(plan.certificate(calibrated)).relative_to(results)), overlays)
    found = read_certificate(path)
    cards = {model: result_file(plan.config, f"models/{model}/card.json", overlays) for model in found.models}
    weights = {model: model_digest(card.parent) for model, card in cards.items()}
    if found.models != weights or any(getattr(found, part) != value for part, value in promised):
        raise UserError(
            f"{path}: was made for other weights of its models, or for another promise than methods.{name}.alpha; make "
            f"it anew with: {making(str(path), overlays)}"
        )
    return found


def model_names(plan: Plan, method: Method, target: str, draft: str) -> dict[str, str]:
    """The models that a method of this pair runs on, by role."""
    for name in (target, draft):
        known(plan.config.models, name, "model")
    if method.needs_draft and method.draft != PLAIN:
        draft = sapo_model(method.draft, target, draft)
        known(plan.trainings, draft, "SAPO draft")
    roles = {"target": target} if method.needs_target else {}
    return roles | ({"draft": draft} if method.needs_draft else {})


async def start_engines(
    config: Config, live: Iterable[LiveMethod], stack: AsyncExitStack
) -> dict[EngineKey, "VllmEngine"]:
    """The engines of all methods, each once, until `stack` is left."""
    keys = [key for method in live for key in method.engines.values()]
    return await started(keys, Path(config.pathvars.results) / "models", config, stack)


def reexec_in_models_env(config: Config, overlays: Sequence[Path]) -> None:
    """Become this process's own command under the Python of the models environment."""
    python = f"{environment_folder(Path(f'envs/models-{config.device}.txt'))}/bin/python"
    if not Path(python).exists():
        remedy = making("environments", overlays)
        raise UserError(f"{python}: no such file, and this Python has no vllm; make it with: {remedy}")
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    os.execve(python, [python, "-m", "dreamr", *sys.argv[1:]], environment)


def known(among: Mapping[str, T], name: str, kind: str) -> T:
    """What has this name; a UserError with the names that there are."""
    if name not in among:
        raise UserError(f"{name!r}: no such {kind}; there are: {', '.join(list(among)[:SHOWN])}")
    return among[name]


def result_file(config: Config, name: str, overlays: Sequence[Path]) -> Path:
    """A file of the workflow's results; a UserError with the command that makes it."""
    path = Path(config.pathvars.results) / name
    if not path.exists():
        raise UserError(f"{path}: no such file; make it with: {making(str(path), overlays)}")
    return path


def making(target: str, overlays: Sequence[Path]) -> str:
    """The command that makes `target`, which comes first: --configfile would take it for one more file."""
    files = ["--configfile", *map(str, overlays)] if overlays else []
    return shlex.join([".venv/bin/snakemake", "--cores", "all", target, *files])
