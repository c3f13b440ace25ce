"""What a run takes from the hub, and whether each of it is fixed to a commit."""

from pathlib import Path

from dreamr.config import HubModel
from dreamr.errors import UserError
from dreamr.planning.plan import Plan

HUB = "https://huggingface.co"


def refuse_unpinned(plan: Plan) -> None:
    """At the paper's scale another run must be of the same weights and questions: UserError with all that may move."""
    if plan.config.scale == "paper" and (found := unpinned(plan)):
        lines = "\n".join(f"  - {setting}: {address}" for setting, address in found.items())
        raise UserError(
            f"Not fixed to a commit, so that a later run would be of other weights or questions:\n{lines}\n"
            "Write the commits into a file and lay it over the configuration (--configfile config/paper.yaml "
            "pins.yaml); `git ls-remote <address> HEAD` prints the newest one of each."
        )


def unpinned(plan: Plan) -> dict[str, str]:
    """The settings that would fix what the run takes from the hub as it is today, each with the address to ask."""
    models = {
        f"models.{name}.revision": f"{HUB}/{model.id}"
        for name in plan.models["fetch"]
        if isinstance(model := plan.config.models[name], HubModel) and model.revision is None
    }
    sets = {
        f"{'benchmarks' if name in plan.config.benchmarks else 'training_sets'}.{name}.revision": data
        for name, data in plan.datasets.items()
        if data.revision is None and not plan.is_micro(name) and not Path(data.path).is_dir()
    }
    return models | {setting: f"{HUB}/datasets/{data.path}" for setting, data in sets.items()}
