"""One question, live."""

import io
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from factories import ROOT, config, traces
from rich.console import Console
from snakemake.cli import parse_args

from dreamr.cli import ask
from dreamr.cli.app import run
from dreamr.cli.live import Chosen, LiveMethod, live_method, model_names
from dreamr.config import Method
from dreamr.errors import UserError
from dreamr.models.cards import model_digest
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.records import Question, write_rows
from dreamr.traces import Step


def words(shown: object) -> str:
    """As it reads where the output is not a terminal."""
    console = Console(file=io.StringIO(), width=120)
    console.print(shown)
    return console.file.getvalue()


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in `folder`, which has the configuration and no results."""
    for name in ("config", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    monkeypatch.chdir(folder)


def test_a_step_shows_its_writer_its_verdict_and_what_it_replaces() -> None:
    kept = Step(text="Row 1 column 1 is 3.", writer="draft", verdict=0.953, accepted=True)
    assert words(ask.line(kept, 1.5)) == "   1.50 s  draft    0.95  Row 1 column 1 is 3.\n"
    own = Step(text="[b]3[/b] + 4 = 7.", writer="target", verdict=0.1, accepted=False, rejected="3 + 4 = 8.")
    assert words(ask.line(own, 2)).splitlines() == [
        "   2.00 s  target   0.10  [b]3[/b] + 4 = 7.",
        f"{'':25}instead of: 3 + 4 = 8.",
    ]


def test_the_summary_counts_what_was_thrown_away() -> None:
    trace = next(row for row in traces(config()) if any(span.cancelled for span in row.spans))
    shown = words(ask.summary(trace, "B"))
    dropped = [span for span in trace.spans if span.cancelled]
    tokens = sum(span.tokens for span in dropped)
    assert f"{len(dropped)} of {len(trace.spans)} steps and verdicts, {tokens} tokens" in shown
    assert f"{trace.accepted} of {trace.verified} verified" in shown


def test_the_summary_of_a_refused_question_says_who_refused_and_why() -> None:
    trace = next(row for row in traces(config()) if row.spans)
    why = {"finish": "refused", "refused_by": "big", "refusal": "context_tokens (1024) is full: raise it"}
    shown = " ".join(words(ask.summary(trace.model_copy(update=why), "B")).split())
    assert "ended by model big: context_tokens (1024) is full: raise it" in shown


def test_several_methods_stand_side_by_side() -> None:
    steps = {"dreamr": ["one", "two"], "target_only": ["three"]}
    table = ask.side_by_side(
        {name: [ask.line(Step(text=t, writer="draft"), 1) for t in own] for name, own in steps.items()}
    )
    shown = words(table).splitlines()
    heads, first, second = (next(row for row in shown if word in row) for word in ("target_only", "one", "two"))
    assert heads.index("dreamr") < heads.index("target_only") and "three" in first and "three" not in second


def test_one_method_is_shown_line_by_line() -> None:
    console = Console(file=io.StringIO(), width=120)
    with ask.printing(["dreamr"], console) as told:
        told("dreamr", "first")
        assert console.file.getvalue() == "first\n"


def noisy(log: Path, ending: str) -> subprocess.CompletedProcess[str]:
    """A command that shows a line, while it and a child of it print, and then does `ending`."""
    program = f"""
import subprocess
from pathlib import Path
from dreamr.errors import UserError
from dreamr.runtime.endings import exit_on_user_error
from dreamr.runtime.output import output_to

with exit_on_user_error(), output_to(Path({str(log)!r})) as terminal:
    subprocess.run(["sh", "-c", "echo noise; echo more >&2"])
    print("own noise")
    terminal.write("shown\\n")
    {ending}
print("afterwards")
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_what_engines_print_goes_to_a_log_and_what_is_shown_does_not(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "ask.log"
    run = noisy(log, "pass")
    assert (run.stdout, run.stderr, run.returncode) == ("shown\nafterwards\n", "", 0)
    assert sorted(log.read_text().splitlines()) == ["more", "noise", "own noise"]


def test_a_failure_names_the_log_that_tells_more(tmp_path: Path) -> None:
    log = tmp_path / "ask.log"
    run = noisy(log, 'raise RuntimeError("engine died")')
    assert (run.stdout, run.stderr) == ("shown\n", f"RuntimeError: engine died; more is told in {log}\n")
    assert "Traceback" in log.read_text() and run.returncode == 1
    run = noisy(log, 'raise UserError("no such model")')
    assert (run.stderr, "Traceback" in log.read_text()) == ("no such model\n", False)


def test_each_method_names_the_models_of_its_pair() -> None:
    plan = Plan(config())
    methods = plan.config.methods
    names = {name: model_names(plan, methods[name], "q3vl-deep-awq", "q3vl-2l") for name in methods}
    sapo = "q3vl-2l.balanced.q3vl-deep-awq"
    assert names["target_only"] == {"target": "q3vl-deep-awq"}
    assert names["draft_only"] == {"draft": "q3vl-2l"} and names["draft_only_sapo"] == {"draft": sapo}
    assert names["dreamr_ns"] == {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
    assert names["dreamr"] == {"target": "q3vl-deep-awq", "draft": sapo}


def test_the_target_does_not_stand_in_for_the_step_oracle() -> None:
    plan = Plan(read([ROOT / "config" / name for name in ("config.yaml", "depth.yaml")]))
    with pytest.raises(UserError, match="'oracle_000_00': its verdicts are the step oracle's"):
        live_method(plan, "oracle_000_00", "q3vl-deep-awq", "q3vl-2l")


CERTIFIED = """
methods:
  certified: {loop: fpsr, draft: balanced, verifier: cpn, alpha: {risk: 0.03, confidence: 0.95, problems: 200},
    window: 4, target_speculation: all, continues: true}
runs: {certified: {targets: [q3vl-deep-awq], drafts: [q3vl-2l, r4b-2l], methods: [certified], suites: [all]}}
"""
DRAFTER = "q3vl-2l.balanced.q3vl-deep-awq"
FOUND = f"results/calibration/q3vl-deep-awq/{DRAFTER}/certified.json"


@pytest.fixture
def calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LiveMethod]:
    """The method on its pair, with a certificate of such content where it is given one."""
    configured(tmp_path, monkeypatch)
    (tmp_path / "mine.yaml").write_text(CERTIFIED)
    digests = {}
    for name in ("q3vl-deep-awq", DRAFTER):
        (tmp_path / "results/models" / name).mkdir(parents=True)
        (tmp_path / "results/models" / name / "model.safetensors").write_text(name)
        (tmp_path / "results/models" / name / "card.json").write_text("{}")
        digests[name] = model_digest(tmp_path / "results/models" / name)
    plan = Plan(read([Path("config/config.yaml"), Path("mine.yaml")]))

    def live(draft: str = "q3vl-2l", **content: Any) -> LiveMethod:
        if content:
            told = {
                "method": "certified",
                "target": "q3vl-deep-awq",
                "draft": draft,
                "drafter": DRAFTER,
                "replicate": 0,
            }
            told |= {"risk": 0.03, "confidence": 0.95, "problems": 200, "tested": [], "models": digests}
            Path(FOUND).parent.mkdir(parents=True, exist_ok=True)
            Path(FOUND).write_text(json.dumps(told | content))
        return live_method(plan, "certified", "q3vl-deep-awq", draft, [Path("mine.yaml")])

    return live


def test_a_calibrated_method_has_the_threshold_of_its_pair(calibrated: Callable[..., LiveMethod]) -> None:
    live = calibrated(alpha=0.95)
    assert live.method.alpha == 0.95 and {role: key.model.name for role, key in live.engines.items()} == {
        "target": "q3vl-deep-awq",
        "draft": DRAFTER,
    }
    assert "alpha 0.95, loses less than 3 points of accuracy, confidence 0.95" in str(live.certificate)


def test_a_method_without_a_certified_threshold_is_served_as_the_target_alone(
    calibrated: Callable[..., LiveMethod],
) -> None:
    live = calibrated(alpha=None)
    assert live.method == Method(loop="target_only") and list(live.engines) == ["target"]
    assert "no threshold is certified" in str(live.certificate) and "target alone" in str(live.certificate)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, rf"{FOUND}: no such file; make it with: \.venv/bin/snakemake --cores all {FOUND} --configfile mine.yaml"),
        (
            {"alpha": 0.9, "risk": 0.05},
            r"another promise than methods.certified.alpha; make it anew with: \.venv/bin/snakemake",
        ),
        ({"alpha": 0.9, "models": {DRAFTER: "old"}}, "other weights of its models"),
        ({"alpha": "?"}, "no certificate of a threshold"),
        ({"draft": "q3vl-3l"}, "is not calibrated for .*q3vl-3l.*; it is for: .*r4b-2l.* A run with this pair"),
    ],
)
def test_what_is_not_calibrated_is_not_served(
    calibrated: Callable[..., LiveMethod], given: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        calibrated(**given)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (Chosen(("magic",)), "'magic': no such method; there are: target_only, draft_only"),
        (Chosen(target="gpt"), "'gpt': no such model; there are: q3vl-deep"),
        (Chosen(target="q3vl-deep"), "'q3vl-2l.balanced.q3vl-deep': no such SAPO draft"),
        (Chosen(), r"card\.json: no such file; make it with: \.venv/bin/snakemake --cores all .*card\.json"),
    ],
)
def test_what_is_not_there_is_named(chosen: Chosen, told: str, tmp_path: Path, monkeypatch) -> None:
    configured(tmp_path, monkeypatch)
    with pytest.raises(SystemExit, match=told):
        ask.main(benchmark="mmmu", question="1", chosen=chosen)


def test_overlays_lie_over_the_configuration_and_go_on_to_the_command_that_makes_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(tmp_path, monkeypatch)
    (tmp_path / "my own.yaml").write_text("pathvars: {results: elsewhere}")
    files = (Path("config/smoke.yaml"), Path("my own.yaml"))
    with pytest.raises(SystemExit) as stopped:
        ask.main(benchmark="mmmu", question="1", configfile=files, chosen=Chosen(("target_only",)))
    path, command = str(stopped.value).split(": no such file; make it with: ")
    assert path == "elsewhere/models/q3vl-deep-awq/card.json"
    _, given = parse_args(shlex.split(command)[1:])
    assert given.targets == [path] and tuple(given.configfile) == files


def test_the_environment_that_is_missing_is_made_with_the_same_overlays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(tmp_path, monkeypatch)
    monkeypatch.setattr(ask, "find_spec", lambda name: None)
    (tmp_path / "results/smoke/models/q3vl-deep-awq").mkdir(parents=True)
    (tmp_path / "results/smoke/models/q3vl-deep-awq/card.json").touch()
    files, chosen = (Path("config/smoke.yaml"),), Chosen(("target_only",))
    told = r"make it with: \.venv/bin/snakemake --cores all environments --configfile config/smoke.yaml$"
    with pytest.raises(SystemExit, match=told):
        ask.main(image=Path("b.png"), ask="Which?", chosen=chosen, configfile=files)


def test_a_question_comes_from_a_benchmark_or_from_the_user(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"id": "7", "dataset": "mmmu", "prompt": "<image>How many?", "images": ("images/a.png",), "cluster": "7"}
    write_rows(tmp_path / "results/data/mmmu.jsonl", [Question(**row, gold=("3", "three"))])
    prompt, gold = ask.prepared_question(config(), "mmmu", "7", ())
    assert prompt.user.startswith("<image>How many?\n") and gold == "3 or three"
    assert prompt.images == (f"{tmp_path}/results/data/images/a.png",)
    prompt = ask.own_question(Path("b.png"), "Which?", ("3", "5"))
    assert prompt.user.startswith("<image>Which?\nA. 3\nB. 5\n") and "option letter" in prompt.user
    assert prompt.images == (f"{tmp_path}/b.png",)


def test_half_a_question_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["ask", "--image", "b.png"])
    assert "--image goes with --ask" in capsys.readouterr().err


def test_files_lie_over_each_other_as_snakemake_lays_them(tmp_path: Path) -> None:
    from snakemake.utils import update_config

    files = [ROOT / "config" / "config.yaml", ROOT / "config" / "smoke.yaml"]
    tree: dict = {}
    for file in files:
        update_config(tree, yaml.safe_load(file.read_text(encoding="utf-8")))
    assert read(files).model_dump() == type(config()).model_validate(tree).model_dump()
