"""Quantize a target by AWQ: 4-bit weights in groups, 16-bit activations, the language model only.

Calibrated on training questions, each with the model's own greedy answer. OUT gets a complete model folder that vLLM
serves: compressed-tensors with packed weights for GPUs, floats that hold the 4-bit values for a CPU, where vLLM has
kernels for packed weights on some processors only. card.json says which it was ("packed").
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.data.sampling import drawn
from dreamr.models.cards import model_digest
from dreamr.models.folders import brought_back, model_folder
from dreamr.planning.jobs import QuantizeJob
from dreamr.provenance import spec_digest, versions
from dreamr.runtime.endings import worded, worded_or_requeued
from dreamr.runtime.locks import only_writer
from dreamr.runtime.output import print_lines
from dreamr.runtime.processes import set_threads, start_with_allocator


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(QuantizeJob, options.spec)
    set_threads(job.device)
    base = options.models / job.base.name
    with worded_or_requeued(options.out.parent), only_writer(options.out):
        made_by = spec_digest(job, model_digest(base), versions())
        if not brought_back(options.out, made_by):
            make(job, base, options.data.resolve(), options.out, made_by)


def make(job: QuantizeJob, base: Path, data: Path, out: Path, made_by: str) -> None:
    """Quantize `base` and write the folder of the quantized model."""
    from dreamr.models.awq import quantize

    questions = drawn(data, job.awq.training_sets, job.awq.samples, "awq")
    with model_folder(out, job.name, "awq", made_by) as (folder, facts):
        facts |= {"base": job.base.name, "awq": job.awq.model_dump()}
        facts |= quantize(job, base, questions, str(data), folder)


def parser() -> argparse.ArgumentParser:
    described = command_parser("quantize", __doc__)
    described.add_argument("--spec", required=True, metavar="JSON", help="a QuantizeJob: base model and AWQ settings")
    described.add_argument("--models", required=True, type=Path, metavar="FOLDER", help="folder of model folders")
    described.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="folder of prepared data sets")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the quantized model")
    return described


if __name__ == "__main__":
    start_with_allocator()
    print_lines()
    main()
