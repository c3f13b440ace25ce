"""From tables to figures and the page, on invented scores."""

import base64
import gzip
import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pandas as pd
import pytest
from factories import ROOT
from markupsafe import escape
from pages import drawing, hostile, shown

from dreamr.cli.plot import main as plot
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.names import swept_names
from dreamr.planning.reading import read as read_config
from dreamr.report.drawing import INK, main_pairs, pairs_in
from dreamr.report.packing import Source
from dreamr.report.page import apart, called, cell, first, in_depth, machines, pairs_of, verdict, whole_or_only
from dreamr.report.run_times import PHASES, RULES, START, phase_times, rule_times
from dreamr.report.sections import CHAPTERS, captions
from dreamr.runtime.starts import MARK
from dreamr.statistics.claims import PaperSource
from dreamr.statistics.frame import read_table, write_table
from dreamr.statistics.words import limit, sample, standing, value_of
from dreamr.studies.catalogue import studies

SEVERAL = {"trainings"}  # drawn where a recipe was trained more than once on a pair
FIGURES = {*captions(studies())} - SEVERAL - {"recalibrations"}  # which takes 2,000 problems
# Of the configuration, or a summary of a table that is linked beside it.
NOT_OF_A_FILE = (
    "Targets and drafts of this run",
    "Studies that this configuration leaves out",
    "Where the time of the run went, by rule",
)


@pytest.fixture(scope="module")
def made(invented_report: Path) -> SimpleNamespace:
    """The page as it is stored, and as it is where all that it keeps packed is opened."""
    text = (invented_report / "index.html").read_text(encoding="utf-8")
    return SimpleNamespace(folder=invented_report, stored=text, page=unpacked(text))


def unpacked(page: str) -> str:
    """A page with its large tables in their places."""
    pattern = r'<p class="packed quiet" data-packed="([^"]*)">.*?</p>'
    return re.sub(pattern, lambda found: gzip.decompress(base64.b64decode(found[1])).decode(), page, flags=re.S)


class Reader(HTMLParser):
    """Collects tags, attributes and unbalanced elements of a page."""

    void = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader


def test_every_figure_is_drawn_with_its_data(made: SimpleNamespace) -> None:
    assert {path.stem for path in made.folder.glob("figures/*.svg")} == FIGURES
    for name in FIGURES:
        assert len(pd.read_csv(made.folder / "figures" / f"{name}.csv")), name


def test_every_figure_has_a_sentence_that_says_what_to_see(made: SimpleNamespace) -> None:
    for name in FIGURES:
        caption = captions(studies())[name]
        assert f"<figcaption>{escape(caption)} <span" in made.page, name


@pytest.mark.slow
def test_figures_are_the_same_bytes_every_time(made: SimpleNamespace, tmp_path: Path) -> None:
    plot(**drawing(made.folder, hostile()), out=tmp_path)
    for path in made.folder.glob("figures/*"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name
        # An id that is a hash of places would change with the last bit of one.
        assert not re.search(r'(id="|#)[\w-]*[0-9a-f]{10}["\)]', path.read_text(encoding="utf-8")), path.name


def test_figures_keep_words_as_text_and_follow_the_page_colour(made: SimpleNamespace) -> None:
    text = (made.folder / "figures" / "speed.svg").read_text(encoding="utf-8")
    assert "times as fast as the target alone" in text
    assert "currentColor" in text and INK not in text
    assert 'role="img"' in text and "<title" in text


def test_the_page_is_whole_and_needs_nothing_else(made: SimpleNamespace) -> None:
    tags = read(made.page).tags
    for tag, attributes in tags:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), f"{tag} asks for {attributes[name]}"
    assert not re.search(r"@import|url\((?!#)", made.page)


def test_the_page_is_smaller_than_what_it_shows(made: SimpleNamespace) -> None:
    """Each file's data are on it once and packed, and so are large tables; drawings are there to be seen."""
    data = sum(path.stat().st_size for kind in ("csv", "jsonl") for path in made.folder.glob(f"*/*.{kind}"))
    drawings = sum(path.stat().st_size for path in made.folder.glob("figures/*.svg"))
    assert len(made.stored) < drawings + data
    assert len(made.stored) < 2e6
    assert len(made.stored) < 0.8 * len(made.page)


def test_identifiers_are_unique_and_links_arrive(made: SimpleNamespace) -> None:
    tags = read(made.page).tags
    names = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(names) == len(set(names))
    links = [attributes["href"][1:] for tag, attributes in tags if tag == "a" and attributes["href"].startswith("#")]
    assert set(links) <= set(names)


def test_every_figure_and_table_is_on_the_page(made: SimpleNamespace) -> None:
    names = {attributes.get("id") for _, attributes in read(made.page).tags}
    assert {f"figure-{name}" for name in FIGURES} <= names
    saved = {attributes["download"] for _, attributes in read(made.page).tags if "download" in attributes}
    assert {f"{path.stem}.csv.gz" for path in made.folder.glob("tables/*.csv")} <= saved


def test_every_figure_and_table_leads_to_how_it_was_made(made: SimpleNamespace) -> None:
    rows = dict(re.findall(r'<tr id="(made-[\w-]+)">(.*?)</tr>', made.page, re.S))
    for name, row in rows.items():
        assert re.search(r'href="#rule-(\w+)"', row)[1] in ("summarise", "simulate", "audit", "verify", "plot"), name  # type: ignore[index]
        assert re.search(r">[0-9a-f]{64}<", row), name
    shown = made.stored.partition('id="provenance"')[0]
    parts = re.split(r'<div class="(?:scroll|figure)', shown)[1:]
    assert len(parts) > 60
    for part in parts:
        label = re.search(r'aria-label="([^"]*)"', part)
        links = re.findall(r'class="made" href="#([\w-]+)"', part)
        assert {*links} & {*rows} or (label and label[1] in NOT_OF_A_FILE), label


def test_what_is_saved_is_the_file(made: SimpleNamespace) -> None:
    row = made.page[made.page.index('<tr id="made-tables-speed">') :].partition("</tr>")[0]
    content = re.search(r'href="data:application/gzip;base64,([^"]*)"', row)
    assert content and gzip.decompress(base64.b64decode(content[1])) == (made.folder / "tables/speed.csv").read_bytes()


def test_overlaps_are_shown_with_their_ids_and_no_made_up_word(made: SimpleNamespace) -> None:
    shown = made.page[made.page.index("Overlapping questions, one by one") :].partition("</table>")[0]
    assert '<td class="words">007</td>' in shown
    assert shown.count('<td class="words">yes</td>') == 2  # by image the one, by source the other
    assert "None" not in shown and "nan" not in shown


def test_refused_questions_are_counted_named_and_explained(made: SimpleNamespace) -> None:
    assert "Questions that an engine refused: 1, and how questions fit the models" in made.page
    shown = made.page[made.page.index("<caption>Refused questions") :].partition("</table>")[0]
    assert shown.count("<tr>") == 2 and "24-layer target, 4-bit" in shown and "too long &lt;script&gt;" in shown
    fits = made.page[made.page.index("<caption>How questions fit the models, all benchmarks") :].partition("</table>")[
        0
    ]
    assert re.search(
        r">24-layer target, 4-bit</td>\s*<td data-value=\"1\">1</td>\s*<td data-value=\"2000.0\">2000</td>", fits
    )
    assert re.search(r"small</td>\s*<td data-value=\"1\">1</td>\s*<td data-value=\"\">–</td>", fits), "too many images"


def test_hostile_text_is_shown_as_text(made: SimpleNamespace) -> None:
    scripts = [attributes for tag, attributes in read(made.page).tags if tag == "script"]
    assert len(scripts) == 1
    assert "&lt;script&gt;alert" in made.page


def test_the_page_says_what_the_tables_say(made: SimpleNamespace) -> None:
    table = pd.read_csv(made.folder / "tables" / "speed.csv")
    row = table[(table.target == "all") & (table.draft == "all") & (table.method == "dreamr")]
    row = row[row.benchmark == "all"].iloc[0]
    assert (
        f"DREAM-R is {row.speedup:.2f} times as fast as the target alone [{row.speedup_low:.2f}, "
        f"{row.speedup_high:.2f}], {row.n} timed answers of 4 pairs, 4 trainings."
    ) in made.page
    assert "Faster than the target by itself." in made.page


def test_one_number_stands_for_the_speed_up_of_the_reference(made: SimpleNamespace) -> None:
    """In sentences and in each column of that name, of all pairs; other estimands have other names."""
    table = pd.read_csv(made.folder / "tables" / "speed.csv")
    whole = table[(table[["target", "draft", "benchmark"]] == "all").all(axis=1)].set_index("method").loc["dreamr"]
    told = re.findall(r"DREAM-R is ([\d.]+) times as fast as the target alone", made.page)
    assert len(told) >= 2 and {*told} == {f"{whole.speedup:.2f}"}
    found = []
    for part in re.findall(r"<table.*?</table>", made.page, re.S):
        caption = part.partition("</caption>")[0]
        headings = re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", part)
        if "speed-up" in headings and "target" not in headings and re.search("all pairs|pooled|Speed of all", caption):
            (row,) = re.findall(r"<tr[^>]*>\s*<th [^>]*>DREAM-R</th>(.*?)</tr>", part, re.S)
            found.append(re.findall(r">([^<]*)<", row)[0] and row)
    assert found and all(f">{whole.speedup:.2f} <" in row for row in found)


def chapters(page: str) -> dict[str, str]:
    """The chapters of a page, each with what stands open in it."""
    found = re.findall(r'<section id="chapter-(\w+)".*?<div class="lead">(.*?)<details class="part"', page, re.S)
    return dict(found)


def test_each_chapter_opens_with_its_answer_a_figure_and_little_else(made: SimpleNamespace) -> None:
    found = chapters(made.stored)
    assert [*found] == [*CHAPTERS]
    for name, lead in found.items():
        (answer,) = re.findall(r'<p class="answer"><strong>(.*?)</strong></p>', lead, re.S)
        answer = re.sub(r"<[^>]*>", "", answer)
        assert 5 < len(answer.split()) < 70 and re.search(r"\d", answer), name
        assert lead.count("<figure") == (name != "appendix"), name
        tables = re.findall(r"<table.*?</table>", lead, re.S)
        assert len(tables) <= 1 and all(table.partition("</thead>")[0].count("<th ") <= 7 for table in tables), name
        text = re.sub(
            r'(?s)<p class="answer">.*?</p>|<details class="methods">.*?</details>|<(table|figure|article)\b.*?</\1>|'
            r'<p class="links">.*?</p>',
            "",
            lead,
        )
        assert len(unescape(re.sub(r"<[^>]*>", "", text)).split()) <= 60, name


def test_four_claims_stand_open_each_with_its_verdict_and_source(made: SimpleNamespace) -> None:
    shown = chapters(made.stored)["claims"]
    claims = pd.read_csv(made.folder / "tables" / "claims.csv").set_index("id")
    rows = re.findall(
        r'<a href="#claim-([\w-]+)">(.*?)</a></th>\s*'
        r'<td class="words verdict [\w-]+">([\w ]+)(?:<small>.*?</small>)?</td>\s*'
        r'<td class="words">(.*?)</td>',
        shown,
    )
    expected = [(name, escape(row.text), row.verdict, row.source) for name, row in claims[claims.headline].iterrows()]
    assert [(name, text, verdict.strip(), source) for name, text, verdict, source in rows] == expected
    assert len(rows) == 4 and all(f'<tr id="claim-{name}">' in made.page for name, *_ in rows)


def test_an_inconclusive_claim_says_which_part_of_it_is_found(made: SimpleNamespace) -> None:
    claims = pd.read_csv(made.folder / "tables" / "claims.csv")
    halves = claims[(claims.verdict == "inconclusive") & (claims.met > 0)]
    assert len(halves)
    for claim in halves.itertuples():
        row = made.page[made.page.index(f'<tr id="claim-{claim.id}"') :].partition("</tr>")[0]
        assert f"<small>{claim.met} of {claim.checks} parts found. Open: {escape(claim.open)}.</small>" in row


def first_uses(page: str) -> dict[str, str]:
    """Each word of the glossary with the place where the page uses it first, which begins with `{id}` if it is a link.

    In running text: no drawing, data, heading, code or other link; "" for a word that is not used.
    """
    before, _, glossary = page.partition('<details class="part" id="glossary"')
    words = dict(re.findall(r'<dt id="(term-\w+)">(.*?)</dt>', glossary))
    text = re.sub(r'<a class="term" href="#(term-\w+)" title="[^"]+">', r"{\1}", before[before.index("<header>") :])
    text = re.sub(r"<(svg|table|a|h1|h2|h3|code|pre|summary|select|label|script)\b.*?</\1>", "", text, flags=re.S)
    text = re.sub(r"<[^>]*>", "", text)
    found = {
        name: re.search(rf"(?{'i' if len(word) > 1 else ''}:({{{name}}})?(?<![\w-]){word}s?(?![\w-])).{{0,30}}", text)
        for name, word in words.items()
    }
    return {name: first[0] if first else "" for name, first in found.items()}


def test_a_word_of_the_glossary_is_a_link_where_it_is_used_first(made: SimpleNamespace) -> None:
    uses = first_uses(made.stored)
    assert len(uses) >= 10
    assert not {name: use for name, use in uses.items() if not use.startswith(f"{{{name}}}")}


def test_a_model_is_told_before_it_is_first_named_in_a_table(made: SimpleNamespace) -> None:
    shown = made.page[made.page.index("Targets and drafts of this run") :].partition("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in shown.split("<tr>")[2:]]
    target = ["24-layer target, 4-bit", "q3vl-deep-awq", "target", "Qwen3-VL-32B", "Qwen3VL", "24", "4.0 million"]
    assert [*target, "4 bits (AWQ)"] in rows
    draft = ["2-layer draft (Qwen3-VL-2B)", "q3vl-2l", "draft", "Qwen3-VL-2B", "Qwen3VL", "2", "0.8 million", "32 bits"]
    assert draft in rows
    assert made.page.index("Targets and drafts of this run") < made.page.index('id="chapter-claims"')
    assert (
        'title="q3vl-deep-awq: Qwen3VL, 24 layers, 4.0 million parameters, 4 bits (AWQ); stands for Qwen3-VL-32B">'
        in made.page
    )


def test_every_method_has_a_name_for_people_and_schedules_have_theirs(made: SimpleNamespace) -> None:
    for scale in ("depth", "ablations"):
        settings = read_config([ROOT / "config" / f"{name}.yaml" for name in ("config", scale)])
        named = {name for name in settings.methods if not name.startswith("oracle_")}
        assert named <= settings.display.labels.keys() | swept_names(settings).keys()
    ablation = pd.read_csv(made.folder / "tables" / "ablation.csv")
    schedules = ablation[ablation.kind == "schedule"].set_index("method").setting.to_dict()
    expected = {"schedule_sequential": "sequential", "schedule_pipelined": "pipelined", "dreamr": "fully parallel"}
    assert expected.items() <= schedules.items()
    assert schedules["speculation_frontier"] == "target speculation frontier, writes on"


def test_what_an_answer_waited_for_and_its_critical_path_are_told(made: SimpleNamespace) -> None:
    table = pd.read_csv(made.folder / "tables" / "milliseconds.csv")
    assert (table.over_path > 0.999).all()
    whole = table[(table[["target", "draft", "benchmark"]] == "all").all(axis=1)].set_index("method").loc["dreamr"]
    shown = unescape(made.page[made.page.index('id="milliseconds"') : made.page.index('id="load"')])
    told = f"{1000 * whole.seconds:.0f} ms for an answer, {whole.over_path:.3f} times its critical path"
    assert told in " ".join(shown.split())
    assert f"The largest part is the target's own steps, {100 * whole.own_steps / whole.seconds:.1f} %" in shown


def test_why_a_method_differs_from_its_target_is_shown(made: SimpleNamespace) -> None:
    shown = made.page[made.page.index('id="explained"') : made.page.index('id="chapter-verifier"')]
    for kind in ("2 x budget", "target answers"):
        assert f'<td class="words">{kind}</td>' in shown
    table = pd.read_csv(made.folder / "verification" / "answers_by_errors.csv")
    whole = table[(table[["target", "draft", "benchmark"]] == "all").all(axis=1) & (table.method == "dreamr")]
    parts = whole.set_index("errors").contribution
    assert f"{100 * parts['1 or more']:+.1f}".replace("-", "−") + " lie in the" in " ".join(shown.split())
    assert "Not part of this configuration" not in shown


def test_rule_times_add_up_and_leave_out_other_scales(made: SimpleNamespace) -> None:
    names = ("rule", "jobs", "seconds", "cpu_seconds", "longest", "memory")
    rows = [
        ("generate", 3, 37.5, None, 12.5, None),
        ("grade", 2, 6.5, 2.0, 4.0, 101.5),
        ("summarise", 1, 1.0, 0.5, 1.0, 50.0),
    ]
    found = rule_times(made.folder / "benchmarks")
    assert [tuple(row[name] for name in names) for row in found] == rows
    assert [row["share"] for row in found] == pytest.approx([37.5 / 45, 6.5 / 45, 1 / 45])


def test_phases_are_those_of_jobs_whose_log_tells_all_of_them(made: SimpleNamespace) -> None:
    found = phase_times(made.folder / "benchmarks", made.folder / "logs")
    assert {row["phase"]: row["seconds"] for row in found} == {
        START: 3.0,
        "engines, their imports included": 4.0,
        "reading lengths": 0.5,
        "many at once": 2.0,
        "one at a time": 3.0,
    }
    assert {row["jobs"] for row in found} == {1}
    assert phase_times(made.folder / "benchmarks", made.folder / "nowhere") == []


def test_phases_are_those_of_a_jobs_last_start(tmp_path: Path) -> None:
    """A log keeps what earlier starts told; the benchmark file has the seconds of the last one alone."""
    for name, text in {
        "benchmarks/generate/all.tsv": "s\n10.0\n",
        "logs/generate/all.log": "".join(
            f"{MARK}2026-01-01 00:00:00 on n1\n{told}"
            for told in ("engines started: 50.0 s\nquestions measured: 50.0 s\n", "batched: 50.0 s\ntimed: 50.0 s\n")
        ),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert phase_times(tmp_path / "benchmarks", tmp_path / "logs") == []
    with (tmp_path / "logs/generate/all.log").open("a") as log:
        log.write(f"{MARK}2026-01-02 00:00:00 on n2\n" + "".join(f"{phase}: 2.0 s\n" for phase in PHASES))
    found = phase_times(tmp_path / "benchmarks", tmp_path / "logs")
    assert [row["seconds"] for row in found] == [2.0] * 5


def test_every_timed_rule_of_the_workflow_is_known() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    assert sorted(RULES) == sorted(re.findall(r'"<benchmarks>/(\w+)', text))


def test_machines_are_those_of_the_traces(made: SimpleNamespace) -> None:
    found = machines(made.folder / "cells", [made.folder / "traces.jsonl"])
    assert found == [{"device": "test", "versions": {"vllm": "0.32.0"}, "cells": 1}]


def test_models_are_those_whose_cards_are_given(made: SimpleNamespace) -> None:
    shown = made.page[made.page.index("Model cards") :].partition("</table>")[0]
    assert "q3vl-2l.balanced.q3vl-deep-awq" in shown and "another-run" not in shown


def test_the_page_claims_no_more_than_the_tables_can() -> None:
    templates = (ROOT / "reports" / f"{name}.html.j2" for name in ("claims", "limits"))
    text = " ".join(word for path in templates for word in path.read_text(encoding="utf-8").split())
    assert "our interval contains it, and a wide interval contains much" in text
    assert "it speaks of drafts like these, not of new targets" in text
    assert "it says nothing about the paper" in text


def test_every_claim_names_its_source(made: SimpleNamespace) -> None:
    claims = pd.read_csv(made.folder / "tables" / "claims.csv", keep_default_na=False)
    assert set(claims.source) <= set(get_args(PaperSource))
    for claim in claims.itertuples():
        row = made.page[made.page.index(f'id="claim-{claim.id}"') :].partition("</tr>")[0]
        assert f"<small>{claim.source}</small>" in row and escape(claim.remark) in row


def test_the_verdicts_of_kept_runs_stand_beside_those_of_a_small_one(made: SimpleNamespace) -> None:
    kept = ROOT / "reports/kept"
    page = shown(hostile(), made.folder, kept, "beside.html").read_text(encoding="utf-8")
    rows = dict(re.findall(r'<tr id="claim-(.*?)">(.*?)</tr>', page, re.S))
    by_scale = {
        json.loads(file.read_text())["scale"]: pd.read_csv(file.parent / "claims.csv", keep_default_na=False)
        for file in kept.glob("**/run.json")
    }
    decided = pd.read_csv(made.folder / "tables/claims.csv").set_index("id").decided_in
    deep = {claim: by_scale[scale].set_index("id") for claim, scale in decided.items() if scale in by_scale}
    found = {claim: re.findall(r'<td class="words verdict [^"]*">(.*?)</td>', row)[1] for claim, row in rows.items()}
    expected = {claim: _in_depth(deep[claim], claim) if claim in deep else "not tested" for claim in rows}
    assert found == expected and {*decided} >= by_scale.keys()
    assert "<small>DREAM-R is" in expected["faster"], "a verdict comes with its estimate"
    first_screen = page[: page.index('<div class="first">')]
    assert all(escape(deep[claim].evidence[claim]) in first_screen for claim in ("faster", "accuracy-kept"))
    assert 'scope="col" class="words">in depth<' not in made.page


def test_each_claim_has_the_verdict_of_the_kept_run_that_decides_it(tmp_path: Path) -> None:
    """Whatever another kept run says of it, and nothing where its own was not kept."""

    def keep(folder: Path, scale: str, ended: str, **verdicts: str) -> None:
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"ended": ended, "scale": scale}))
        rows = [{"id": name, "verdict": verdict, "evidence": f"by {scale}"} for name, verdict in verdicts.items()]
        pd.DataFrame(rows).to_csv(folder / "claims.csv", index=False)

    keep(tmp_path / "kept", "depth", "2026-01-02", faster="consistent", kept="inconclusive")
    keep(tmp_path / "kept/accuracy", "accuracy", "2026-01-03", faster="not run", kept="inconsistent")
    decided = {"faster": "depth", "kept": "accuracy", "alpha": "ablations", "new": "depth"}
    found = in_depth(tmp_path / "kept", [{"id": name, "decided_in": scale} for name, scale in decided.items()])
    assert found["ended"] == "2026-01-02 and 2026-01-03"
    assert found["verdicts"] == {"faster": "consistent", "kept": "inconsistent"}
    assert found["evidence"] == {"faster": "by depth", "kept": "by accuracy"}
    assert in_depth(None, []) == {}


def _in_depth(deep: pd.DataFrame, claim: str) -> str:
    """What stands in the column of the kept run: the verdict, and its evidence where it has some."""
    if claim not in deep.index:
        return "not tested"
    row = deep.loc[claim]
    return f"{row.verdict} <small>{escape(row.evidence)}</small>" if row.evidence else str(row.verdict)


def test_a_first_screen_without_speeds_has_no_columns_for_them(made: SimpleNamespace, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.folder, tmp_path / "untimed"))
    speeds = folder / "tables/speed.csv"
    write_table(read_table(speeds).iloc[:0], speeds)
    untimed = shown(hostile(), folder).read_text(encoding="utf-8")
    timed, headings = (re.findall(r'scope="col"[^>]*>([^<]+)<', _first_table(page)) for page in (made.page, untimed))
    assert {*timed} - {*headings} == {"n timed", "speed-up", "per held device"} and "accuracy %" in headings


def _first_table(page: str) -> str:
    return page[page.index('<div class="first">') :].partition("</table>")[0]


def test_timed_numbers_stand_behind_their_own_n(made: SimpleNamespace) -> None:
    captions = ("pooled over pairs", "Acceptance, all", "Trained against", "Schedule", "Reward", "Quantized against")
    for caption in captions:
        table = next(part for part in made.page.split("<table")[1:] if caption in part.partition("</caption>")[0])
        headings = re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", table)
        speed = [place for place, text in enumerate(headings) if "speed-up" in text or "drafted" in text]
        assert headings.index("n") < headings.index("n timed") < min(speed)
        row = re.findall(r"<td data-value=\"([^\"]*)\">", table.partition("<tbody>")[2])
        assert row[headings.index("n timed") - headings.index("n")], caption


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"x": 1.2, "x_low": 1.1, "x_high": 1.3}, "above"),
        ({"x": 0.8, "x_low": 0.7, "x_high": 0.9}, "below"),
        ({"x": 1.0, "x_low": 0.9, "x_high": 1.1}, "undecided"),
        ({"x": 1.0, "x_low": None, "x_high": None}, "unknown"),
        (None, "unknown"),
    ],
)
def test_a_verdict_is_where_the_interval_lies(row: dict | None, expected: str) -> None:
    assert verdict(row, "x", 1) == expected


def test_an_unknown_number_is_a_dash_and_sorts_as_unknown() -> None:
    assert cell({"x": None}, "x", "share") == '<td data-value="">–</td>'
    assert cell({"x": -0.5, "x_low": -0.6, "x_high": -0.4}, "x", "points") == (
        '<td data-value="-0.5">−50.0 <small>[−60.0, −40.0]</small></td>'
    )


def test_rows_are_chosen_by_their_keys() -> None:
    rows = [
        {"target": "all", "draft": "all", "method": "dreamr"},
        {"target": "t", "draft": "all", "method": "dreamr"},
        {"target": "t", "draft": "d", "method": "dreamr"},
        {"target": "t", "draft": "d", "method": "alpha_05"},
    ]
    assert pairs_of(rows, ["dreamr"]) == [rows[0], rows[2]]
    assert first(rows, method=("alpha_05", "other")) == rows[3]
    assert first(rows, method="none") is None


@pytest.mark.parametrize("drafts", [("a",), ("a", "b")])
def test_a_pool_of_one_pair_is_not_drawn_beside_it(drafts: tuple[str, ...]) -> None:
    """Tables that are put together have the same index twice."""
    single = pd.DataFrame({"target": "t", "draft": drafts, "method": "dreamr"})
    table = pd.concat([single, single.assign(target="all", draft="all").head(1), single.assign(draft="none").head(1)])
    expected = [f"a target ← {draft}" for draft in drafts] + (["all pairs"] if len(drafts) > 1 else [])
    assert pairs_in(table, {"t": "a target"}).pair.tolist() == expected


def test_a_table_without_rows_keeps_its_columns() -> None:
    empty = pd.DataFrame(columns=["target", "draft", "method", "speedup"])
    assert [*main_pairs(empty, SummariseJob.of(hostile()))] == [*empty]


def test_an_answer_that_is_wrong_is_said_to_be_wrong(made: SimpleNamespace) -> None:
    """The invented answer of the reference is wrong."""
    shown = " ".join(chapters(made.stored)["question"].split())
    assert "The answer is wrong." in shown and "✗ wrong, right would be 4." in shown


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"lost": 0, "won": 0, "accuracy_change_high": 0.02, "non_inferior": "undecided"}, "alike"),
        ({"lost": 0, "won": 0, "accuracy_change_high": None, "non_inferior": "identical"}, "identical"),
        ({"lost": 9, "won": 1, "accuracy_change_high": -0.019, "non_inferior": "undecided"}, "less"),
        ({"lost": 2, "won": 1, "accuracy_change_high": 0.01, "non_inferior": "undecided"}, "undecided"),
        ({"lost": 9, "won": 1, "accuracy_change_high": -0.01, "non_inferior": "yes"}, "yes"),
        ({"lost": 2, "won": 1, "accuracy_change_high": None, "non_inferior": "undecided"}, "undecided"),
        (None, "unknown"),
    ],
)
def test_an_undecided_margin_is_told_apart(row: dict | None, expected: str) -> None:
    assert standing(row) == expected


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (-0.0304, "points", "−3.04"),  # beyond the margin of 3
        (-0.03, "points", "−3.0"),
        (-0.0004, "points", "−0.04"),
        (-0.021, "points", "−2.1"),
        (1.004, "times", "1.004"),
        (1.0, "times", "1.00"),
        (None, "times", "–"),
        (0.3, "share", "30.0"),
    ],
)
def test_a_limit_has_a_digit_more_where_rounding_hides_its_side(value: float | None, kind: str, expected: str) -> None:
    assert limit(value, kind, margin=0.03) == expected


def test_a_pool_says_how_many_answers_it_rests_on() -> None:
    job = SummariseJob.of(read_config([ROOT / "config" / "config.yaml"]))
    place = dict.fromkeys(("target", "draft", "benchmark"), "all")
    assert sample({"n": 904, "n_alone": 64, **place}, "accuracy", job) == "904 answers of 8 pairs"
    assert sample({"n": 904, "n_alone": 64, **place}, "speedup", job) == "64 timed answers of 8 pairs"


def test_a_pair_speaks_for_the_whole_where_it_is_the_only_one() -> None:
    pool = dict.fromkeys(("target", "draft", "benchmark"), "all")
    one, other = ({"target": "t", "draft": draft, "benchmark": "all"} for draft in "de")
    of_draft, part = {**pool, "draft": "d"}, {**one, "benchmark": "b"}
    assert whole_or_only([one, other, pool]) == pool
    assert whole_or_only([part, of_draft, one]) == one
    assert whole_or_only([one, other]) is None is whole_or_only([part, of_draft])


def test_a_trained_draft_has_a_name_for_people() -> None:
    names = {"d": "2-layer draft", "t": "24-layer target"}
    assert called("d", names) == "2-layer draft"
    assert called("d.balanced.t.1", names) == (
        "2-layer draft, trained by SAPO (balanced, replicate 1) for 24-layer target"
    )
    assert called("other.short.hub", names) == "other, trained by SAPO (short) for hub"


def test_settings_are_in_the_order_of_their_values() -> None:
    assert sorted(["8", "0.5", "score", "10", "cpn"], key=value_of) == ["0.5", "8", "10", "cpn", "score"]


def test_ablations_say_that_their_reference_was_timed_elsewhere(made: SimpleNamespace) -> None:
    shown = made.page[made.page.index('id="alpha"') :].partition("</details>")[0]
    assert "was timed in another job" in shown and "drift of the machine" in shown
    settings = hostile()
    run = next(run for run in settings.runs.values() if "dreamr" in run.methods and run.drafts[0] != "none")
    beside = {"method": "specreason", "target": run.targets[0], "draft": run.drafts[0]}
    assert not apart([beside], settings), "one that the reference's own job timed"


def test_which_alpha_to_use_is_answered_from_the_contrasts(made: SimpleNamespace) -> None:
    table = pd.read_csv(made.folder / "tables" / "contrasts.csv")
    rows = table[(table.differs == "alpha") & (table.target != "all") & (table.benchmark == "all")]
    better = [
        row.method
        for row in rows.itertuples()
        if (row.accuracy_change_low > 0 or row.speed_ratio_low > 1)
        and not (row.accuracy_change_high < 0 or row.speed_ratio_high < 1)
    ]
    shown = made.page[made.page.index('id="alpha"') :].partition("</details>")[0]
    assert len(rows) and all(f"{row.speed_ratio:.2f} times as fast, answer by" in shown for row in rows.itertuples())
    assert ("None is shown to be more accurate" in shown) == (not better)


def test_why_it_is_faster_is_told_by_the_factors(made: SimpleNamespace) -> None:
    table = pd.read_csv(made.folder / "tables" / "split.csv")
    rows = table[(table.method == "dreamr") & (table.benchmark == "all")]
    row = rows.sort_values("n").iloc[-1]  # the pool, where there is one
    lead = " ".join(chapters(made.stored)["speed"].split())
    pool = pd.read_csv(made.folder / "tables" / "speed.csv").query("method == 'dreamr' and target == 'all'")
    whole = pool[pool.benchmark == "all"].iloc[0]
    if row.target != "all":
        assert f"Why: {whole.time_per_token:.2f} (time a token) x {whole.fewer_tokens:.2f}" in lead
    overlap = r"[\d.]+ \(work at once, fewer requests\)"
    assert re.search(rf"[Oo]n .*, [\d.]+ is [\d.]+ \(the draft writes steps\) x {overlap} x", lead)
    assert f"{row.delegation:.2f} (the draft writes steps) x {row.overlap:.2f} (work at once, fewer requests)" in lead


def test_every_method_of_the_first_table_is_told_in_a_line(made: SimpleNamespace) -> None:
    lead = chapters(made.stored)["answer"]
    told = re.findall(r"<dt>(.*?)</dt><dd>", lead)
    rows = re.findall(r'<th scope="row" class="words">(.*?)</th>', lead)
    assert rows and told == rows


def test_a_table_without_a_row_was_not_run(tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text("a,b\n1,2\n")
    (tmp_path / "none.csv").write_text("a,b\n")
    assert Source.of(tmp_path / "none.csv").empty and not Source.of(tmp_path / "some.csv").empty
