"""A processor without AVX-512, on one that has it: vLLM's other library writes the same texts and verdicts.

The tests marked `instructions` are run once more with it. A machine without AVX-512 runs every test with it anyway.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
# What torch, oneDNN and MKL read, so that nothing else computes with AVX-512 either.
WITHOUT = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "PYTHONPATH": os.pathsep.join([str(TESTS / "avx2"), str(ROOT / "src")]),
}


def has_avx512() -> bool:
    import torch

    return bool(torch.cpu._is_avx512_supported())


@pytest.fixture(autouse=True)
def needed() -> None:
    if not has_avx512():
        pytest.skip("this machine has no AVX-512: every test ran without it")


pytestmark = [pytest.mark.models, pytest.mark.slow]


def python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_engines_work_without_avx512() -> None:
    """Of the drafts one stands for all."""
    chosen = ("-m", "instructions", "-k", "not r4b and not mimo-3l")
    assert "passed" in python("-m", "pytest", "-q", *chosen, **WITHOUT)


def test_texts_and_verdicts_do_not_depend_on_the_instructions() -> None:
    """Up to rounding, which may turn one greedy text of many."""
    wide, narrow = (json.loads(python("tests/answers.py", **env).splitlines()[-1]) for env in ({}, WITHOUT))
    assert (wide["library"], narrow["library"]) != ("_C_AVX2", "_C_AVX2") and narrow["library"] == "_C_AVX2"
    equal = sum(map(str.__eq__, wide["texts"], narrow["texts"])) / len(wide["texts"])
    assert len(wide["texts"]) == 48 and equal >= 0.95
    assert most_apart(wide["logprobs"], narrow["logprobs"]) < 1e-3


def most_apart(ours: list[Any], theirs: list[Any]) -> float:
    pairs = zip(ours, theirs, strict=True)
    return max(abs(one - other) for pair in pairs for one, other in zip(*pair, strict=True))
