"""The page of every scale, as it is shipped and with and without each study, from invented scores."""

import re
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from factories import scores
from pages import page
from test_plan import merged, scaled
from test_report import first_uses, read, unpacked

from dreamr.config import Config
from dreamr.planning.jobs import SummariseJob
from dreamr.report.sections import CHAPTERS, always, in_order
from dreamr.studies.catalogue import studies

SECTIONS = in_order(studies())
SCALES = ("config", "smoke", "depth", "ablations", "accuracy", "gpu", "paper", "lab")
ALWAYS = {name for name, section in SECTIONS.items() if section.ran is always}
# Words of the micro world, of which a page of other models and data says nothing.
MICRO = re.compile(r"(?i)\b(micro|planted|tiny|look-alikes?|two cores|one trunk|oracle)\b")
LEFT_OUT = r"<caption>Studies that this configuration leaves out.*?</table>"
Overlay = dict[str, Any]


def configured(name: str, *overlays: Overlay) -> Config:
    """A shipped configuration with quick intervals."""
    return scaled(name, {"statistics": {"resamples": 100}}, *overlays)


# -- what every page has to be


def sections(text: str) -> dict[str, str]:
    """The page's folded sections by id."""
    parts = re.split(r'<details class="part" id="(\w+)">', text)
    return dict(zip(parts[1::2], (part.partition("</section>")[0] for part in parts[2::2]), strict=True))


def left_out(text: str) -> set[str]:
    """The studies that the page says are not part of its run."""
    (table,) = re.findall(LEFT_OUT, text, re.S) or [""]
    return {unescape(re.findall(r'<td class="words">(.*?)</td>', row)[0]) for row in table.split("<tr>")[2:]}


def words(text: str) -> str:
    """What a page says: without figures, the configuration, and the list of what it leaves out."""
    for part in (
        r"<head>.*?</head>",
        r"<svg.*?</svg>",
        r"<pre.*?</pre>",
        r"<script>.*?</script>",
        LEFT_OUT,
        r"<[^>]*>",
    ):
        text = re.sub(part, " ", text, flags=re.S)
    return " ".join(word for word in unescape(text).split() if not word.endswith((".csv", ".csv.gz")))


def check(file: Path, settings: Config) -> str:
    """The page's text, once it is whole: contents, sections, links and figures agree, and nothing is empty."""
    stored = file.read_text(encoding="utf-8")
    text = unpacked(stored)
    tags = read(text).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    links = {attributes["href"][1:] for tag, attributes in tags if tag == "a" and attributes["href"].startswith("#")}
    assert len(ids) == len(set(ids)) and links <= set(ids), links - set(ids)
    contents = dict(re.findall(r'<li><a href="#(\w+)">(.*?)</a></li>', text.partition("</nav>")[0]))
    found = sections(text)
    assert list(contents) == list(found) and set(found) >= ALWAYS
    for name, part in found.items():
        (heading,) = re.findall(rf'<h3 id="{name}-heading">(.*?)</h3>', part)
        assert unescape(heading) == unescape(contents[name]) == SECTIONS[name].heading
        assert re.search(r"<table|<figure|<dl|<ul|<article|Nothing to show", part), f"{name} is empty"
    assert {SECTIONS[name].heading for name in SECTIONS if name in found}.isdisjoint(left_out(text))
    assert {one.heading for name, one in SECTIONS.items() if name not in ids} >= left_out(text)
    for empty in (r"<h4>[^<]*</h4>\s*(<h[234]|</section)", r"</summary>\s*</details>", r"<tbody>\s*</tbody>"):
        assert not re.search(empty, text), re.search(empty, text)
    assert not re.search(r">\s*(nan|None|Undefined)\s*<|\bnan\b", re.sub(r"<svg.*?</svg>", "", text, flags=re.S))
    assert not [use for name, use in first_uses(stored).items() if use and not use.startswith(f"{{{name}}}")]
    drawn = {path.stem for path in file.parent.glob("figures/*.svg")}
    assert {name.removeprefix("figure-") for name in ids if name.startswith("figure-")} == drawn
    leads = re.findall(r'<section id="chapter-(\w+)".*?</section>', text, re.S)
    led = {SECTIONS[name].chapter for name in found if SECTIONS[name].leads}
    assert leads == [one for one in CHAPTERS if one in leads] and text.count('<p class="answer">') == len(led)
    assert not re.search(r"<strong>\s*</strong>", text), "a chapter without an answer"
    if not settings.micro:
        assert not MICRO.search(words(text)), MICRO.search(words(text))
    return text


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_has_its_page(scale: str, tmp_path: Path) -> None:
    settings = configured(scale)
    text = check(page(settings, tmp_path), settings)
    assert ("verification" in sections(text)) == (settings.micro is not None)
    assert ("What takes longer than this scale affords" in words(text)) == (scale in ("config", "smoke"))
    assert "Do the numbers in our sources fit together?" in text and "numbers consistent" not in text
    assert ("its numbers mean nothing" in words(text)) == (scale == "smoke")


# -- with and without each study


@pytest.mark.slow
def test_what_rests_on_too_little_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.scores", partial(scores, alone=1))
    made = page(configured("smoke", bare("smoke")), tmp_path).read_text(encoding="utf-8")
    text = words(made.partition('id="glance"')[0])
    assert re.search(r"Too little data to say how fast DREAM-R is: \d timed answers of 1 pair\.", text)
    assert not re.search(r"DREAM-R is [\d.]+ times as fast", text)


def pair(scale: str) -> tuple[str, str]:
    return SummariseJob.of(configured(scale)).pairs[0]


def bare(scale: str) -> Overlay:
    """The first pair of a scale with the methods of the main comparison, and nothing else."""
    settings, (target, draft) = configured(scale), pair(scale)
    suites = settings.runs["main"].suites[:1]
    methods = [name for name in ("draft_only", "draft_only_sapo", "specreason", "lookahead", "dreamr_ns", "dreamr")]
    runs = {
        **dict.fromkeys(settings.runs),
        "baseline": {"targets": [target], "methods": ["target_only"], "suites": suites},
        "main": {"targets": [target], "drafts": [draft], "methods": methods, "suites": suites},
    }
    return {"runs": runs}


def run(scale: str, *methods: str, drafts: bool = True, **others: Any) -> Overlay:
    """One more run of some methods on the first pair."""
    target, draft = pair(scale)
    suites = configured(scale).runs["main"].suites[:1]
    given = {"targets": [target], "methods": methods, "suites": suites} | ({"drafts": [draft]} if drafts else {})
    return {"runs": {f"added_{methods[0]}_{others.get('replicate', 0)}": given | others}}


def methods_of(scale: str, *names: str) -> Overlay:
    all_of = merged(f"config/{scale}.yaml").model_dump(mode="json", by_alias=True)["methods"]
    given = {name: {key: value for key, value in all_of[name].items() if value is not None} for name in names}
    return {"methods": given}


def suite(scale: str, **settings: Any) -> Overlay:
    whole = configured(scale, bare(scale))
    half = {} if whole.micro else {"share": [0.5, 1]}  # the other one may be calibrated on
    slices = [{"benchmark": name} | half for name in whole.asked]
    return {"suites": {"added": {"slices": slices, "alone": 0} | settings}}


def divided(scale: str) -> Overlay:
    """Half of the problems to calibrate on where they are not generated; the other half to answer."""
    settings = configured(scale, bare(scale))
    suites = {
        name: settings.suites[name].model_dump(mode="json") for run in settings.runs.values() for name in run.suites
    }
    parts = {name: [part | {"share": [0.5, 1]} for part in one["slices"]] for name, one in suites.items()}
    asked = [{"benchmark": name, "share": [0, 0.5]} for name in settings.asked]
    return {"suites": {"calibration": {"slices": asked}, **{name: {"slices": part} for name, part in parts.items()}}}


WINDOW = {
    "loop": "fpsr",
    "draft": "balanced",
    "verifier": "cpn",
    "alpha": 0.7,
    "window": 2,
    "target_speculation": "all",
}
CERTIFIED = WINDOW | {
    "window": 4,
    "continues": True,
    "alpha": {"risk": 0.03, "confidence": 0.95, "problems": 500},
}
UNITS = WINDOW | {"window": 4, "continues": True, "steps_per_verdict": 2}
DICE = ("dice_sequential", "dice_lookahead", "dice_parallel")
ARMS = ("speculation_frontier", "speculation_none", "anew_all")
ORACLE = ("oracle_000_00", "oracle_000_50", "oracle_100_00", "oracle_100_50")
PLANTED = {"planted": {"weights": {"outcome": 1, "alignment": 1, "length": 1}, "planted": True}}
# By the study that is added: what lies over the bare configuration, and which studies the page has more.
ADDED = {
    "schedule": (lambda at: [run(at, "schedule_sequential", "schedule_pipelined")], {"schedule"}),
    "window": (
        lambda at: [{"methods": {"window_2": WINDOW | {"continues": True}}}, run(at, "window_2")],
        {"window"},
    ),
    "alpha": (lambda at: [run(at, "alpha_05", "alpha_09")], {"alpha"}),
    "verifier": (lambda at: [run(at, "verifier_score")], {"verifier"}),
    "rewards": (lambda at: [run(at, "outcome_heavy")], {"rewards"}),
    "trainings": (
        lambda at: (
            [run(at, "outcome_heavy", "dreamr", replicate=replicate) for replicate in (1, 2)]
            + [run(at, "outcome_heavy")]
        ),
        {"rewards", "trainings"},
    ),
    "arms": (lambda at: [methods_of("depth", *ARMS), run(at, *ARMS)], {"schedule", "arms"}),
    "published": (
        lambda at: [methods_of("depth", "lookahead_published"), run(at, "lookahead_published")],
        {"published"},
    ),
    "threshold": (
        lambda at: [{"methods": {"certified": CERTIFIED}}, divided(at), run(at, "certified")],
        {"threshold"},
    ),
    "interventions": (
        lambda at: [methods_of("depth", "dreamr_target_answers"), run(at, "dreamr_target_answers")],
        {"interventions"},
    ),
    "dice": (lambda at: [methods_of("ablations", *DICE), run(at, *DICE)], {"speed_at_acceptance"}),
    "units": (lambda at: [{"methods": {"units": UNITS}}, run(at, "units")], {"per_verdict"}),
    "cascade": (lambda at: [methods_of("ablations", "cascade"), run(at, "cascade")], {"baselines"}),
    "load": (
        lambda at: [suite(at, load={"sizes": [1, 4], "blocks": 6}), run(at, "specreason", suites=["added"])],
        {"load"},
    ),
    "quantization": (
        lambda at: [run(at, "target_only", drafts=False, targets=[configured(at).models[pair(at)[0]].base])],
        {"quantization"},
    ),
}
# What takes the micro world, or a CPU.
ON_MICRO = {
    "dose": (
        lambda at: [methods_of("depth", *ORACLE), suite(at), run(at, *ORACLE, suites=["added"])],
        {"dose"},
    ),
    "control": (
        lambda at: [
            {"sapo": {"recipes": PLANTED}},
            methods_of("depth", "draft_only_planted"),
            run(at, "draft_only_planted"),
        ],
        {"control"},
    ),
    "threads": (
        lambda at: [
            methods_of("depth", "target_only_two_threads"),
            run(at, "target_only_two_threads", drafts=False),
        ],
        {"threads"},
    ),
}
# Less than the bare configuration, and which studies the page lacks then.
TIMED = {"speed", "milliseconds", "tokens", "timeline", "tradeoff"}
JUDGED = {"explained", "errors", "acceptance", "verification", "readings", "gallery", "gaming"}  # by target or oracle
NO_REFERENCE = {"parts", "sapo", "gaming", "timeline"}
LESS = {
    "untimed": (lambda at: [suite(at), runs(baseline={"suites": ["added"]}, main={"suites": ["added"]})], TIMED),
    "plain": (lambda at: [runs(main={"methods": ["specreason", "lookahead", "dreamr_ns"]})], NO_REFERENCE),
    "drafts alone": (
        lambda at: [runs(main={"methods": ["draft_only"]})],
        {"contrasts", "margin"} | JUDGED | NO_REFERENCE,
    ),
    "targets alone": (lambda at: [runs(main=None)], {"contrasts", "tradeoff", "margin"} | JUDGED | NO_REFERENCE),
}


def runs(**changed: Any) -> Overlay:
    return {"runs": changed}


def headings(names: set[str]) -> set[str]:
    return {SECTIONS[name].heading for name in names}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What the bare page of a scale leaves out."""
    found = {}
    for scale in ("smoke", "gpu"):
        settings = configured(scale, bare(scale))
        found[scale] = left_out(check(page(settings, tmp_path_factory.mktemp(scale)), settings))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "study"), [*(("gpu", one) for one in ADDED), *(("smoke", one) for one in ON_MICRO), ("smoke", "load")]
)
def test_a_study_that_was_run_is_on_the_page_and_no_other(
    scale: str, study: str, without: dict[str, set[str]], tmp_path: Path
) -> None:
    overlays, brought = {**ADDED, **ON_MICRO}[study]
    settings = configured(scale, bare(scale), *overlays(scale))
    text = check(page(settings, tmp_path, drawn=False), settings)
    assert without[scale] - left_out(text) == headings(brought) and left_out(text) <= without[scale]


def test_calibrations_are_repeated_where_there_are_problems_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invented runs have no 2,000 problems, so the bound is lowered to theirs."""
    monkeypatch.setattr("dreamr.studies.recalibrations.tables.LEAST_PROBLEMS", 3)
    settings = configured("smoke", bare("smoke"), run("smoke", "alpha_05", "alpha_09"))
    text = check(page(settings, tmp_path), settings)
    section = sections(text)["recalibrations"]
    assert "Of 20 calibrations of DREAM-R" in section and "recalibrations-title" in section


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["smoke", "gpu"])
@pytest.mark.parametrize("less", LESS)
def test_a_page_without_a_study_says_so_at_its_end_alone(
    scale: str, less: str, without: dict[str, set[str]], tmp_path: Path
) -> None:
    overlays, gone = LESS[less]
    settings = configured(scale, bare(scale), *overlays(scale))
    text = check(page(settings, tmp_path), settings)
    if scale == "gpu" and less == "plain":
        gone = gone | {"explained"}  # elsewhere it has the accepted errors of the other methods
    assert left_out(text) == without[scale] | headings(gone)


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["gpu", "paper"])
def test_everything_that_takes_no_micro_world_is_on_one_page(scale: str, tmp_path: Path) -> None:
    overlays = [overlay for make, _ in ADDED.values() for overlay in make(scale)]
    settings = configured(scale, bare(scale), *overlays)
    text = check(page(settings, tmp_path), settings)
    micro = {"errors", "control", "threads", "verification", "readings", "gaming", "dose", "gallery"}
    assert left_out(text) == headings(micro | {"recalibrations"})  # which takes 2,000 problems


@pytest.mark.slow
def test_times_of_engines_on_one_gpu_are_marked(tmp_path: Path) -> None:
    settings = configured("gpu", bare("gpu"))
    found = check(page(settings, tmp_path / "one", drawn=False), settings)
    assert "take turns on one GPU" in found and '<td data-value="shared device">' in found
    apart = merged("config/gpu.yaml", "config/two_gpus.yaml", {"statistics": {"resamples": 100}}, bare("gpu"))
    assert "shared device" not in check(page(apart, tmp_path / "two", drawn=False), apart).lower()


@pytest.mark.slow
def test_benchmarks_of_one_s_own_are_on_the_page_and_their_steps_are_not_judged(tmp_path: Path) -> None:
    """One beside the generated ones, and one in the place of such."""
    own = {"adapter": "realworldqa", "path": "my/folder", "split": "test"}
    slices = [{"benchmark": name} for name in ("mathverse", "mmbench", "realworldqa", "mine")]
    overlay = {
        "benchmarks": {"mine": own, "realworldqa": own},
        "estimates": {"questions": {"mine": 20, "realworldqa": 20}},
        "suites": {"all": {"slices": slices}},
    }
    settings = configured("smoke", overlay, bare("smoke"))
    found = sections(check(page(settings, tmp_path), settings))
    told = "Judged here: MathVerse, MMBench. The other benchmarks are not generated"
    assert told in found["verification"] and told in found["explained"]
    assert not re.search(r"mine|realworldqa", found["gallery"], re.I)
    assert "look-alikes of the benchmarks, and on mine, RealWorldQA, not generated." in found["limits"]
    assert '<td class="words">mine</td>' in found["benchmarks"]
