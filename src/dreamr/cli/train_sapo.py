"""Train the draft of one pair by SAPO: GRPO with outcome, alignment and length rewards.

The target of the pair judges every step that the draft writes, through the engine, prompts and threshold of the
evaluation. OUT gets the trained draft, complete and in the form of the one it was trained from, and training.csv with
one row per batch of completions. Checkpoints lie in OUT.checkpoints; a training that was cut off goes on from the
newest one, to the same result, and removes them at its end.

With `sapo.ranks` above one, start it by torchrun with as many processes. The first owns the engines and all files.
"""

import os
import shutil
from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.models.cards import model_digest
from dreamr.models.folders import CURVE, in_type, is_made, model_folder, restore_if_built, save_like, weights_type
from dreamr.planning.jobs import TrainJob
from dreamr.provenance import code_digest, spec_digest, versions
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer
from dreamr.runtime.processes import first_rank, see_at_most, set_threads

WORDS = ("dreamr.errors", "dreamr.files")  # how things are said and written decides no reward


@exit_on_user_error()
def main(*, spec: str, models: Path, data: Path, out: Path, gpus: int = 0) -> None:
    """Train, unless the folder holds what would come of it.

    Args:
        spec: JSON of a TrainJob: target, draft, recipe, settings
        models: folder of model folders
        data: folder of prepared data sets
        out: folder for the trained draft
        gpus: how many of the machine's GPUs are this job's; 0: all that it sees
    """
    job = read_spec(TrainJob, spec)
    set_threads(job.device)
    see_at_most(gpus)
    # Else a library that asks whether there is a GPU, while it is imported, fixes which ones this process sees.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    with exit_or_requeue(out.parent):
        pair = [model_digest(models / model.name) for model in (job.draft, job.target)]
        # A draft keeps its name under another scorer; a training half under each is none.
        made_by = spec_digest(
            job.wherever_served(), pair, code_digest("dreamr.scoring.answers", leave_out=WORDS), versions()
        )
        work = out.with_name(out.name + ".checkpoints")
        if first_rank():
            with only_writer(out):
                if not restore_if_built(out, made_by):
                    make(job, models, data, out, work / made_by, made_by)
                    shutil.rmtree(work, ignore_errors=True)
        elif not is_made(out, made_by):
            take_part(job, models, data, work / made_by)


def make(job: TrainJob, models: Path, data: Path, out: Path, work: Path, made_by: str) -> None:
    """Train the draft, from its newest checkpoint if there is one, and write its folder."""
    from dreamr.sapo.curve import write_curve
    from dreamr.sapo.trainer import train

    with model_folder(out, job.name, "sapo", made_by) as (folder, facts):
        trained = train(job, models, data, work)
        source = models / job.draft.name
        save_like(trained.model, in_type(trained.weights, weights_type(source)), source, folder)
        write_curve(job, trained.state, folder / CURVE)
        facts |= {"draft": job.draft.name, "target": job.target.name, "steps": trained.state.max_steps}
        facts |= {"recipe": job.recipe.model_dump(), "sapo": job.sapo.model_dump()}


def take_part(job: TrainJob, models: Path, data: Path, work: Path) -> None:
    """Train with the first rank, which writes what comes of it."""
    from dreamr.sapo.trainer import train

    train(job, models, data, work)
