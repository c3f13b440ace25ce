"""What keeps the house in order: types, schemas, formatters, and the words that name them."""

import json
import os
import re
import subprocess
import sys
import tomllib
from typing import Any

import jsonschema
import pytest
import yaml
from projects import ROOT
from prose import PROSE

from dreamr.cli.make_schema import schemas

OVERLAYS = sorted(
    path.stem for path in (ROOT / "config").glob("*.yaml") if path.stem not in ("config", "claims", "published")
)


def config(name: str) -> Any:
    return yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())


def test_types_are_checked() -> None:
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["schema.json", "overlay.json"])
def test_the_schemas_are_those_of_the_settings(name: str) -> None:
    made = "dreamr make-schema --out config"
    assert json.loads((ROOT / "config" / name).read_text()) == schemas()[name], f"make it anew: {made}"


def test_editors_explain_every_setting() -> None:
    schema = schemas()["schema.json"]
    parts = {"": schema, **schema["$defs"]}
    settings = {f"{part}.{key}": value for part, model in parts.items() for key, value in model["properties"].items()}
    assert {".models", "Method.alpha", "Run.replicate", "LoadBlocks.sizes"} <= {*settings}
    assert not [name for name, setting in settings.items() if not setting.get("description", "").endswith(".")]


def test_editors_find_the_schema_that_fits() -> None:
    for name in ("config", *OVERLAYS):
        schema = "schema" if name == "config" else "overlay"
        first = (ROOT / f"config/{name}.yaml").read_text().splitlines()[0]
        assert first == f"# yaml-language-server: $schema={schema}.json", name
        jsonschema.validate(config(name), schemas()[f"{schema}.json"])


@pytest.mark.parametrize(
    "wrong", [{"titel": "x"}, {"methods": {"dreamr": {"loop": "fpsr", "windw": 4}}}, {"sapo": {"group": 1}}]
)
def test_an_editor_is_told_of_a_wrong_key_or_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schemas()["overlay.json"])


def test_formatters_before_a_commit_are_those_of_the_tests() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    wanted = {pin for hook in hooks for pin in hook["additional_dependencies"]}
    tests = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["test"]
    assert wanted == {pin for pin in tests if re.match("ruff|snakefmt", pin)}


def test_the_hosted_tests_run_on_every_python_that_is_supported() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locks = (ROOT / "envs/README.md").read_text()
    pythons = jobs["light"]["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={pythons[0]}"
    assert f"all pins have wheels for {', '.join(pythons[:-1])} and {pythons[-1]}" in locks
    assert {"run": ".ci/run"} in jobs["all"]["steps"]


def test_the_citation_names_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


def test_paths_in_the_prose_are_there() -> None:
    """Prose names files; a file that moved is a newcomer lost."""
    folders = "src|zoo|config|workflow|tests|envs|profiles|reports|docs"
    texts = {**PROSE, "zoo/README.md": (ROOT / "zoo/README.md").read_text()}
    named = {(name, path) for name, text in texts.items() for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", text)}
    assert len(named) > 100
    assert not [(name, path) for name, path in named if not (ROOT / path).exists()]


def test_nothing_says_that_the_paper_is_not_public() -> None:
    """It is; our sources of it are its abstract, its opening and digests."""
    folders = ("config", "docs", "profiles", "reports", "src", "workflow", "zoo")
    files = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    prose = [path for path in files if path.suffix in (".md", ".cff", ".j2", ".py", ".rst", ".smk", ".yaml")]
    assert len(prose) > 100
    wrong = re.compile(
        r"(paper|code|prompts?|steps|text) (is|are) not (public|published)|: not published"
        r"|neither [^.]* (is|are) public|(?<!sources of )the paper do(es)? not (say|name|give)",
        re.I,
    )
    found = {path.name: told[0] for path in prose if (told := wrong.search(re.sub(r"[#\s]+", " ", path.read_text())))}
    assert not found


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="not run: one process has all tests (see -n 2)")
def test_a_worker_has_the_whole_of_a_file(request: pytest.FixtureRequest) -> None:
    """Else each of several workers would make the smoke run, and start a Slurm."""
    assert request.node.nodeid.endswith("@test_habits.py")
