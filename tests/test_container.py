"""The image and the dev container: their commands, run here with a stand-in of Debian's packages; the locks on ARM."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from projects import COPIED, ROOT, copied, stubbed
from prose import block

from dreamr.machine.lines import RUN_PYTHONS, WHEELS_UNTIL
from dreamr.machine.platforms import GLIBC

PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps")
STAND_IN = """#!/bin/sh
echo "$0 $*" >> "$CALLED"
"""


class Step(NamedTuple):
    """An instruction of the Dockerfile."""

    word: str
    rest: str


def steps() -> list[Step]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    return [Step(*line.split(maxsplit=1)) for line in lines]


def dev_container() -> dict:
    """devcontainer.json is JSON with comments."""
    lines = (ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8").splitlines()
    return json.loads("\n".join(line for line in lines if not line.startswith("//")))


def first_command() -> str:
    """README's, without the scale: an image and a dev container are for all of them."""
    return block("<!-- command 1 -->\n```").removesuffix(" --configfile config/smoke.yaml")


def test_the_image_has_the_python_of_the_other_recipes_and_names_no_package_itself() -> None:
    words = [step.word for step in steps()]
    assert words == [*("FROM", "RUN", "FROM", "ARG", "ENV", "WORKDIR", "COPY"), "RUN", "RUN", "ENTRYPOINT", "CMD"]
    base = steps()[0].rest.partition(" AS ")[0]
    assert f"From: {base}" in (ROOT / "envs/container.def").read_text(encoding="utf-8")
    installs = [step.rest for step in steps() if "pip install" in step.rest]
    assert installs == ["python3 -m venv .venv  && .venv/bin/pip install --quiet --editable ."]
    assert ".venv/bin/snakemake --cores all environments" in [step.rest for step in steps()]


def test_what_is_copied_into_the_image_is_what_a_clone_has() -> None:
    """Results, environments and caches of the machine that builds stay outside."""
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert not {*COPIED, "pyproject.toml", "README.md", "LICENSE"} & {*left_out}
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()}
    assert {"results", "resources", "environments", "logs", "benchmarks", ".venv", ".snakemake"} <= {
        *left_out
    } & ignored


def test_image_and_dev_container_run_readmes_first_command() -> None:
    made, shown = steps(), first_command().replace("-q -e", "--quiet --editable")
    run = " && ".join(re.sub(r"\s+", " ", step.rest) for step in made[-4:-2])
    entry, options = (json.loads(step.rest) for step in made[-2:])
    assert f"{run} && {shlex.join([*entry, *options])}" == shown.replace(
        ".venv/bin/snakemake", ".venv/bin/snakemake --cores all environments && .venv/bin/snakemake"
    )
    after = dev_container()["postCreateCommand"]
    assert after == f"{first_command()} environments"


def test_the_dev_container_is_the_first_part_of_the_image() -> None:
    build = dev_container()["build"]
    assert (ROOT / ".devcontainer" / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert steps()[0].rest.endswith(f" AS {build['target']}")
    assert steps()[2] == Step("FROM", build["target"])


@pytest.mark.slow
def test_the_commands_of_the_image_end_with_a_workflow_that_runs(tmp_path: Path) -> None:
    """A stand-in of apt-get; Python's packages are real, those of the models are left out by a stubbed command."""
    project = stubbed(copied(tmp_path / "image"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project.folder)
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    (stand_ins / "apt-get").write_text(STAND_IN)
    (stand_ins / "apt-get").chmod(0o755)
    (stand_ins / "python3").symlink_to(sys.executable)
    removed = tmp_path / "lists"
    environment = {**os.environ, "PATH": f"{stand_ins}:{os.environ['PATH']}", "CALLED": str(tmp_path / "called")}
    del environment["PYTHONPATH"]
    told = {"cwd": project.folder, "capture_output": True, "text": True}
    for step in steps():
        if step.word == "RUN":
            command = step.rest.replace("/var/lib/apt/lists", str(removed))
            done = subprocess.run(["sh", "-ec", command], env=environment, **told)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "install --yes" in (tmp_path / "called").read_text()
    entry = json.loads(steps()[-2].rest)
    arguments = ["--cores", "2", "--configfile", "config/smoke.yaml"]
    done = subprocess.run([*entry, *arguments], env=environment, **told)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (project.folder / "results/smoke/report/index.html").exists()


# -- wheels


def applicable(lock: Path, machine: str, python: tuple[int, int]) -> Iterator[str]:
    """The pins of a lock that count for a Linux of this architecture; pip itself asks the machine that it runs on."""
    there = {"platform_machine": machine, "python_version": "{}.{}".format(*python)}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") and ((asked := Requirement(line)).marker is None or asked.marker.evaluate(there)):
            yield f"{asked.name}{asked.specifier}"


def test_a_pin_for_one_architecture_is_left_out_on_the_other() -> None:
    lock = ROOT / "envs/models-cpu.txt"
    ours, arms = ({*applicable(lock, machine, (3, 11))} for machine in ("x86_64", "aarch64"))
    assert arms < ours and ours - arms == {"intel-openmp==2024.2.1", "intel-cmplr-lib-ur==2024.2.1"}


@pytest.fixture(scope="module")
def online() -> None:
    """Skips where pip reaches no index."""
    asked = [*PIP, "--ignore-installed", "--no-cache-dir", "--retries=0", "--timeout=10", "six==1.17.0"]
    if subprocess.run(asked, capture_output=True).returncode:
        pytest.skip("not run: pip reaches no index of packages")


@pytest.mark.slow
@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("name", ["models-cpu", "quantize-cpu"])
@pytest.mark.parametrize(("machine", "python"), [("aarch64", RUN_PYTHONS[0]), ("x86_64", WHEELS_UNTIL)])
def test_the_locks_have_wheels_on_arm_and_for_the_newest_python(
    tmp_path: Path, name: str, machine: str, python: tuple[int, int]
) -> None:
    """For the oldest glibc that the check lets pass: nothing has to be compiled."""
    pins = tmp_path / "pins.txt"
    pins.write_text("\n".join(applicable(ROOT / f"envs/{name}.txt", machine, python)))
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC[1], 4, -1)]
    tags += [f"manylinux{year}_{machine}" for year in ("2014", "2010", "1")]
    platforms = [option for tag in tags for option in ("--platform", tag)]
    chosen = ["--only-binary=:all:", "--python-version", "{}.{}".format(*python), "--target", str(tmp_path / "x")]
    done = subprocess.run([*PIP, *platforms, *chosen, "--requirement", str(pins)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
