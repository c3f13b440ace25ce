"""README tells the truth: its numbers are those of the kept run, its drawing is that of the workflow."""

import re

import pytest
from projects import ROOT, Project, copied

from dreamr.cli.keep_run import readme_lines
from dreamr.statistics.frame import read_table

README = (ROOT / "README.md").read_text(encoding="utf-8")
KEPT = ROOT / "reports/kept"


def block(before: str, after: str) -> str:
    (found,) = re.findall(rf"{re.escape(before)}\n(.*?)\n{re.escape(after)}", README, re.S)
    return found


def test_numbers_are_those_of_the_kept_run() -> None:
    shown = "\n".join(readme_lines(KEPT))
    assert block("<!-- kept run -->", "<!-- end -->") == shown, f"the kept run says:\n{shown}"


def test_the_kept_run_is_a_whole_one() -> None:
    accuracy = read_table(KEPT / "accuracy.csv")
    assert {"target_only", "specreason", "lookahead", "dreamr_ns", "dreamr"} <= set(accuracy.method)
    whole = accuracy[accuracy.benchmark == "all"]
    assert (whole.n >= 192).all() and whole.accuracy_low.notna().all()
    assert (KEPT / "page.png").stat().st_size < 400_000, "small: a picture of the page's first screen"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Which rule's outputs which rule reads, as Snakemake draws them."""
    project: Project = copied(tmp_path_factory.mktemp("drawn") / "copy")
    graph = project.succeed("--rulegraph", "mermaid-js").stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]$", graph, re.M))
    return {(names[one], names[other]) for one, other in re.findall(r"^\s*(id\d+) --> (id\d+)$", graph, re.M)}


def test_the_drawing_is_the_workflow(drawn: set[tuple[str, str]]) -> None:
    """Every arrow is one of Snakemake's, and no rule is left out."""
    shown = set(re.findall(r"^ +(\w+) --> (\w+)$", block("```mermaid", "```"), re.M))
    assert shown <= drawn
    assert {name for arrow in shown for name in arrow} == {name for arrow in drawn for name in arrow} - {"all"}
