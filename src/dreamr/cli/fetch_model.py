"""Bring a model to its folder: one of the zoo, checked against its checksums, one of the hub, or one of a local folder.

A model of the hub is downloaded at the revision that the configuration pins, weights as safetensors only, or taken from
the hub's cache on this machine. card.json, written last, says which commit it was. Beside this
command only `prepare` takes anything from the hub. An example of SPEC:

    {"name": "q3vl-2l", "model": {"from": "zoo", "path": "workflow/resources/zoo/q3vl-2l",
        "engine": {"dtype": "float32"}}}
"""

import shutil
from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.config import FETCHED, FETCHED_CODE, HubModel, LocalModel, ZooModel
from dreamr.errors import UserError
from dreamr.micro import zoo
from dreamr.models.cards import CARD
from dreamr.models.folders import copy_settings, model_folder
from dreamr.planning.jobs import FetchJob
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer


@exit_on_user_error()
def main(*, spec: str, out: Path) -> None:
    """Fill the model's folder, unless another process does.

    Args:
        spec: JSON of a FetchJob: name and model (see config.yaml)
        out: the model's folder
    """
    job = read_spec(FetchJob, spec)
    with exit_or_requeue(out.parent), only_writer(out):
        fetch(job, out)


def fetch(job: FetchJob, out: Path) -> None:
    """Fill the model's folder from its source."""
    with model_folder(out, job.name, job.model.maker) as (folder, facts):
        if isinstance(job.model, ZooModel):
            facts["source"] = from_zoo(Path(job.model.path), folder)
        elif isinstance(job.model, HubModel):
            facts["source"] = from_hub(job.model, folder)
        elif isinstance(job.model, LocalModel):
            facts["source"] = from_folder(job.model, folder)
        else:
            allowed = "zoo, hub, local"
            raise UserError(f"{job.name}: a model 'from: {job.model.maker}' is made, not fetched; allowed: {allowed}")


def from_zoo(source: Path, folder: Path) -> str:
    """Copy a model of the zoo; stops with file and checksums if it is not the one that was trained."""
    zoo.verify(source)
    copy_settings(source, folder)
    for weights in source.glob("*.safetensors"):
        shutil.copy(weights, folder)
    return str(source)


def from_folder(model: LocalModel, folder: Path) -> str:
    """Link a model of a folder on this machine; a card in it is of another run."""
    for path in model.files:
        if path.name != CARD:
            (folder / path.name).symlink_to(path.resolve())
    return model.path


def from_hub(model: HubModel, folder: Path) -> str:
    """Link a model of the hub from the cache, downloading what is missing; returns its id and commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = f"{model.id}@{model.revision or 'main'}"
    patterns = [*FETCHED, *(FETCHED_CODE if model.trust_remote_code else ())]
    try:
        snapshot = Path(snapshot_download(model.id, revision=model.revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{wanted}: neither in the hub's cache nor to be had from the hub ({type(error).__name__}: {error}). "
            "Is there a network, is HF_HUB_OFFLINE unset, does the revision exist, does the model ask for a login?"
        ) from None
    for path in sorted(snapshot.rglob("*")):
        if path.is_file():
            link = folder / path.relative_to(snapshot)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return f"{model.id}@{snapshot.name}"
