"""Copies of the workflow in folders of their own, and Snakemake there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from forks import Forked, in_place_of, module

from dreamr.records import read_rows
from dreamr.traces import Trace

ROOT = Path(__file__).parent.parent
MADE = [ROOT / "environments" / name for name in ("models", "quantize")]  # by `snakemake environments`
ZOO = "workflow/resources/zoo"
COPIED = ("Snakefile", "workflow", "config", "src", "envs", "reports", "profiles")
COMMANDS = '''
"""Commands that write their outputs and nothing in them."""
import os
import sys
from pathlib import Path

from dreamr.statistics.names import AUDITED
from dreamr.studies.catalogue import outputs

MICRO = {"mathverse": "testmini", "mmbench": "dev", "realworldqa": "test", "mmmu": "validation",
         "geometry3k": "train", "ocr_vqa": "train", "scienceqa": "train"}
FILES = {
    "fetch_model": ["card.json"], "quantize": ["card.json"], "train_sapo": ["card.json", "training.csv"],
    "summarise": ["claims.csv", *outputs("summarise")], "plot": ["speed.svg"],
    "verify": outputs("verify"),
    "audit": [f"{table}.csv" for table in AUDITED],
    "make_micro": ["planted.csv", *(f"{name}/{split}.parquet" for name, split in MICRO.items())],
    "make_calibration": [f"{name}/{split}.parquet" for name, split in MICRO.items() if split != "train"],
    "make_environment": ["ready.txt"],
}
command = sys.argv[1].replace("-", "_") if sys.argv[0].endswith("dreamr/__main__.py") else ""
if command:
    out = Path(sys.argv[sys.argv.index("--out") + 1])
    for name in FILES.get(command, [""]):
        path = out / name if name else out
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(command)
    if command == "make_environment":
        (out / "bin").mkdir()
        (out / "bin/python").symlink_to(sys.executable)
    os._exit(0)
'''


class Project:
    """A copy of the workflow in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
        """Snakemake, running."""
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self._environment, text=True, **settings)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = Forked(_snakemake, arguments, cwd=self.folder, env=self._environment)
        printed, errors = process.communicate()
        return subprocess.CompletedProcess(arguments, process.wait(), printed, errors)

    @property
    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
        # Before the checkout's, which Snakemake's plugin would load.
        return environment | {"PYTHONPATH": str(self.folder / "src")}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("--cores", "2", *arguments)

    def on_slurm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("--profile", "profiles/slurm", *arguments)

    def succeed(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.snakemake(*arguments)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done

    def planned(self, *arguments: str) -> Counter[str]:
        """Jobs per rule of a dry run."""
        return counted(self.succeed("-n", *arguments).stdout)

    def outputs(self, rule: str) -> set[str]:
        """Outputs of the jobs of one rule in a dry run."""
        done = self.succeed("-n")
        return set(re.findall(rf"^(?:local)?rule {rule}:\n(?:    .*\n)*?    output: (.*)$", done.stdout, re.M))

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        text = (self.folder / path).read_text()
        assert change(text) != text
        (self.folder / path).write_text(change(text))

    def overlay(self, tree: dict) -> list[str]:
        """Options that lay `tree` over the configuration."""
        path = self.folder / "overlay.yaml"
        path.write_text(yaml.safe_dump(tree))
        return ["--configfile", str(path)]


def counted(printed: str) -> Counter[str]:
    """Jobs per rule, as a dry run prints them."""
    return Counter({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", printed, re.M)})


def _snakemake(arguments: Sequence[str]) -> None:
    """As `python -m snakemake` in a copy of the project."""
    in_place_of(ROOT, [Path.cwd(), Path.cwd() / "src"])
    module("snakemake", arguments)


CLUSTER = {"partition": "work", "cores": 2, "gpu": "here"}
FORM = {  # of the Slurm profile, as it is filled in for tests.clusters
    "account": "none",
    **{f"{job}_{what}": value for job in ("train", "generate") for what, value in CLUSTER.items()},
}


def copied(folder: Path, weights: bool = False) -> Project:
    """The workflow in `folder`. Without the zoo's weights a dry run works: it only asks whether they are there."""
    folder.mkdir(exist_ok=True)
    for name in COPIED:
        source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__", *([] if weights else ["zoo"]))
        shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
    for model in [] if weights else (ROOT / ZOO).iterdir():
        made = folder / ZOO / model.name
        made.mkdir(parents=True)
        for name in ("manifest.json", "model.safetensors"):
            (made / name).touch()
    return Project(folder)


def stubbed(project: Project) -> Project:
    """Every command only writes its outputs, so that an experiment takes seconds; Snakemake and the plan are real."""
    project.edit("src/dreamr/cli/__init__.py", lambda text: text + COMMANDS)
    (project.folder / "src/vllm.py").touch()  # where `environments: active` is set, the check looks for it
    return project


def with_environments(project: Project) -> Project:
    """Uses the environments of this checkout."""
    (project.folder / "environments").symlink_to(ROOT / "environments")
    return project


def with_form(project: Project, **others: float) -> Project:
    """Fills in the Slurm profile's form, and nothing else; `others`: further values of it."""
    path = project.folder / "profiles/slurm/config.yaml"
    for key, value in (FORM | others).items():
        text, found = re.subn(rf"(?m)^(  {key}: )\S+", rf"\g<1>{value}", path.read_text())
        assert found == 1, key
        path.write_text(text)
    return project


def run_smoke(folder: Path) -> subprocess.CompletedProcess[str]:
    """The smoke run of this checkout, its files in `folder`."""
    kept = {name: str(folder / name) for name in ("results", "logs", "benchmarks")}
    (folder / "here.yaml").write_text(yaml.safe_dump({"pathvars": kept}))
    return Project(ROOT).succeed("--configfile", "config/smoke.yaml", str(folder / "here.yaml"))


def answers(results: Path) -> dict[tuple[str, ...], tuple[object, ...]]:
    """Texts, steps and verdicts of all traces."""
    rows = [row for path in (results / "traces").rglob("*.jsonl") for row in read_rows(path, Trace)]
    return {
        (row.mode, row.target, row.draft, row.method, row.benchmark, row.question): (row.text, row.steps)
        for row in rows
    }


def other_models(results: Path, reference: Path) -> list[str]:
    """Models that are not those of the reference, byte for byte."""
    found, wanted = _digests(results), _digests(reference)
    assert wanted, reference
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


def _digests(results: Path) -> dict[str, str]:
    cards = [json.loads(path.read_text()) for path in results.glob("models/*/card.json")]
    return {card["name"]: card["digest"] for card in cards}
