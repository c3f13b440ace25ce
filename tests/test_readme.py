"""README and documentation tell the truth: numbers are those of the kept run, the drawing is that of the workflow."""

import re

import pandas as pd
import pytest
import yaml
from projects import ROOT, Project, copied
from prose import PROSE, README, block

from dreamr.cli.common import BASE
from dreamr.cli.keep_run import readme_lines
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.reading import read
from dreamr.report.page import first, records
from dreamr.statistics.frame import ALL, read_table
from dreamr.statistics.words import bounds, formatted

KEPT = ROOT / "reports/kept"


def test_a_newcomer_reads_it_in_two_screens() -> None:
    assert len(README.split()) <= 1400, "what is longer goes to docs/"


@pytest.mark.parametrize(("folder", "scale"), [("run", "depth"), ("ablations", "ablations"), ("accuracy", "accuracy")])
def test_numbers_are_those_of_the_kept_runs(folder: str, scale: str) -> None:
    job = SummariseJob.of(read([BASE, ROOT / f"config/{scale}.yaml"]))
    shown = "\n".join(readme_lines(KEPT / folder.removeprefix("run"), job))
    assert block(f"<!-- kept {folder} -->", "<!-- end -->") == shown, f"the kept run says:\n{shown}"


def test_the_change_of_accuracy_that_is_quoted_is_that_of_the_kept_run() -> None:
    accuracy, claims = (records(read_table(KEPT / f"accuracy/{name}.csv")) for name in ("accuracy", "claims"))
    pools = {row["method"]: row for row in accuracy if {row["target"], row["draft"], row["benchmark"]} == {ALL}}
    changes = [
        formatted(pools[name]["accuracy_change"], "points") + bounds(pools[name], "accuracy_change", "points")
        for name in ("dreamr", "alpha_095")
    ]
    kept, raised = (first(claims, id=name)["verdict"] for name in ("accuracy-kept", "sapo-acceptance"))
    told = (
        f"{changes[0]} points, and with alpha 0.95 by {changes[1]}; that it keeps the target's accuracy "
        f"(loses less than 3 points) is **{kept}**. "
        f"That SAPO raises acceptance is a **{raised}**."
    )
    assert told in " ".join(README.split())


def test_the_schedules_that_are_quoted_are_those_of_the_kept_ablations() -> None:
    contrasts, claims = (records(read_table(KEPT / f"ablations/{name}.csv")) for name in ("contrasts", "claims"))
    place = dict.fromkeys(("target", "draft", "benchmark"), ALL)
    row = first(contrasts, method="schedule_pipelined", other="dreamr", **place)
    ratio = formatted(row["speed_ratio"], "times") + bounds(row, "speed_ratio", "times")
    told = (
        f"pipelined is {ratio} times as fast as fully parallel; the order of the three schedules is "
        f"**{first(claims, id='schedule')['verdict']}**."
    )
    assert told in " ".join(README.split())


def test_the_rival_that_is_quoted_is_that_of_the_kept_ablations() -> None:
    place = {"target": "q3vl-deep-awq", "draft": "q3vl-2l", "benchmark": ALL}
    rival = "draft_model_at_proposed_tokens_8"
    alone, beside = (
        records(read_table(KEPT / f"ablations/{name}.csv")) for name in ("baselines", "baseline_contrasts")
    )
    own, apart = first(alone, method=rival, **place), first(beside, method="dreamr", other=rival, **place)
    speed, ratio = (
        formatted(row[name], "times") + bounds(row, name, "times")
        for row, name in ((own, "speedup"), (apart, "speed_ratio"))
    )
    page = " ".join(PROSE["docs/how-to/reading-tables.md"].split())
    assert own["non_inferior"] == "identical" and f"answers {speed} times as fast as the target alone" in page
    assert (
        f"DREAM-R is {ratio} times as fast as that" in page and apart["speed_ratio_low"] < 1 < apart["speed_ratio_high"]
    )


def test_the_guide_to_guarantees_tells_of_the_kept_calibrations() -> None:
    table = read_table(KEPT / "accuracy/recalibrations.csv")
    told = f"no calibration of {len(table)} broke its promise, but {table.alpha.isna().sum()} certified nothing"
    assert told in PROSE["docs/how-to/guarantee.md"] and not table.broken.any()
    margin = read_table(KEPT / "accuracy/margin.csv")
    place = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
    change = margin[(margin[[*place]] == pd.Series(place)).all(axis=1)].set_index("method").change_these
    assert change.alpha_0995 < min(change.alpha_098, change.alpha_095), "the strictest loses most"
    pool = margin[(margin.target == ALL) & (margin.method == "dreamr")].iloc[0]
    assert (pool.kept_these, pool.kept_such) == ("kept", "kept")


def test_the_kept_run_is_a_whole_one() -> None:
    accuracy = read_table(KEPT / "accuracy.csv")
    assert {"target_only", "specreason", "lookahead", "dreamr_ns", "dreamr"} <= set(accuracy.method)
    whole = accuracy[accuracy.benchmark == "all"]
    assert (whole.n >= 192).all() and whole.accuracy_low.notna().all()
    assert (KEPT / "page.png").stat().st_size < 400_000, "small: a picture of the page's first screen"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Which rule's outputs which rule reads, as Snakemake draws them of the configuration that has all rules."""
    project: Project = copied(tmp_path_factory.mktemp("drawn") / "copy")
    graph = project.succeed("--rulegraph", "mermaid-js", "--configfile", "config/ablations.yaml").stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]$", graph, re.M))
    return {(names[one], names[other]) for one, other in re.findall(r"^\s*(id\d+) --> (id\d+)$", graph, re.M)}


def test_the_drawing_is_the_workflow(drawn: set[tuple[str, str]]) -> None:
    """Every arrow is one of Snakemake's, and no rule is left out."""
    shown = set(re.findall(r"^ +(\w+) --> (\w+)$", block("```mermaid"), re.M))
    assert shown <= drawn
    assert {name for arrow in shown for name in arrow} == {name for arrow in drawn for name in arrow} - {"all"}


def test_the_title_is_that_of_the_citation_and_claims_no_more_than_was_done() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert README.startswith(f"# {citation['title']}\n") and "reproduced" not in citation["title"]
    assert "every claim of the paper" not in README


def test_commands_are_as_one_types_them() -> None:
    for name, text in PROSE.items():
        assert not re.findall(r"(?:`|<code>)(?:dreamr|snakemake) [a-z-]+", text), name


@pytest.mark.parametrize(
    "words",
    ["Requires-Python", ".snakemake", "pip reaches no index that has", "the environment may be damaged", "ulimit -v"],
)
def test_what_one_sees_when_something_fails_is_in_the_table(words: str) -> None:
    table = PROSE["docs/troubleshooting.md"]
    assert words in table and "pathvars.results" in table


def test_what_the_digests_are_is_said_before_they_are_used() -> None:
    told = "*digests*: machine-made summaries of the paper's text"
    assert told in " ".join(README.split()) and "digest" not in README.partition("*digests*")[0]
    for text in PROSE.values():
        assert not re.search(r"digests? (?:of the code|covers|and versions)", text), "those of files are hashes"


def test_the_first_look_says_where_its_page_is_and_how_to_lay_an_overlay_over_it() -> None:
    assert "results/smoke/report/index.html" in README
    assert "--cores all --configfile config/smoke.yaml mine.yaml" in README
