"""Quantize a target by AWQ: 4-bit weights in groups, 16-bit activations, the language model only.

Calibrated on training questions, each with the model's own greedy answer. OUT gets a complete model folder that vLLM
serves: compressed-tensors with packed weights for GPUs, floats that hold the 4-bit values for a CPU, where vLLM has
kernels for packed weights on some processors only. card.json says which it was ("packed").
"""

from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.data.sampling import drawn
from dreamr.models.cards import model_digest
from dreamr.models.folders import model_folder, restore_if_built
from dreamr.planning.jobs import QuantizeJob
from dreamr.provenance import spec_digest, versions
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer
from dreamr.runtime.processes import see_at_most, set_threads


@exit_on_user_error()
def main(*, spec: str, models: Path, data: Path, out: Path, gpus: int = 0) -> None:
    """Quantize, unless the folder holds what would come of it.

    Args:
        spec: JSON of a QuantizeJob: base model and AWQ settings
        models: folder of model folders
        data: folder of prepared data sets
        out: folder for the quantized model
        gpus: how many of the machine's GPUs are this job's; 0: all that it sees
    """
    job = read_spec(QuantizeJob, spec)
    set_threads(job.device)
    see_at_most(gpus)
    base = models / job.base.name
    with exit_or_requeue(out.parent), only_writer(out):
        made_by = spec_digest(job, model_digest(base), versions())
        if not restore_if_built(out, made_by):
            make(job, base, data.resolve(), out, made_by)


def make(job: QuantizeJob, base: Path, data: Path, out: Path, made_by: str) -> None:
    """Quantize `base` and write the folder of the quantized model."""
    from dreamr.models.awq import quantize

    questions = drawn(data, job.awq.training_sets, job.awq.samples, "awq")
    with model_folder(out, job.name, "awq", made_by) as (folder, facts):
        facts |= {"base": job.base.name, "awq": job.awq.model_dump()}
        facts |= quantize(job, base, questions, str(data), folder)
