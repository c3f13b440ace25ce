"""Loops, verifiers and adapters of a user's own, in a folder of theirs: found, refused with words, and in digests."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_config import tree
from test_plan import changed, digests

from dreamr import components
from dreamr.cli import plan
from dreamr.errors import UserError
from dreamr.planning.doubts import doubts
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.plan import command_digest
from dreamr.planning.reading import load, read
from dreamr.provenance import SOURCES

ROOT = SOURCES.parent
LOOP = """
from dreamr.components import Loop
from dreamr.methods.run import running
from dreamr.prompts import Prompt
from {package}.writers import FIRST

LOOP = Loop(label="Relay", draft=True, target_writes="rejected steps", may_set=frozenset({{"patience"}}))


async def answer(prompt, engines, method, limits):
    async with running(prompt, engines, limits) as run:
        while run.prefix.finish is None:
            writer = FIRST if run.prefix.index == 0 else "draft"
            run.commit(await run.write(writer, run.prefix), writer)
    return run.outcome()
"""
VERIFIER = """
from dreamr.components import Verdicts
from dreamr.verifiers.protocol import Verdict

VERDICTS = Verdicts(judges="step", settings=frozenset({"most"}))


def verifier(method):
    async def short(target, prefix, step, own):
        return Verdict(float(len(step)), len(step) <= method.own["most"])

    return short
"""
RUN = {"targets": ["q3vl-deep-awq"], "drafts": ["q3vl-2l"], "suites": ["all"]}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of someone's own, with a package of a name that no other test has."""
    monkeypatch.setenv(components.FOLDERS, "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    package = tmp_path / f"lab_{tmp_path.name}"
    package.mkdir()
    (package / "relay.py").write_text(LOOP.format(package=package.name))
    (package / "writers.py").write_text('FIRST = "target"\n')
    (package / "short.py").write_text(VERIFIER)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
        del sys.modules[name]
    for found in (components.loop, components.verdicts, components.adapter):
        found.cache_clear()


def overlay(study: Path, methods: dict[str, dict[str, Any]]) -> list[Path]:
    """The default configuration and a file beside the package, with these methods in a run."""
    runs = {"more": RUN | {"methods": [*methods]}}
    (study.parent / "mine.yaml").write_text(yaml.safe_dump({"methods": methods, "runs": runs}))
    return [ROOT / "config/config.yaml", study.parent / "mine.yaml"]


def both(study: Path) -> dict[str, dict[str, Any]]:
    return {
        "relay": {"loop": f"{study.name}.relay"},
        "short": {"loop": "specreason", "verifier": f"{study.name}.short", "own": {"most": 40}},
    }


def test_modules_beside_a_configuration_file_are_found_wherever_one_stands(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = overlay(study, both(study))
    monkeypatch.chdir("/")
    config = read(files)
    assert config.methods["relay"].declared.label == "Relay"
    assert config.methods["short"].own == {"most": 40}


def test_tables_figures_and_page_call_a_method_as_configured_or_as_its_loop_says(study: Path) -> None:
    job = SummariseJob.of(read(overlay(study, both(study))))
    assert [*map(job.label, ("relay", "short", "dreamr"))] == ["Relay (relay)", "short", "DREAM-R"]
    named = tree({"methods": both(study), "display": {"labels": {"relay": "Ours"}}})
    assert SummariseJob.of(load(named)).label("relay") == "Ours"


def test_a_job_finds_them_by_its_environment_behind_all_other_modules(study: Path) -> None:
    """And no file of theirs takes the place of a module of Python's or of a package's."""
    read(overlay(study, both(study)))
    (study.parent / "statistics.py").write_text("raise SystemExit('of the user')\n")
    code = f"""
from dreamr.config import Method
from dreamr.methods.protocol import load
import statistics
print(load(Method(loop="{study.name}.relay").loop).__module__)"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd="/",
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
    )
    assert done.stdout.strip() == f"{study.name}.relay", done.stderr


EDITS: dict[str, tuple[str, Callable[[str], str], set[str]]] = {
    "loop": ("relay.py", lambda text: text.replace("index == 0", "index == 1"), {"relay"}),
    "what the loop imports": ("writers.py", lambda text: text.replace("target", "draft"), {"relay"}),
    "verifier": ("short.py", lambda text: text.replace("<=", "<"), {"short"}),
    "declaration": ("relay.py", lambda text: text.replace('"Relay"', '"Relay race"'), set()),
    "comment": ("short.py", lambda text: text + "# why\n", set()),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_makes_the_cells_stale_that_use_it_and_no_others(study: Path, case: str) -> None:
    file, edit, expected = EDITS[case]
    config = read(overlay(study, both(study)))
    before = digests(config)
    text = (study / file).read_text()
    assert edit(text) != text
    (study / file).write_text(edit(text))
    command_digest.cache_clear()
    assert {name for _, name in changed(before, digests(config))} == expected


def test_where_the_folder_lies_is_in_no_digest(study: Path, tmp_path: Path) -> None:
    before = digests(read(overlay(study, both(study))))
    moved = (tmp_path / "elsewhere") / study.name
    moved.parent.mkdir()
    study.rename(moved)
    for name in [name for name in sys.modules if name.partition(".")[0] == study.name]:
        del sys.modules[name]
    command_digest.cache_clear()
    assert digests(read(overlay(moved, both(moved)))) == before
    assert components.root(f"{moved.name}.relay") == moved.parent


WRONG = {
    "no module": ("", None, ["'{lab}.own': no such loop", "{lab}/own.py beside a configuration file", "fpsr"]),
    "not Python": ("LOOP = (\n", "own.py", ["own.py, line 1", "SyntaxError"]),
    "a missing package": ("import torchh\n", "own.py", ["own.py, line 1", "No module named 'torchh'"]),
    "no declaration": ("x = 1\n", "own.py", ["own.py declares no LOOP", "LOOP = Loop(...)"]),
    "a field too few": (
        "from dreamr.components import Loop\nLOOP = Loop(label='x', draft=True)\n",
        "own.py",
        ["own.py, line 2", "Loop: target_writes: Field required"],
    ),
    "a wrong value": (
        "from dreamr.components import Loop\nLOOP = Loop(label='x', draft=True, target_writes='some')\n",
        "own.py",
        ["own.py, line 2", "target_writes: Input should be 'all steps', 'rejected steps' or 'nothing' (found: 'some')"],
    ),
    "no function": (
        "from dreamr.components import Loop\nLOOP = Loop(label='x', draft=True, target_writes='nothing')\n",
        "own.py",
        ["own.py has no such function: async def answer(prompt, engines, method, limits)"],
    ),
    "no coroutine": (
        "from dreamr.components import Loop\nLOOP = Loop(label='x', draft=True, target_writes='nothing')\n"
        "def answer(prompt, engines, method, limits): ...\n",
        "own.py",
        ["own.py has no such function: async def answer"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_loop_is_told_with_its_file_and_what_is_allowed(study: Path, case: str) -> None:
    text, file, words = WRONG[case]
    if file:
        (study / file).write_text(text)
    with pytest.raises(UserError) as stop:
        read(overlay(study, {"mine": {"loop": f"{study.name}.own"}}))
    told = str(stop.value)
    missing = [word for word in words if word.format(lab=study.name) not in told]
    assert told.count("\n  - ") == 1 and "methods.mine.loop" in told and not missing, (missing, told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "declares no VERDICTS; expected: VERDICTS = Verdicts(...)"),
        (VERIFIER.replace("def verifier", "def other"), "has no such function: def verifier(method)"),
        (VERIFIER.replace('"step"', '"steps"'), "judges: Input should be 'step', 'answer' or 'versions' (found"),
    ],
)
def test_what_is_wrong_with_a_verifier_is_told(study: Path, text: str, words: str) -> None:
    (study / "short.py").write_text(text)
    with pytest.raises(UserError) as stop:
        read(overlay(study, both(study)))
    assert "methods.short.verifier" in str(stop.value) and words in str(stop.value)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({"verifier": "cpn", "alpha": 0.5, "own": {"most": 3}}, "does not take own.most; it takes alpha, answers, ste"),
        ({"verifier": "{lab}.short"}, "needs own.most; it takes answers, own.most, steps_per_verdict, verifier"),
        ({"verifier": "cpn", "own": {"alpha": 0.5}}, "own: alpha stand beside `loop`, not in `own`"),
        ({"verifier": True, "alpha": 0.5}, "methods.mine.verifier: found True, expected a name or a text; YAML reads"),
        ({"verifier": 12, "alpha": 0.5}, "methods.mine.verifier: found 12, expected a name or a text; YAML reads"),
    ],
)
def test_settings_of_ones_own_and_words_without_quotes(study: Path, method: dict[str, Any], words: str) -> None:
    if isinstance(name := method["verifier"], str):
        method = method | {"verifier": name.format(lab=study.name)}
    with pytest.raises(UserError) as stop:
        read(overlay(study, {"mine": {"loop": "specreason", **method}}))
    assert words in str(stop.value)


def test_a_sweep_varies_a_setting_of_ones_own(study: Path) -> None:
    (base, mine) = overlay(study, both(study))
    more = yaml.safe_load(mine.read_text()) | {"sweeps": {"grid": {"of": "short", "vary": {"most": [20, 60]}}}}
    more["runs"]["more"]["methods"].append("grid")
    mine.write_text(yaml.safe_dump(more))
    config = read([base, mine])
    assert {name: config.methods[name].own for name in config.runs["more"].methods if "grid" in name} == {
        "grid_most_20": {"most": 20},
        "grid_most_60": {"most": 60},
    }


def test_what_no_run_asks_for_is_told_where_a_user_defined_it() -> None:
    assert doubts(load(tree())) == doubts(load(tree({"runs": {"ablation": None}}))) == []
    recipe = {"weights": {"outcome": 1, "alignment": 2, "length": 1}}
    mine = {"adapter": "realworldqa", "path": "my/folder", "split": "test"}
    defined = {
        "methods": {"forgotten": {"loop": "draft_only"}},
        "sapo": {"recipes": {"lost": recipe}},
        "benchmarks": {"mine": mine},
        "suites": {"some": {"slices": [{"benchmark": "mine"}], "alone": 0}},
    }
    (line,) = doubts(load(tree(defined)))
    assert line.startswith("Defined, but asked for by no run, and so not computed: methods: forgotten; sapo.recipes: ")
    assert line.endswith("lost; suites: some; benchmarks: mine.")


def test_a_target_that_answers_nothing_by_itself_is_told() -> None:
    overlay = {"runs": {"baseline": {"targets": ["q3vl-deep-awq"], "methods": ["target_only"], "suites": ["all"]}}}
    (line,) = doubts(load(tree(overlay)))
    assert "q3vl-moe-awq" in line and "q3vl-deep-awq" not in line and "runs.baseline.targets" in line


def test_the_plan_names_the_methods_of_each_pair(capsys: pytest.CaptureFixture[str], study: Path) -> None:
    plan.main(configfile=tuple(overlay(study, both(study))[1:]))
    printed = capsys.readouterr().out
    assert "q3vl-deep-awq with q3vl-2l: " in printed and " relay, short\n" in printed.replace("\n  ", " ")
