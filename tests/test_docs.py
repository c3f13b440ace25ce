"""The documentation builds, what it says to type and to write works, its numbers are those of the kept runs."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from projects import ROOT, copied
from snakemake.cli import get_argument_parser
from test_plan import merged
from worlds import EVEN, answer, random_pair

from dreamr.cli.app import FOR_PEOPLE, OF_RULES, app
from dreamr.cli.common import BASE
from dreamr.cli.keep_run import readme_lines
from dreamr.config import DataSpec, Method
from dreamr.data.loading import prepare_questions
from dreamr.methods.protocol import Outcome
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.reading import read
from dreamr.report.page import first, records
from dreamr.statistics.frame import ALL, read_table
from dreamr.statistics.words import bounds, formatted

KEPT = ROOT / "reports/kept"
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in FILES}
README = PAGES["README.md"]
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
SNIPPETS = [
    pytest.param(yaml.safe_load(text), id=f"{page}:{number}")
    for page, prose in PAGES.items()
    for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", prose, re.M | re.S))
]


def block(before: str, after: str = "```") -> str:
    """What stands between these lines; one page has it."""
    wanted = rf"{re.escape(before)}\n(.*?)\n{re.escape(after)}"
    (found,) = (text for page in PAGES.values() for text in re.findall(wanted, page, re.S))
    return str(found)


def typed(program: str) -> list[list[str]]:
    """The words behind each call of a program of the environment."""
    lines: set[str] = set()
    for page in PAGES.values():
        lines |= {line for fence in FENCE.findall(page) for line in fence.splitlines()[1:-1]}
        lines |= {" ".join(code.split()) for code in re.findall("`([^`]+)`", FENCE.sub("", page))}
    parts = sorted({part.strip() for line in lines for part in re.split(r"&&|;|\||2>&1", line)})
    return [shlex.split(part)[1:] for part in parts if part.split()[:1] == [f".venv/bin/{program}"]]


@pytest.mark.slow
def test_it_builds_without_a_warning_or_a_dead_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ROOT / "docs", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "reference.html").read_text()
    assert "Most draft steps ahead" in reference and "--configfile PATH" in reference


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_into_the_documentation_lead_somewhere(page: str) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", PAGES[page]):
        assert (ROOT / path).exists(), path
        headings = re.findall(r"^#+ (.*)$", FENCE.sub("", PAGES.get(path, "")), re.M)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, (path, anchor)


def test_the_readme_has_two_commands_and_ci_runs_the_second() -> None:
    smoke, tests = re.findall(r"^python3 .*$", README, re.M)
    assert smoke.endswith("snakemake --cores all --configfile config/smoke.yaml")
    (extract,) = re.findall(r"^command=\$\((.*)\)$", (ROOT / ".ci/run").read_text(), re.M)
    found = subprocess.run(["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == tests


def test_every_command_can_be_typed() -> None:
    for words in typed("dreamr"):
        if len(words) == 1 and not words[0].startswith("-"):  # named, not called
            assert words[0].replace("-", "_") in {*FOR_PEOPLE, *OF_RULES}
        else:
            app().parse_args(words, exit_on_error=False, print_error=False)
    for words in typed("python"):
        assert all((ROOT / word).exists() for word in words if "/" in word and not word.startswith("build/"))


def test_what_snakemake_is_asked_to_make_is_known_to_it(tmp_path: Path) -> None:
    asked: dict[tuple[str, ...], set[str]] = {}
    for given in (get_argument_parser().parse_args(words) for words in typed("snakemake")):
        files = tuple(map(str, given.configfile or ()))
        assert all((ROOT / path).is_file() for path in (*files, *(given.profile or ())) if path.startswith("config/"))
        asked.setdefault(files, set()).update(given.targets)
    project = copied(tmp_path / "copy")
    for files, targets in asked.items():
        if targets:
            project.succeed("-n", *sorted(targets), *(["--configfile", *files] if files else []))


# -- what one writes


@pytest.fixture(scope="module", autouse=True)
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which all of the guides was done: modules, questions and a model beside a configuration file."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "lab").mkdir()
    for name in ("gate", "likely", "twice"):
        (folder / f"lab/{name}.py").write_text(block(f"<!-- own: {name} -->\n```python"))
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        patched.chdir(folder)
        exec(block("<!-- own benchmark -->\n```python"))
        Path("mine/model").symlink_to(ROOT / "workflow/resources/zoo/q3vl-2l")
        yield folder


@pytest.mark.parametrize("overlay", SNIPPETS)
def test_a_configuration_overrides_the_default(overlay: dict) -> None:
    assert merged(overlay) != merged()


def outcomes(**settings: object) -> list[Outcome]:
    """Of twenty questions, by models that find each word of every third step probable."""

    def likely(steps: tuple[str, ...]) -> float:
        return 0.99 if len(steps) % 3 == 0 else 0.3

    pairs = [[replace(model, likely=likely) for model in random_pair(seed)] for seed in range(20)]
    return [answer(Method(**settings), (target, draft), EVEN)[1] for target, draft in pairs]


def test_the_loop_of_the_guide_lets_steps_pass_of_which_the_draft_is_sure() -> None:
    runs = outcomes(loop="lab.gate", verifier="cpn", alpha=0.7, own={"sure": -0.05})
    steps = [(place, step) for run in runs for place, step in enumerate(run.steps, 1)]
    assert {step.accepted for place, step in steps if place % 3} == {True, False}
    sure = [step for place, step in steps if place % 3 == 0]
    assert sum(step.unread for step in sure) >= 5
    assert all(step.unread or not (step.rejected or "").strip() for step in sure), "a blank one is never sure"
    assert {span.engine for run in runs for span in run.spans if span.kind == "read"} == {"draft"}


def test_the_verifier_of_the_guide_takes_what_the_target_finds_likely() -> None:
    runs = outcomes(loop="specreason", verifier="lab.likely", alpha=0.5)
    decided = [step for run in runs for step in run.steps if step.verdict is not None]
    assert {(round(step.verdict or 0, 2), step.accepted) for step in decided} == {(0.99, True), (0.3, False)}


def test_the_questions_of_the_guide_are_twenty(tmp_path: Path) -> None:
    spec = merged({"benchmarks": {"mine": {"adapter": "table", "path": "mine/questions.jsonl"}}}).benchmarks["mine"]
    questions = prepare_questions("mine", spec, tmp_path)
    assert len(questions) == 20 and {question.gold for question in questions} == {("A",), ("B",)}


def test_the_adapter_of_the_guide_asks_about_both_pictures(tmp_path: Path) -> None:
    row = {"left": "1.png", "right": "19.png", "ask": "Is it red?", "left_is": "no", "right_is": "yes"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row))
    questions = prepare_questions("mine", DataSpec(adapter="lab.twice", path=str(tmp_path / "pairs.jsonl")), tmp_path)
    told = [(one.id, one.gold, one.cluster) for one in questions]
    assert told == [("0-left", ("no",), "0"), ("0-right", ("yes",), "0")]


# -- the numbers that are quoted


@pytest.mark.parametrize(("folder", "scale"), [("run", "depth"), ("accuracy", "accuracy")])
def test_numbers_are_those_of_the_kept_runs(folder: str, scale: str) -> None:
    job = SummariseJob.of(read([ROOT / BASE, ROOT / f"config/{scale}.yaml"]))
    shown = "\n".join(readme_lines(KEPT / folder.removeprefix("run"), job))
    assert block(f"<!-- kept {folder} -->", "<!-- end -->") == shown, f"the kept run says:\n{shown}"


def quoted(table: str, quantity: str, kind: str, **place: str) -> str:
    where = {"target": ALL, "draft": ALL, "benchmark": ALL} | place
    row = first(records(read_table(KEPT / f"{table}.csv")), **where)
    return formatted(row[quantity], kind) + bounds(row, quantity, kind)


def verdict(scale: str, claim: str) -> str:
    return str(first(records(read_table(KEPT / f"{scale}/claims.csv")), id=claim)["verdict"])


def test_numbers_in_sentences_are_those_of_the_kept_runs() -> None:
    dreamr, strict = (
        quoted("accuracy/accuracy", "accuracy_change", "points", method=name) for name in ("dreamr", "alpha_095")
    )
    ratio = quoted("ablations/contrasts", "speed_ratio", "times", method="schedule_pipelined", other="dreamr")
    told = " ".join(README.split())
    for words in (
        f"{dreamr} points, and with alpha 0.95 by {strict}; that it keeps the target's accuracy "
        f"(loses less than 3 points) is **{verdict('accuracy', 'accuracy-kept')}**. "
        f"That SAPO raises acceptance is a **{verdict('accuracy', 'sapo-acceptance')}**.",
        f"pipelined is {ratio} times as fast as fully parallel; the order of the three schedules is "
        f"**{verdict('ablations', 'schedule')}**.",
    ):
        assert words in told
