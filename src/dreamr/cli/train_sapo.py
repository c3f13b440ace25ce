"""Train the draft of one pair by SAPO: GRPO with outcome, alignment and length rewards.

The target of the pair judges every step that the draft writes, through the engine, prompts and threshold of the
evaluation. OUT gets the trained draft, complete and in the form of the one it was trained from, and training.csv with
one row per batch of completions. Checkpoints lie in OUT.checkpoints; a training that was cut off goes on from the
newest one, to the same result, and removes them at its end.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from dreamr.checkpoints import model_folder, save_like
from dreamr.jobs import TrainJob
from dreamr.provenance import code_digest, model_digest, spec_digest, versions

# glibc gives each large tensor back to the kernel unless told otherwise, which makes training several times slower.
# It reads these when the process starts.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_TOP_PAD_": "200000000",
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        job = TrainJob.model_validate_json(options.spec)
    except ValidationError as error:
        raise SystemExit(f"--spec {options.spec}: {error}") from None
    os.environ.setdefault("OMP_NUM_THREADS", "1" if job.device == "cpu" else "8")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Else a library that asks whether there is a GPU, while it is imported, fixes which ones this process sees.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    from dreamr.training import train, write_log

    source = options.models / job.draft.name
    work = options.out.with_name(options.out.name + ".checkpoints")
    with model_folder(options.out, job.name, "sapo") as (folder, facts):
        pair = [model_digest(options.models / model.name) for model in (job.draft, job.target)]
        # A draft keeps its name under another scorer; a training half under each is none.
        checkpoints = work / spec_digest(job, pair, code_digest("dreamr.answers"), versions())
        trainer = train(job, options.models, options.data, checkpoints)
        save_like(trainer.model, source, folder)
        write_log(job, trainer.state, folder / "training.csv")
        facts |= {"draft": job.draft.name, "target": job.target.name, "steps": trainer.state.max_steps}
        facts |= {"recipe": job.recipe.model_dump(), "sapo": job.sapo.model_dump()}
    shutil.rmtree(work, ignore_errors=True)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.train_sapo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described.add_argument("--spec", required=True, metavar="JSON", help="a TrainJob: target, draft, recipe, settings")
    described.add_argument("--models", required=True, type=Path, metavar="FOLDER", help="folder of model folders")
    described.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="folder of prepared data sets")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the trained draft")
    return described


if __name__ == "__main__":
    if sys.platform == "linux" and not ALLOCATOR.items() <= os.environ.items():
        os.environ.update(ALLOCATOR)
        os.execv(sys.executable, [sys.executable, "-m", "dreamr.cli.train_sapo", *sys.argv[1:]])
    main()
