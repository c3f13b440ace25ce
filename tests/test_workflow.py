"""The real `snakemake` command on a copy of the workflow: jobs per rule, faults while parsing, what an edit reruns.

In the copy every command only writes its output files, so that a "finished" experiment takes seconds; everything that
Snakemake and the plan decide is real.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from projects import ROOT, Project, copied, counted, stubbed, with_form

from dreamr.planning.site import LIMITED


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Without the zoo's weights: a dry run only asks whether they are there."""
    return copied(tmp_path)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a dry run through the Slurm profile prints at the paper's scale: each takes seconds."""
    done = copied(tmp_path_factory.mktemp("paper")).on_slurm("-n", "--configfile", "config/paper.yaml")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose default run has finished."""
    folder = tmp_path_factory.mktemp("finished")
    project = stubbed(copied(folder))
    project.edit("config/config.yaml", lambda text: text.replace("environments: venv", "environments: active"))
    project.succeed()
    return folder


@pytest.fixture
def rerun(finished: Path, tmp_path: Path) -> Project:
    """A fresh copy of the finished project, times of files included, to edit."""
    shutil.copytree(finished, tmp_path / "copy")
    return Project(tmp_path / "copy")


ONCE = dict.fromkeys(("audit", "summarise", "simulate", "plot", "report", "all"), 1)
ON_MICRO = {**ONCE, "environment": 2, "make_micro": 1, "prepare": 7, "verify": 1}
MICRO_JOBS = {**ON_MICRO, "fetch_model": 6, "quantize": 2, "train_sapo": 12, "generate": 14, "grade": 14, "total": 65}
SMOKE_JOBS = {**ON_MICRO, "fetch_model": 2, "quantize": 1, "train_sapo": 1, "generate": 3, "grade": 3, "total": 27}
PAPER_JOBS = {
    **{**ONCE, "environment": 2, "prepare": 7, "fetch_model": 6, "quantize": 1, "train_sapo": 12},
    **{"answer": 396, "generate": 396, "grade": 396, "total": 1222},
}


@pytest.mark.parametrize(
    ("arguments", "jobs"),
    [
        ([], MICRO_JOBS),
        (["--configfile", "config/smoke.yaml"], SMOKE_JOBS),
        (["zoo"], {"environment": 1, "train_zoo": 1, "zoo": 1, "total": 3}),
        (["environments"], {"environment": 2, "environments": 1, "total": 3}),
    ],
    ids=["micro", "smoke", "zoo", "environments"],
)
def test_jobs_per_rule(project: Project, arguments: list[str], jobs: dict[str, int]) -> None:
    assert project.planned(*arguments) == jobs


@pytest.mark.slow
def test_jobs_per_rule_at_the_papers_scale(papers: str) -> None:
    assert counted(papers) == PAPER_JOBS


@pytest.mark.slow
def test_jobs_at_the_papers_scale_ask_slurm_for_what_they_hold(papers: str) -> None:
    """Partition, type and number of GPUs, cores and time by rule; a baseline for the target's GPUs alone."""
    jobs = re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", papers, re.M)
    wanted = {
        "train_sapo": ("h200", {"8"}, 1440, "--open-mode=append --signal=TERM@1800"),
        "quantize": ("h200", {"1"}, 720, "--open-mode=append"),
        "answer": ("l40s", {"4", "6"}, 1440, "--open-mode=append --signal=TERM@300"),
        "generate": ("l40s", {"4", "6"}, 1440, "--open-mode=append --signal=TERM@300 --exclusive"),
    }
    for rule, (kind, gpus, minutes, extra) in wanted.items():
        found = [dict(part.split("=", 1) for part in asked.split(", ")) for name, asked in jobs if name == rule]
        assert {asked["gpu"] for asked in found} == gpus
        for asked in found:
            assert (asked["slurm_partition"], asked["constraint"], asked["nodes"]) == (kind, kind, "1")
            assert (asked["runtime"], asked.get("slurm_extra")) == (str(minutes), extra)


@pytest.mark.slow
def test_one_machine_with_gpus_runs_jobs_that_fit_it(project: Project) -> None:
    done = project.run("-n", "-p", "--profile", "profiles/gpu", "--configfile", "config/paper.yaml")
    assert done.returncode == 0, done.stderr
    assert {int(gpus) for gpus in re.findall(r"\bgpu=(\d+)", done.stdout)} - {0} == {1, 4, 6, 8}
    told = set(re.findall(r"dreamr (quantize|train-sapo) .* --gpus (\d+)", done.stdout))
    assert told == {("quantize", "1"), ("train-sapo", "8")}, "what makes models sees no more than the plan counted"


@pytest.mark.slow
def test_a_run_at_the_papers_scale_begins_with_its_pins(project: Project) -> None:
    """A dry run needs none: it takes nothing from the hub."""
    done = project.snakemake("--configfile", "config/paper.yaml")
    assert done.returncode != 0 and "These are not fixed to a commit" in done.stderr
    assert "Traceback" not in done.stderr and not (project.folder / "results").exists()


CERTIFIED = {
    "methods": {
        "certified": {
            **{"loop": "fpsr", "draft": "balanced", "verifier": "cpn", "window": 4, "target_speculation": "all"},
            **{"continues": True, "alpha": {"risk": 0.03, "confidence": 0.95, "problems": 200}},
        }
    },
    "runs": {
        "certified": {
            **{"targets": ["q3vl-deep-awq"], "drafts": ["q3vl-2l"], "methods": ["certified"], "suites": ["all"]},
        }
    },
}


def test_a_method_with_a_guarantee_is_calibrated_before_it_answers(project: Project) -> None:
    """On problems of its own; what answers is told the certificate, and other jobs are told nothing."""
    smoke = ["--configfile", "config/smoke.yaml", project.overlay(CERTIFIED)[1]]
    done = project.succeed("-n", "-p", *smoke)
    more = {
        "make_calibration": 1,
        "ask_target": 1,
        "calibrate": 1,
        "prepare": 11,
        "generate": 4,
        "grade": 4,
        "total": 36,
    }
    assert counted(done.stdout) == SMOKE_JOBS | more
    certificate = "results/smoke/calibration/q3vl-deep-awq/q3vl-2l.balanced.q3vl-deep-awq/certified.json"
    rules = r"^rule (\w+):\n    input: (.*)\n    output: (.*)\n"
    inputs = {(name, made): read for name, read, made in re.findall(rules, done.stdout, re.M)}
    told = {made for (name, made), read in inputs.items() if name == "generate" and certificate in read}
    assert told == {"results/smoke/traces/q3vl-deep-awq/q3vl-2l/certified/all.jsonl"}
    assert done.stdout.count(f"--calibrated {certificate}") == done.stdout.count(f"--certificates {certificate}") == 1
    asked = inputs["calibrate", certificate]
    assert "data/mmmu_apart.jsonl" in asked and "data/mmmu.jsonl" not in asked and "none/target_only.jsonl" in asked
    (overlaps,) = {read for (name, _), read in inputs.items() if name == "audit"}
    assert "apart" not in overlaps


@pytest.mark.slow
def test_a_run_with_a_guarantee_comes_to_its_page_and_another_risk_calibrates_alone(project: Project) -> None:
    smoke = ["--configfile", "config/smoke.yaml", project.overlay(CERTIFIED)[1]]
    done = stubbed(project).succeed(*smoke)
    assert "1 ask_target, 1 calibrate, 4 generate and " in done.stdout
    assert (project.folder / "results/smoke/report/index.html").exists()
    assert "Nothing to be done" in project.snakemake(*smoke).stderr
    project.edit("overlay.yaml", lambda text: text.replace("risk: 0.03", "risk: 0.05"))
    jobs = project.planned(*smoke)
    assert [jobs[rule] for rule in ("train_sapo", "ask_target", "calibrate", "generate")] == [0, 0, 1, 1]


def test_ranks_of_a_training_are_started_by_torchrun(project: Project) -> None:
    """One process needs nobody to start it; of several each has a core."""

    def started_by(ranks: int) -> set[str]:
        done = project.succeed("-n", "-p", *project.overlay({"sapo": {"ranks": ranks, "micro_batch": 16}}))
        return set(re.findall(r"python -m (.*)dreamr train-sapo", done.stdout))

    assert started_by(1) == {""}
    assert started_by(2) == {"torch.distributed.run --standalone --nproc-per-node=2 --shutdown-timeout=3600 -m "}


def test_a_benchmark_of_one_s_own_is_planned_beside_the_generated_ones(project: Project) -> None:
    """It is read again after an edit; the step oracle is asked about the others alone."""
    (project.folder / "my/folder").mkdir(parents=True)
    (project.folder / "my/folder/test-0.parquet").touch()
    own = {"adapter": "realworldqa", "path": "my/folder", "split": "test"}
    slices = [{"benchmark": name} for name in ("mathverse", "mmbench", "realworldqa", "mmmu", "mine")]
    sizes = {"questions": {"mine": 30}}
    overlay = project.overlay({"benchmarks": {"mine": own}, "suites": {"all": {"slices": slices}}, "estimates": sizes})
    done = project.succeed("-n", *overlay)
    rules = r"^(?:local)?rule (?:prepare|verify):\n    input: (.*)\n    output: (.*)$"
    outputs = {name: inputs for inputs, names in re.findall(rules, done.stdout, re.M) for name in names.split(", ")}
    assert outputs["results/data/mine.jsonl"] == "my/folder/test-0.parquet"
    verified = outputs["results/verification/verification.csv"]
    assert "data/mine.jsonl" not in verified and "data/realworldqa.jsonl" in verified
    assert "resources/micro/mine" not in done.stdout


@pytest.mark.slow
def test_a_run_with_a_benchmark_of_one_s_own_comes_to_its_page(project: Project) -> None:
    (project.folder / "my").mkdir()
    (project.folder / "my/test.parquet").touch()
    own = {"adapter": "realworldqa", "path": "my", "split": "test"}
    slices = [{"benchmark": "mathverse"}, {"benchmark": "mine"}]
    tree = {"benchmarks": {"mine": own}, "suites": {"all": {"slices": slices}}, "estimates": {"questions": {"mine": 3}}}
    (_, path), smoke = project.overlay(tree), ["--configfile", "config/smoke.yaml"]
    done = stubbed(project).succeed(*smoke, path)
    assert "To do: 2 environment, 1 quantize, 1 train_sapo, 3 generate and " in done.stdout
    assert (project.folder / "results/smoke/report/index.html").exists()
    assert "Nothing to be done" in project.snakemake(*smoke, path).stderr
    (project.folder / "my/test.parquet").write_bytes(b"edited")
    os.utime(project.folder / "my/test.parquet", (2e9, 2e9))
    jobs = project.planned(*smoke, path)
    assert (jobs["prepare"], jobs["make_micro"], jobs["train_sapo"]) == (1, 0, 0)


def test_what_takes_seconds_is_not_submitted() -> None:
    """A job of a cluster costs half a minute before it begins: only work on models is worth that."""
    rules = [rule for path in (ROOT / "workflow/rules").glob("*.smk") for rule in path.read_text().split("\nrule ")[1:]]
    submitted = {rule.partition(":")[0] for rule in rules if "    localrule: True\n" not in rule}
    assert submitted == {*LIMITED, "train_zoo"}


@pytest.mark.slow
def test_what_needs_no_trained_draft_waits_for_no_training(papers: str) -> None:
    """At the paper's scale a training takes days."""
    inputs = re.findall(r"^rule generate:\n    input: (.*)\n    output: \S+?/(\w+)/[^/]+jsonl$", papers, re.M)
    assert {run for read, run in inputs if ".balanced." in read} == {"main", "ablation", "quantization"}
    assert {run for read, run in inputs if ".balanced." not in read} == {"baseline", "ngram", "untrained"}


@pytest.mark.slow
def test_the_profile_submits_through_slurms_commands(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins of sbatch and its like, so that this runs everywhere; tests.test_cluster has the real ones."""
    state = project.folder / "slurm"
    state.mkdir()
    monkeypatch.setenv("PATH", f"{Path(__file__).with_name('fake_slurm')}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    with_form(stubbed(project))
    quick = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")
    done = project.on_slurm("--configfile", "config/smoke.yaml", *quick)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (project.folder / "results/smoke/report/index.html").exists()
    jobs = [json.loads(line) for line in (state / "submitted").read_text().splitlines()]
    told = {"generate": "--exclusive", "train_sapo": "--signal=TERM@1800", "quantize": "--cpus-per-task=1"}
    counts = dict.fromkeys(told, 0)
    for job in jobs:
        rule = re.match(r"rule_([a-z_]+?)_wildcards", job[job.index("--comment") + 1]).group(1)
        counts[rule] += 1
        assert {told[rule], "--requeue", "--nodes=1"} <= set(job)
        assert (job[job.index("-p") + 1], job[job.index("-C") + 1], job[job.index("-A") + 1]) == (
            "work",
            "here",
            "none",
        )
    assert counts == {"generate": 3, "train_sapo": 1, "quantize": 1}


@pytest.mark.parametrize("rule", LIMITED)
def test_what_is_submitted_takes_the_place_of_its_shell_and_adds_to_its_log(rule: str) -> None:
    """A cluster stops the shell as well, which would end at once, and the job with it; a start empties no log."""
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    (shell,) = re.findall(rf'^rule {rule}:\n(?:(?:    .*)?\n)*?    shell:\n        """\n([^"]*)"""', rules, re.M)
    begin, command, *_, last = shell.rstrip().splitlines()
    assert begin.strip() == "{params.begin} {log:q}" and command.strip().startswith("exec {params.python:q} ")
    assert last.strip() == ">> {log:q} 2>&1"


@pytest.mark.slow
def test_environments_older_than_their_locks_do_not_end_the_run_before_the_experiment(project: Project) -> None:
    """A pulled change, a cache or a copied folder leaves them so (Snakemake's issue 4166, where inputs are ancient)."""
    stubbed(project).succeed("environments")
    for lock in (project.folder / "envs").glob("*.txt"):
        os.utime(lock, (2e9, 2e9))
    made = {path: path.stat().st_mtime_ns for path in project.folder.glob("environments/*/ready.txt")}
    assert len(made) == 4  # two, each by two names
    project.succeed("--configfile", "config/smoke.yaml")
    assert (project.folder / "results/smoke/report/index.html").exists()
    assert {path: path.stat().st_mtime_ns for path in made} == made


@pytest.mark.slow
def test_another_lock_is_another_environment_and_a_missing_one_is_made_again(project: Project) -> None:
    smoke = ["--configfile", "config/smoke.yaml"]
    stubbed(project).succeed(*smoke)
    project.edit("envs/models-cpu.txt", lambda text: text + "# renewed\n")
    jobs = project.planned(*smoke)
    assert (jobs["environment"], jobs["train_sapo"], jobs["generate"], jobs["quantize"]) == (1, 1, 3, 0)
    project.succeed(*smoke)
    assert len(list(project.folder.glob("environments/models-cpu-*"))) == 2
    assert "Nothing to be done" in project.snakemake(*smoke).stderr
    shutil.rmtree(project.folder / "environments")
    assert "Nothing to be done" in project.snakemake(*smoke).stderr
    project.edit("config/config.yaml", lambda text: text.replace("cpn, alpha: 0.5", "cpn, alpha: 0.45"))
    project.succeed(*smoke)
    assert "Nothing to be done" in project.snakemake(*smoke).stderr


FAULTS = {
    "key": ({"statistics": {"sampels": 10}}, ["statistics.sampels", "unknown key"]),
    "method": ({"runs": {"main": {"methods": ["dreamer"]}}}, ["runs.main.methods", "'dreamer'", "dreamr_ns"]),
    "model": ({"runs": {"main": {"targets": ["gpt"]}}}, ["runs.main.targets", "'gpt'", "q3vl-deep-awq"]),
    "alpha": ({"methods": {"dreamr": {"alpha": 1.3}}}, ["methods.dreamr", "alpha", "1.3"]),
    "suite": ({"suites": {"all": {"slices": []}}}, ["suites.all.slices", "[]", "at least 1"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_configuration_stops_while_parsing(project: Project, fault: str) -> None:
    tree, words = FAULTS[fault]
    done = project.snakemake(*project.overlay(tree))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert not (project.folder / "results").exists()


def test_a_wrong_configuration_file_is_named(project: Project) -> None:
    done = project.snakemake("--configfile", "config/nothing.yaml")
    assert done.returncode != 0
    assert "config/nothing.yaml" in done.stdout + done.stderr


@pytest.mark.slow
class TestRerun:
    def test_a_second_run_does_nothing(self, rerun: Project) -> None:
        assert "Nothing to be done" in rerun.snakemake().stderr

    def test_one_alpha_reruns_its_group(self, rerun: Project) -> None:
        rerun.edit("config/config.yaml", lambda text: text.replace("alpha: 0.9", "alpha: 0.8"))
        assert rerun.outputs("generate") == {"results/traces/q3vl-deep-awq/q3vl-2l/ablation/all.jsonl"}
        assert rerun.planned()["train_sapo"] == 0

    def test_an_edited_loop_reruns_the_groups_that_use_it(self, rerun: Project) -> None:
        rerun.edit("src/dreamr/methods/lookahead.py", lambda text: text + "\nEDITED = True\n")
        groups = {path.split("/")[-2] for path in rerun.outputs("generate")}
        assert groups == {"main"}
        assert rerun.planned()["train_sapo"] == 0

    def test_an_edited_scorer_grades_again_and_answers_nothing_again(self, rerun: Project) -> None:
        rerun.edit("src/dreamr/scoring/answers.py", lambda text: text + "\nEDITED = True\n")
        jobs = rerun.planned()
        assert {rule: jobs[rule] for rule in ("generate", "train_sapo", "prepare")} == dict.fromkeys(
            ("generate", "train_sapo", "prepare"), 0
        )
        assert jobs["grade"] == 14

    def test_a_changed_comment_reruns_nothing(self, rerun: Project) -> None:
        for path in ("src/dreamr/methods/fpsr.py", "src/dreamr/scoring/answers.py", "src/dreamr/cli/generate.py"):
            rerun.edit(path, lambda text: text + "\n# a comment\n")
        rerun.edit("config/config.yaml", lambda text: text + "# a comment\n")
        rerun.edit("workflow/rules/evaluate.smk", lambda text: text + "\n\n# a comment\n")
        assert "Nothing to be done" in rerun.snakemake("-n").stdout

    def test_an_edited_adapter_prepares_its_data_set_again(self, rerun: Project) -> None:
        rerun.edit("src/dreamr/data/mmmu.py", lambda text: text + "\nEDITED = True\n")
        assert rerun.outputs("prepare") == {"results/data/mmmu.jsonl"}
        assert rerun.planned()["train_sapo"] == 0


@pytest.mark.slow
def test_snakemakes_own_report_holds_tables_figures_and_the_page(rerun: Project) -> None:
    rerun.succeed("--report", "report.zip")
    with ZipFile(rerun.folder / "report.zip") as files:
        names = {Path(name).name for name in files.namelist()}
        written = files.read("report/report.html").decode()
    assert {"accuracy.csv", "claims.csv", "speed.svg", "index.html"} <= names
    shown = (
        "Tables",
        "Figures",
        "Right of 1 is faster than the target",
        "The page",
        "95 % intervals",
        "DREAM-R, micro scale",
    )
    for told in shown:
        assert told in written


def test_rules_are_clean() -> None:
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow/rules"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_lint_has_nothing_to_say(project: Project) -> None:
    done = project.snakemake("--lint")
    assert "Congratulations" in done.stderr + done.stdout, done.stdout


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_python_is_clean(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_rule_keeps_a_log_and_its_times() -> None:
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            assert "    log:" in rule and "    benchmark:" in rule, f"{path.name}: {rule.splitlines()[0]}"
