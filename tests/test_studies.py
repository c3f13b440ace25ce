"""A study is a folder and nothing else: what is left without it works, and says nothing of it."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from forks import Forked, in_place_of
from projects import ROOT
from test_report import unpacked

from dreamr.report.sections import CHAPTERS, in_order
from dreamr.studies.catalogue import FOLDER, LOADED, made_by, modules, studies

COPIED = ("src", "reports", "config", "tests")
NAMES = """
import json
from dreamr.report.sections import captions, in_order
from dreamr.statistics.claims import load_claims
from dreamr.report.sections import in_order
from dreamr.studies.catalogue import LOADED, made_by, modules, studies
print(json.dumps({"sections": list(in_order(studies())), **{c: [made_by(c), modules(c)] for c in LOADED}}))
"""
PAGE = """
import sys
from pathlib import Path
from pages import hostile, page
from test_scales import check
check(page(hostile(), Path(sys.argv[1]), drawn=False), hostile())
"""


def without(study: str, folder: Path) -> Path:
    """A copy of the project that lacks a study."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "kept"))
    shutil.rmtree(folder / "src/dreamr/studies" / study)
    return folder


def asked(project: Path, script: str, *arguments: str) -> str:
    """What a script prints that runs in a copy of the project."""
    process = Forked(_script, script, arguments, cwd=project, env=os.environ)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    return printed


def _script(script: str, arguments: tuple[str, ...]) -> None:
    project = Path.cwd()
    in_place_of(ROOT, [project / "src", project / "tests", project])
    sys.argv = ["-c", *arguments]
    exec(script, {})


@pytest.mark.parametrize("study", studies())
def test_without_its_folder_nothing_of_a_study_is_planned(study: str, tmp_path: Path) -> None:
    left: dict[str, Any] = json.loads(asked(without(study, tmp_path), NAMES))
    gone = studies()[study]
    assert {*left["sections"]}.isdisjoint({study, *gone.parts})
    for command in LOADED:
        names, loaded = left[command]
        assert names == [name for name in made_by(command) if name not in gone.made_by(command)]
        assert loaded == [name for name in modules(command) if name.split(".")[2] != study]


@pytest.mark.slow
@pytest.mark.parametrize("study", studies())
def test_without_its_folder_the_page_is_whole(study: str, tmp_path: Path) -> None:
    project = without(study, tmp_path / "project")
    (tmp_path / "report").mkdir()
    asked(project, PAGE, str(tmp_path / "report"))
    page = unpacked((tmp_path / "report/index.html").read_text(encoding="utf-8"))
    gone = studies()[study]
    sections = {study: gone, **gone.parts}
    assert not [name for name, one in sections.items() if f'id="{name}"' in page or f">{one.heading}</h" in page]
    assert not [name for name in gone.figures if f'id="figure-{name}"' in page]
    assert not [name for made in gone.tables.values() for name in made if f'download="{name}.csv.gz"' in page]


def test_studies_are_what_their_folders_hold() -> None:
    assert {*studies()} == {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    for name, study in studies().items():
        own = ["section"] if study.heading else []
        templates = [*own, *(part for part, one in study.parts.items() if not one.inside)]
        assert templates and all((FOLDER / name / f"{template}.html.j2").is_file() for template in templates), name
        assert list((FOLDER / name).glob("test_*.py")), name
        assert {*study.tables} <= {"summarise", "verify"} and {*study.kept} <= {*study.made_by("summarise")}, name


def test_a_chapter_is_opened_by_a_section_that_has_a_lead() -> None:
    found = in_order(studies())
    for name, one in found.items():
        places = (FOLDER / name / "lead.html.j2", ROOT / "reports" / f"{name}.lead.html.j2")
        assert any(place.is_file() for place in places) == one.leads, name
    assert {one.chapter for one in found.values() if one.leads} == {*CHAPTERS}


def test_each_section_of_the_page_has_its_own_place() -> None:
    places = [(one.chapter, one.order) for one in in_order(studies()).values() if not one.inside]
    assert len(places) == len({*places})


def test_a_name_stands_for_one_table_or_figure() -> None:
    tables = ["claims", *made_by("summarise"), *made_by("verify")]
    assert len(tables) == len({*tables}) and len(made_by("plot")) == len({*made_by("plot")})
