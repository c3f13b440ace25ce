"""The locks are complete, pinned and agree with one another; the image is made by README's first command."""

import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ("models-cpu", "models-cuda", "quantize-cpu", "quantize-cuda")
RANGES = {"torch", "torchvision"}  # in the CPU locks: the CPU build's version carries a local label
DIFFERENT = {"apache-tvm-ffi", "setuptools", *RANGES}  # vLLM's builds pin the first two differently


def lock(name: str) -> dict[str, Requirement]:
    lines = (ROOT / f"envs/{name}.txt").read_text(encoding="utf-8").splitlines()
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


def test_models_and_quantize_share_the_file_format() -> None:
    """A folder saved in one environment is loaded in the other."""
    for name in ("transformers", "tokenizers", "safetensors", "huggingface-hub"):
        assert str(lock("models-cpu")[name]) == str(lock("quantize-cpu")[name])


def test_image_and_dev_container_run_readmes_first_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"<!-- command 1 -->\n```\n(.*) --configfile config/smoke.yaml\n", readme)
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    runs = [" ".join(line.split()) for line in re.findall(r"^RUN (.*)$", dockerfile, re.M)]
    entry, options = (json.loads(line) for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", dockerfile, re.M))
    installed, experiment = command.replace("-q -e", "--quiet --editable").rsplit(" && ", 1)
    assert runs[1:] == [installed, f"{experiment} environments"]
    assert " ".join([*entry, *options]) == experiment
    assert f'"{command} environments"' in (ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
