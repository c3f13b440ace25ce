"""Quantize a target by AWQ: 4-bit weights in groups, 16-bit activations, the language model only.

Calibrated on training questions, each with the model's own greedy answer. OUT gets a complete model folder that vLLM
serves: compressed-tensors with packed weights. On a CPU the experts of a mixture of experts are written as floats that
hold their 4-bit values, since vLLM serves packed experts on GPUs only; card.json says which it was ("packed").
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from dreamr.checkpoints import model_folder
from dreamr.jobs import QuantizeJob
from dreamr.samples import drawn


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        job = QuantizeJob.model_validate_json(options.spec)
    except ValidationError as error:
        raise SystemExit(f"--spec {options.spec}: {error}") from None
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from dreamr.quantization import quantize

    data, base = options.data.resolve(), options.models / job.base.name
    questions = drawn(data, job.awq.training_sets, job.awq.samples, "awq")
    with model_folder(options.out, job.name, "awq") as (folder, facts):
        facts |= {"base": job.base.name, "awq": job.awq.model_dump()}
        facts |= quantize(job, base, questions, str(data), folder)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.quantize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described.add_argument("--spec", required=True, metavar="JSON", help="a QuantizeJob: base model and AWQ settings")
    described.add_argument("--models", required=True, type=Path, metavar="FOLDER", help="folder of model folders")
    described.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="folder of prepared data sets")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the quantized model")
    return described


if __name__ == "__main__":
    main()
