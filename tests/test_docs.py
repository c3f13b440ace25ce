"""The documentation builds, and what it tells one to type and to write works."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import yaml
from projects import ROOT, copied
from prose import PROSE, block
from snakemake.cli import get_argument_parser
from test_plan import merged
from worlds import EVEN, answer, random_pair

from dreamr.cli.app import FOR_PEOPLE, OF_RULES, app
from dreamr.config import DataSpec, Method
from dreamr.data.loading import prepare_questions
from dreamr.methods.protocol import Outcome

FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
BIN = ".venv/bin/"


def codes(text: str) -> Iterator[str]:
    """Lines of code blocks, and code within lines."""
    for fence in FENCE.findall(text):
        yield from fence.splitlines()[1:-1]
    for span in re.findall(r"`([^`]+)`", FENCE.sub("", text)):
        yield " ".join(span.split())


def typed(program: str) -> list[list[str]]:
    """The words behind each call of a program of the environment in the prose."""
    lines = {line for text in PROSE.values() for line in codes(text)}
    parts = {part.strip() for line in lines for part in re.split(r"&&|;|\||2>&1", line)}
    calls = [shlex.split(part) for part in sorted(parts) if part.startswith(BIN)]
    return [words for call, *words in calls if call == BIN + program]


def told(words: list[str]) -> str:
    return " ".join(words) or "alone"


@pytest.mark.slow
def test_it_builds_without_a_warning_or_a_dead_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ROOT / "docs", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Most draft steps ahead" in (tmp_path / "reference/configuration.html").read_text()
    assert "--configfile PATH" in (tmp_path / "reference/commands.html").read_text()


def anchors(page: str) -> set[str]:
    """Of the headings of a page, as code hosts and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", PROSE[page]), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_into_the_documentation_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", PROSE[page])
    assert len(links) >= 8
    assert not [path for path, _ in links if not (ROOT / path).exists()]
    assert not [(path, anchor) for path, anchor in links if anchor and anchor not in anchors(path)]


# -- commands


@pytest.mark.parametrize("words", typed("dreamr"), ids=told)
def test_a_command_of_the_prose_is_one_of_dreamr(words: list[str]) -> None:
    if len(words) == 1 and not words[0].startswith("-"):  # named, not called
        assert words[0].replace("-", "_") in {*FOR_PEOPLE, *OF_RULES}
    else:
        app().parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", typed("snakemake"), ids=told)
def test_a_command_of_the_prose_is_one_of_snakemake(words: list[str]) -> None:
    given = get_argument_parser().parse_args(words)
    files = [path for path in given.configfile or () if path.parent.name == "config"]
    assert all((ROOT / path).is_file() for path in files)
    assert all((ROOT / profile).is_dir() for profile in given.profile or ())


@pytest.mark.parametrize("words", typed("python"), ids=told)
def test_files_that_python_is_given_are_there(words: list[str]) -> None:
    files = [word for word in words if "/" in word and not word.startswith("build/")]
    assert all((ROOT / path).exists() for path in files)


def test_what_snakemake_is_asked_to_make_is_known_to_it(tmp_path: Path) -> None:
    asked: dict[tuple[str, ...], set[str]] = {}
    for given in (get_argument_parser().parse_args(words) for words in typed("snakemake")):
        asked.setdefault(tuple(map(str, given.configfile or ())), set()).update(given.targets)
    assert {"environments", "zoo"} < asked[()] and len(asked[()]) > 4
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


SNIPPETS = [
    pytest.param(text, id=f"{page}:{number}")
    for page, prose in PROSE.items()
    for number, (before, text) in enumerate(re.findall(r"^([^\n]*)\n```yaml\n(.*?)^```", prose, re.M | re.S))
    if not before.startswith("<!-- not run: ")
]


@pytest.mark.parametrize("text", SNIPPETS)
def test_a_configuration_of_the_prose_lies_over_the_default(text: str) -> None:
    overlay = yaml.safe_load(text)
    assert merged(overlay) != merged()


def outcome(method: Method, seed: int) -> Outcome:
    """By models that find each word of every third step probable."""
    target, draft = random_pair(seed)

    def likely(steps: tuple[str, ...]) -> float:
        return 0.99 if len(steps) % 3 == 0 else 0.3

    return answer(method, (replace(target, likely=likely), replace(draft, likely=likely)), EVEN)[1]


def test_the_method_of_the_guide_lets_steps_pass_of_which_the_draft_is_sure() -> None:
    snippet, _ = re.findall(r"```yaml\n(.*?)```", PROSE["docs/how-to/own-method.md"], re.S)
    method = Method(**yaml.safe_load(snippet)["methods"]["gated"])
    runs = [outcome(method, seed) for seed in range(20)]
    steps = [(place, step) for run in runs for place, step in enumerate(run.steps, 1)]
    assert {step.accepted for place, step in steps if place % 3} == {True, False}
    sure = [step for place, step in steps if place % 3 == 0]
    assert sum(step.unread for step in sure) >= 5
    assert all(step.unread or not (step.rejected or "").strip() for step in sure), "a blank one is never sure"
    assert {span.engine for run in runs for span in run.spans if span.kind == "read"} == {"draft"}


def test_the_verifier_of_the_guide_takes_what_the_target_finds_likely() -> None:
    method = Method(loop="specreason", verifier="lab.likely", alpha=0.5)
    decided = [step for seed in range(20) for step in outcome(method, seed).steps if step.verdict is not None]
    assert {(round(step.verdict or 0, 2), step.accepted) for step in decided} == {(0.99, True), (0.3, False)}


def test_the_questions_of_the_guide_are_twenty(tmp_path: Path) -> None:
    (snippet, _) = re.findall(r"```yaml\n(.*?)```", PROSE["docs/how-to/own-benchmark.md"], re.S)
    spec = merged(yaml.safe_load(snippet)).benchmarks["mine"]
    questions = prepare_questions("mine", spec, tmp_path)
    assert len(questions) == 20 and {question.gold for question in questions} == {("A",), ("B",)}


def test_the_adapter_of_the_guide_asks_about_both_pictures(tmp_path: Path) -> None:
    row = {"left": "1.png", "right": "19.png", "ask": "Is it red?", "left_is": "no", "right_is": "yes"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row))
    spec = DataSpec(adapter="lab.twice", path=str(tmp_path / "pairs.jsonl"))
    questions = prepare_questions("mine", spec, tmp_path)
    assert [(one.id, one.gold, one.cluster) for one in questions] == [
        ("0-left", ("no",), "0"),
        ("0-right", ("yes",), "0"),
    ]


# -- how it is written

# Turns that this prose once had and a reader had to puzzle out, each with the plain one.
TURNS = {
    r"(is|are) told(?! (?:to|whether|how|which|what|the|it))": "is reported",
    r"held against": "compared with",
    r"of one's own": "of your own",
    r"lies? over": "overrides",
    r"for ever": "without an end",
    r"stands? open": "is shown",
    r"nothing but": "only",
    r"all else": "everything else",
    r"in the place of": "instead of",
    r"once more": "again",
    r"whoever": "the one that",
    r"the very": "the same",
}


def sentences(page: str) -> str:
    """The running text of a page, without code, tables and headings."""
    text = re.sub(r"^(```|:::).*?^\1|^[|#].*?$|^Run of .*?$|<!--.*?-->", "", PROSE[page], flags=re.M | re.S)
    words, number = re.sub(r"\n *(?=\S)", " ", text).replace('"', ""), count()
    return re.sub(r"`[^`]*`", lambda _: f"code{next(number)}", words)


@pytest.mark.parametrize("page", PROSE)
def test_the_prose_is_plain(page: str) -> None:
    text = sentences(page)
    found = [told[0] for turn in TURNS for told in re.finditer(rf".{{0,60}}\b{turn}\b.{{0,30}}", text, re.I)]
    assert not found


def test_a_linter_of_prose_has_nothing_to_say(tmp_path: Path) -> None:
    for page in PROSE:
        (tmp_path / page.replace("/", "-")).write_text(sentences(page))
    done = subprocess.run([sys.executable, "-m", "proselint", "check", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
