"""Which code decides about which result: an edit reruns what a digest covers, so what it covers is pinned here.

A test that fails after an honest change of imports wants this table changed, by someone who has seen what will now
rerun: a module more under `train_sapo` is twelve trainings more per edit of it.
"""

import shutil
from pathlib import Path

import pytest

from dreamr.cli.train_sapo import WORDS
from dreamr.config import Method
from dreamr.methods.protocol import ORACLE
from dreamr.planning.plan import DIGEST_EXCLUDED, SCORER, _by_name
from dreamr.provenance import SOURCES, code_digest, import_closure
from dreamr.studies.catalogue import LOADED, modules

ENGINE = "cpn engines.chat engines.images engines.protocol engines.written runtime.processes " + " ".join(
    f"engines.vllm.{name}" for name in ("engine", "inputs", "internals", "kernels", "launch", "remote")
)
ANSWERING = (
    f"{ENGINE} answering.cells answering.engines answering.fitting answering.questions answering.runs answering.work "
    "machine.background methods.protocol models.cards prompts provenance traces"
)
SCORING = "scoring.answers scoring.choices scoring.formulas scoring.marks scoring.numerals scoring.quantities " + (
    "scoring.values scoring.verdicts"
)
MICRO_DATA = "data.loading data.plants data.rows micro.datasets micro.drawing micro.rows micro.world"
FRAME = "scores statistics.frame statistics.intervals statistics.names statistics.paired traces"
POOLS = f"{FRAME} statistics.pooling statistics.shares"
COVERED = {
    "make_micro": MICRO_DATA,
    "make_calibration": f"{MICRO_DATA} micro.calibration",
    "prepare": "data.loading data.rows",
    "audit": "data.contamination data.plants data.sampling",
    "quantize": "data.plants data.sampling engines.chat engines.images models.awq models.cards models.folders "
    "models.loading prompts provenance runtime.processes",
    "train_sapo": f"{ENGINE} data.plants data.sampling models.cards models.folders models.loading prompts provenance "
    "engines.vllm.rollouts sapo.callbacks sapo.curve sapo.judging sapo.padding sapo.ranks sapo.rewards sapo.rollouts "
    "sapo.serving sapo.shares sapo.trainer steps verifiers.cpn verifiers.protocol",
    "generate": f"{ANSWERING} answering.thresholds certificates",
    "answer": f"{ANSWERING} answering.thresholds certificates",
    "calibrate": f"{ANSWERING} {SCORING} calibration.candidates certificates data.prepared statistics.risk",
    "grade": f"{SCORING} data.prepared prompts scoring.grading scoring.lmms_eval scoring.lmms_letters "
    "scoring.lmms_reasoning scores spans steps traces",
    "summarise": f"{POOLS} certificates statistics.claims statistics.closed_forms statistics.comparisons "
    "statistics.contrasts statistics.devices statistics.interventions statistics.paired statistics.power "
    "statistics.published statistics.risk statistics.words",
    "verify": f"{POOLS} {MICRO_DATA} data.prepared provenance micro.oracle micro.steps prompts "
    "statistics.comparisons statistics.examples statistics.step_frame steps",
    "plot": f"{POOLS} report.drawing report.colours report.overview spans statistics.closed_forms "
    "statistics.comparisons statistics.examples statistics.words",
    "report": f"{FRAME} planning.names planning.sizes provenance report.glossary report.models "
    "report.packing report.page report.run_times report.sections runtime.forecast runtime.starts statistics.words",
}
LOOP = "methods.prefix methods.run steps verifiers.protocol"  # what the loops share
COVERED_BY_LOOPS = {
    "target_only": "methods.single",
    "draft_only": "methods.single",
    "spec_decoding": "methods.single",
    "draft_model": "",
    "cascade": "",
    "specreason": "",
    "lookahead": "methods.streams",
    "fpsr": "methods.streams",
}


def covered(*modules: str, leave_out: tuple[str, ...] = ()) -> set[str]:
    """Modules that a digest of `modules` covers, packages left out."""
    names = import_closure(tuple(f"dreamr.{name}" for name in modules), (*DIGEST_EXCLUDED, *leave_out), SOURCES)
    files = {name for name in names if (SOURCES / name.replace(".", "/")).with_suffix(".py").is_file()}
    return {name.removeprefix("dreamr.") for name in files}


@pytest.mark.parametrize("command", COVERED)
def test_a_commands_digest_covers_what_it_says_here(command: str) -> None:
    leave_out = SCORER if command == "train_sapo" else ()
    found = covered(f"cli.{command}", *loaded(command), leave_out=leave_out)
    shared = {name for name in found if not name.startswith("studies.")}
    assert shared == {*COVERED[command].split(), f"cli.{command}", "records"}


@pytest.mark.parametrize("command", LOADED)
def test_of_a_study_a_digest_covers_what_its_command_loads(command: str) -> None:
    """And what that imports of the same folder; not how it is drawn where a table is made."""
    found = {name for name in covered(f"cli.{command}", *loaded(command)) if name.startswith("studies.")}
    elsewhere = {*LOADED.values()} - {LOADED[command]}
    assert found >= {*loaded(command)} and not {name.split(".")[2] for name in found} & elsewhere
    for module in loaded(command):
        own = {name for name in covered(module) if name.startswith("studies.")}
        assert {name.split(".")[1] for name in own} == {module.split(".")[1]}, "one study does not know another"


def loaded(command: str) -> list[str]:
    """What a command loads by name of studies."""
    return [name.removeprefix("dreamr.") for name in modules(command)] if command in LOADED else []


@pytest.mark.parametrize("loop", COVERED_BY_LOOPS)
def test_an_answer_depends_on_its_own_loop(loop: str) -> None:
    expected = {*COVERED["generate"].split(), *LOOP.split(), *COVERED_BY_LOOPS[loop].split(), f"methods.{loop}"}
    assert covered("cli.generate", f"methods.{loop}") == expected | {"cli.generate", "records"}


def test_only_an_answer_that_asks_the_step_oracle_depends_on_it() -> None:
    ordinary = covered("cli.generate", "methods.specreason")
    asking = covered("cli.generate", "methods.specreason", ORACLE.removeprefix("dreamr."))
    assert asking - ordinary >= {"micro.verdicts", "micro.oracle", "micro.world"}
    oracle = {"loop": "specreason", "verifier": "oracle", "false_accept": 0.0, "false_reject": 0.0}
    target = {"loop": "specreason", "verifier": "cpn", "alpha": 0.7}
    assert [ORACLE in _by_name(Method(**settings)) for settings in (oracle, target)] == [True, False]


@pytest.mark.parametrize(
    ("command", "rooms"),
    [
        ("train_sapo", ("methods", "answering", "scoring", "statistics", "report", "micro")),
        ("quantize", ("methods", "answering", "scoring", "sapo", "statistics", "report", "micro")),
        ("generate", ("sapo", "scoring", "statistics", "report", "micro")),
        ("grade", ("engines", "methods", "answering", "statistics", "report")),
        ("summarise", ("engines", "methods", "scoring", "report")),
        ("report", ("engines", "methods", "scoring")),
    ],
)
def test_no_loop_in_a_training_no_scorer_in_an_answer_no_figure_in_a_table(
    command: str, rooms: tuple[str, ...]
) -> None:
    """A repaired scorer grades again; it neither trains nor answers again. And so on."""
    leave_out = SCORER if command == "train_sapo" else ()
    found = {name.split(".")[0] for name in covered(f"cli.{command}", *loaded(command), leave_out=leave_out)}
    assert not found & {*rooms}


@pytest.mark.parametrize(
    ("file", "added", "reruns"),
    [
        ("verifiers/confidence.py", "VERDICTS = 1\n", set()),
        ("methods/own.py", "LOOP = 1\n", set()),
        ("data/own.py", "ADAPTER = 1\n", set()),
        ("scores.py", "LATER = 1\n", {"grade"}),
        ("traces.py", "LATER = 1\n", {"generate", "grade"}),
        ("verifiers/cpn.py", "LATER = 1\n", {"train_sapo"}),  # and answers that it judges, by its name
        ("records.py", "LATER = 1\n", {"prepare", "quantize", "train_sapo", "generate", "grade"}),
    ],
)
def test_what_is_added_reruns_what_knows_of_it(tmp_path: Path, file: str, added: str, reruns: set[str]) -> None:
    sources = Path(shutil.copytree(SOURCES, tmp_path / "src"))
    with (sources / "dreamr" / file).open("a") as module:
        module.write(added)
    commands = {"prepare": (), "quantize": (), "train_sapo": SCORER, "generate": (), "grade": ()}
    changed = {name for name, out in commands.items() if digest(name, out, sources) != digest(name, out, SOURCES)}
    assert changed == reruns


def digest(command: str, leave_out: tuple[str, ...], sources: Path) -> str:
    return code_digest(f"dreamr.cli.{command}", leave_out=(*DIGEST_EXCLUDED, *leave_out), sources=sources)


def test_the_scorer_is_left_out_of_trainings_by_name_alone() -> None:
    assert "scoring.answers" in covered("cli.train_sapo")
    reward = import_closure(("dreamr.scoring.answers",), WORDS, SOURCES)
    assert {room.split(".")[1] for room in reward if room != "dreamr"} == {"scoring", "records"}
    assert "report.drawing" not in covered("cli.report"), "the page needs no library that draws"
