"""What a run takes from the hub, and whether each of it is fixed to a commit."""

import re

import yaml

from dreamr.config import HubModel
from dreamr.errors import UserError
from dreamr.planning.plan import Plan

HUB = "https://huggingface.co"
COMMIT = re.compile(r"[0-9a-f]{40}")  # a branch or a tag may move


def refuse_unpinned(plan: Plan) -> None:
    """At the paper's scale another run must be of the same weights and questions: UserError with all that may move."""
    if plan.config.scale == "paper" and (addresses := unpinned(plan)):
        asked = "\n".join(f"git ls-remote {address} HEAD" for address in addresses.values())
        raise UserError(
            "These are not fixed to a commit, so that a later run would be of other weights or questions. Fill in the "
            "commits, keep this as pins.yaml and lay it over the configuration (--configfile config/paper.yaml "
            f"pins.yaml):\n\n{skeleton(addresses)}\nWhat these print are the newest ones:\n\n{asked}\n"
        )


def unpinned(plan: Plan) -> dict[tuple[str, str], str]:
    """What the hub gives as it is today: part of the configuration and name, with the address to ask for a commit."""
    models = {
        ("models", name): f"{HUB}/{model.id}"
        for name in plan.models["fetch"]
        if isinstance(model := plan.config.models[name], HubModel) and not _is_commit(model.revision)
    }
    sets = {
        ("benchmarks" if name in plan.config.benchmarks else "training_sets", name): f"{HUB}/datasets/{data.path}"
        for name, data in plan.datasets.items()
        if not (_is_commit(data.revision) or plan.is_micro(name) or data.is_local)
    }
    return models | sets


def skeleton(addresses: dict[tuple[str, str], str]) -> str:
    """The YAML to fill in."""
    tree: dict[str, dict[str, dict[str, str]]] = {}
    for part, name in addresses:
        tree.setdefault(part, {})[name] = {"revision": ""}
    return yaml.safe_dump(tree, sort_keys=False)


def _is_commit(revision: str | None) -> bool:
    return revision is not None and COMMIT.fullmatch(revision) is not None
