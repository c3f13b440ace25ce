"""The locks are complete, pinned and agree with one another."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).parents[1] / "envs"
LOCKS = ("models-cpu", "models-cuda", "quantize-cpu", "quantize-cuda")
RANGES = {"torch", "torchvision"}  # in the CPU locks: the CPU build's version carries a local label
# vLLM's builds pin these two differently.
DIFFERENT = {"apache-tvm-ffi", "setuptools", *RANGES}


def lock(name: str) -> dict[str, Requirement]:
    lines = (ENVS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if not line.startswith("#")]
    pins = {canonicalize_name(requirement.name): requirement for requirement in requirements}
    assert len(pins) == len(requirements), f"{name}.txt names a package twice"
    return pins


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned(name: str) -> None:
    ranges = RANGES if name.endswith("-cpu") else set()
    for package, requirement in lock(name).items():
        operators = {part.operator for part in requirement.specifier}
        assert operators == ({">=", "<"} if package in ranges else {"=="}), requirement
        assert requirement.url is None and "+" not in str(requirement.specifier), requirement


@pytest.mark.parametrize("environment", ["models", "quantize"])
def test_cpu_and_cuda_hold_the_same_versions(environment: str) -> None:
    cpu, cuda = lock(f"{environment}-cpu"), lock(f"{environment}-cuda")
    shared = cpu.keys() & cuda.keys() - DIFFERENT
    assert len(shared) > 50
    assert {name: str(cpu[name]) for name in shared} == {name: str(cuda[name]) for name in shared}
    for name in RANGES:
        assert cpu[name].specifier.contains(str(cuda[name].specifier).removeprefix("=="))


@pytest.mark.parametrize("environment", ["models", "quantize"])
def test_conda_file_equals_the_cuda_lock(environment: str) -> None:
    tree = yaml.safe_load((ENVS / f"{environment}.yaml").read_text(encoding="utf-8"))
    (pip,) = (part["pip"] for part in tree["dependencies"] if isinstance(part, dict))
    assert {str(Requirement(line)) for line in pip} == {str(pin) for pin in lock(f"{environment}-cuda").values()}


def test_the_image_is_made_from_the_lock_and_nothing_else() -> None:
    """What the recipe installs is the lock, as the virtual environment does; it names no package and no pin itself."""
    recipe = (ENVS / "container.def").read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in recipe.split("\n%")[1:])
    assert {"arguments", "files", "post", "labels", "test"} == set(sections)
    assert sections["arguments"].split() == ["lock=models-cuda"]
    assert sections["files"].split() == ["envs/{{", "lock", "}}.txt", "/lock.txt"]
    installs = re.findall(r"pip install (.*)", sections["post"])
    assert [re.sub(r"--no-cache-dir ", "", line) for line in installs] == [
        "--no-deps --requirement /lock.txt",
        "torch torchvision",
    ]
    python = yaml.safe_load((ENVS / "models.yaml").read_text(encoding="utf-8"))["dependencies"][0]
    assert f"From: {python.replace('=', ':')}-slim" in recipe
    syntax = subprocess.run(["sh", "-n"], input=sections["post"], text=True, capture_output=True)
    assert syntax.returncode == 0, syntax.stderr


def test_models_and_quantize_share_the_file_format() -> None:
    """A folder saved in one environment is loaded in the other."""
    for name in ("transformers", "tokenizers", "safetensors", "huggingface-hub"):
        assert str(lock("models-cpu")[name]) == str(lock("quantize-cpu")[name])


@pytest.mark.parametrize("name", LOCKS)
def test_locks_name_no_host(name: str) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", (ENVS / f"{name}.txt").read_text())
