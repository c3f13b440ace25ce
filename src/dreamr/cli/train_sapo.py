"""Train the draft of one pair by SAPO: GRPO with outcome, alignment and length rewards.

The target of the pair judges every step that the draft writes, through the engine, prompts and threshold of the
evaluation. OUT gets the trained draft, complete and in the form of the one it was trained from, and training.csv with
one row per batch of completions. Checkpoints lie in OUT.checkpoints; a training that was cut off goes on from the
newest one, to the same result, and removes them at its end.

With `sapo.ranks` above one, start it by torchrun with as many processes. The first owns the engines and all files.
"""

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.models.cards import model_digest
from dreamr.models.folders import CURVE, brought_back, in_type, is_made, model_folder, save_like, weights_type
from dreamr.planning.jobs import TrainJob
from dreamr.provenance import code_digest, spec_digest, versions
from dreamr.runtime.endings import worded, worded_or_requeued
from dreamr.runtime.locks import only_writer
from dreamr.runtime.output import print_lines
from dreamr.runtime.processes import first_rank, set_threads, start_with_allocator

WORDS = ("dreamr.errors", "dreamr.files")  # how things are said and written decides no reward


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(TrainJob, options.spec)
    set_threads(job.device)
    # Else a library that asks whether there is a GPU, while it is imported, fixes which ones this process sees.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    with worded_or_requeued(options.out.parent):
        pair = [model_digest(options.models / model.name) for model in (job.draft, job.target)]
        # A draft keeps its name under another scorer; a training half under each is none.
        made_by = spec_digest(job.anywhere(), pair, code_digest("dreamr.scoring.answers", leave_out=WORDS), versions())
        work = options.out.with_name(options.out.name + ".checkpoints")
        if first_rank():
            with only_writer(options.out):
                if not brought_back(options.out, made_by):
                    make(job, options, work / made_by, made_by)
                    shutil.rmtree(work, ignore_errors=True)
        elif not is_made(options.out, made_by):
            take_part(job, options, work / made_by)


def make(job: TrainJob, options: argparse.Namespace, work: Path, made_by: str) -> None:
    """Train the draft, from its newest checkpoint if there is one, and write its folder."""
    from dreamr.sapo.curve import write_curve
    from dreamr.sapo.trainer import train

    with model_folder(options.out, job.name, "sapo", made_by) as (folder, facts):
        trained = train(job, options.models, options.data, work)
        source = options.models / job.draft.name
        save_like(trained.model, in_type(trained.weights, weights_type(source)), source, folder)
        write_curve(job, trained.state, folder / CURVE)
        facts |= {"draft": job.draft.name, "target": job.target.name, "steps": trained.state.max_steps}
        facts |= {"recipe": job.recipe.model_dump(), "sapo": job.sapo.model_dump()}


def take_part(job: TrainJob, options: argparse.Namespace, work: Path) -> None:
    """Train with the first rank, which writes what comes of it."""
    from dreamr.sapo.trainer import train

    train(job, options.models, options.data, work)


def parser() -> argparse.ArgumentParser:
    described = command_parser("train_sapo", __doc__)
    described.add_argument("--spec", required=True, metavar="JSON", help="a TrainJob: target, draft, recipe, settings")
    described.add_argument("--models", required=True, type=Path, metavar="FOLDER", help="folder of model folders")
    described.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="folder of prepared data sets")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the trained draft")
    return described


if __name__ == "__main__":
    start_with_allocator()
    print_lines()
    main()
