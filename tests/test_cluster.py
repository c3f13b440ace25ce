"""The smoke run through the Slurm profile on a real Slurm, with faults on the way, against the same run without any.

One story, in the order of the tests: a job is preempted, a training is warned of its time limit, a job is told to stop
while its engines load, an engine is killed, then Snakemake itself while a job runs on; the next run meets that job; the
one after it ends with the page; one changed alpha submits one job, which is cancelled once and once meets damaged
weights.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from clusters import Slurm, slurm, wait_until, why_not
from projects import MADE, answers, copied, other_models, with_environments, with_form

from dreamr.records import read_rows
from dreamr.runtime.starts import MARK
from dreamr.traces import Trace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(not all(map(Path.exists, MADE)), reason="needs: snakemake --cores all environments"),
    pytest.mark.skipif(bool(why_not()), reason=f"not run, no Slurm can be started here: {why_not()}"),
]
DRAFT = "q3vl-2l.balanced.q3vl-deep-awq"
MINUTE = 60.0
QUICK = ("--slurm-init-seconds-before-status-checks", "1")  # between looks at the queue, for jobs of a minute


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with Slurm(tmp_path_factory.mktemp("slurm")):
        yield


class Lab:
    """A project whose jobs run on the cluster."""

    def __init__(self, folder: Path) -> None:
        self.project = with_form(with_environments(copied(folder, weights=True)))
        self.results = folder / "results/smoke"
        self.runs = 0
        self.process: subprocess.Popen[str]

    def start(self) -> None:
        self.runs += 1
        profile = ("--profile", "profiles/slurm", "--configfile", "config/smoke.yaml", *QUICK)
        with (self.project.folder / f"run{self.runs}.log").open("w") as log:
            self.process = self.project.start(*profile, stdout=log, stderr=log, start_new_session=True)

    def end(self, minutes: float = 10) -> int:
        return self.process.wait(timeout=60 * minutes)

    @property
    def printed(self) -> str:
        return (self.project.folder / f"run{self.runs}.log").read_text()

    @property
    def submitted(self) -> list[str]:
        """What became jobs of Slurm, by the folders of their logs."""
        return re.findall(r"submitted with SLURM jobid \d+ \(log: .*slurm_logs/rule_(\S+)/\d+\.log", self.printed)

    def running(self, rule: str) -> str | None:
        """The Slurm job of a rule that runs now."""
        lines = slurm("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines()
        return next((line.split()[0] for line in lines if f"rule_{rule}" in line), None)

    def process_of(self, command: str, words: str) -> psutil.Process | None:
        """The process of a command whose specification holds these words: the first, since engines are forked off it.

        Other tests run the same in other folders.
        """
        found = []
        for process in psutil.process_iter(["cmdline", "cwd", "create_time"]):
            line = process.info["cmdline"] or []
            here = process.info["cwd"] == str(self.project.folder)
            if here and line[1:4] == ["-m", "dreamr", command] and any(words in part for part in line):
                found.append(process)
        return min(found, key=lambda process: process.info["create_time"], default=None)

    def generating(self) -> psutil.Process | None:
        """The process that answers the pair's questions."""
        return self.process_of("generate", '"draft": "q3vl-2l"')

    def log(self, rule: str) -> str:
        path = self.project.folder / "logs/smoke" / rule
        return path.read_text() if path.exists() else ""

    def answers(self, method: str, new: bool = False) -> list[str]:
        """The kept answers of the pair's method, each a line; `new`: of the alpha that is tried at the end."""
        for card in self.results.glob("cells/*.card.json"):
            told = json.loads(card.read_text())
            cell = told["job"]["cells"][method] if told["method"] == method else None
            if cell and told["job"]["draft"] == "q3vl-2l" and (cell["method"]["alpha"] == 0.45) is new:
                path = card.with_name(card.name.replace(".card.json", ".jsonl"))
                return path.read_text().splitlines() if path.exists() else []
        return []


@pytest.fixture(scope="module")
def lab(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    if lab.process.poll() is None:
        os.killpg(lab.process.pid, signal.SIGKILL)


def restarts(job: str | None) -> int:
    return int(slurm("squeue", "--noheader", f"--jobs={job}", "--Format=RestartCnt"))


def state(job: str | None) -> str:
    return slurm("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()


def engine_of(process: psutil.Process) -> psutil.Process | None:
    """Its first engine, forked off it; other children are programs that end by themselves."""
    with suppress(psutil.NoSuchProcess):
        for child in process.children():
            if child.cmdline() == process.cmdline() or "EngineCore" in " ".join(child.cmdline()):
                return child
    return None


MAIN = "generate/q3vl-deep-awq/q3vl-2l/main/all.log"


def test_a_preempted_job_goes_back_into_the_queue(lab: Lab) -> None:
    lab.start()
    wait_until(lambda: lab.running("generate"), 3 * MINUTE, "a job that answers")
    job = lab.running("generate")
    node = slurm("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    assert "OverSubscribe=NO" in slurm("scontrol", "show", "job", str(job))  # it times: nobody else on its node
    urgent = ("--partition=urgent", "--exclusive", f"--nodelist={node}", "--output=/dev/null")
    slurm("sbatch", *urgent, "--wrap=sleep 1")
    wait_until(lambda: restarts(job) == 1, MINUTE, "the preemption")


def test_a_training_warned_of_its_time_limit_goes_back_into_the_queue(lab: Lab) -> None:
    """Also one that is in a batch of minutes: here a process that is held still for as long as Slurm waits to kill."""
    training = f"train_sapo/{DRAFT}.log"
    wait_until(lambda: re.search(r" [1-9]/\d+ \[", lab.log(training)), 10 * MINUTE, "a training that trains")
    job = lab.running("train_sapo")
    process = lab.process_of("train-sapo", DRAFT)
    assert process
    process.suspend()
    slurm("scancel", "--signal=TERM", str(job))  # to the job's steps, as --signal does it ahead of the limit
    time.sleep(40)
    assert state(job) == "RUNNING"
    process.resume()
    wait_until(lambda: "told to stop; the checkpoint of step" in lab.log(training), MINUTE, "its checkpoint")
    assert list((lab.results / f"models/{DRAFT}.checkpoints").rglob("trainer_state.json"))
    wait_until(lambda: restarts(job) == 1, MINUTE, "the restart")
    wait_until(lambda: (lab.results / f"models/{DRAFT}/card.json").exists(), 5 * MINUTE, "the trained draft")


def test_a_job_told_to_stop_while_its_engines_load_goes_back_into_the_queue(lab: Lab) -> None:
    """However long they take: the first one is held still."""
    wait_until(lab.generating, 5 * MINUTE, "a job that answers")
    process, job = lab.generating(), lab.running("generate_wildcards_q3vl-deep-awq_q3vl-2l")
    assert process and "engines started" not in lab.log(MAIN)
    wait_until(lambda: engine_of(process), MINUTE, "an engine that starts")
    engine = engine_of(process)
    assert engine
    engine.suspend()
    before = restarts(job)
    slurm("scancel", "--signal=TERM", str(job))
    wait_until(lambda: restarts(job) == before + 1, MINUTE, "the restart")
    starts = re.findall(rf"^==== started .*, Slurm job {job}, restart (\d)$", lab.log(MAIN), re.M)
    assert starts == ["0"] and "told to stop; what is finished is kept" in lab.log(MAIN)


def test_a_job_whose_engine_was_killed_goes_back_into_the_queue(lab: Lab) -> None:
    wait_until(lambda: len(lab.answers("draft_only")) >= 10, 5 * MINUTE, "ten answers")
    before = lab.generating()
    assert before
    max(before.children(recursive=True), key=lambda child: child.memory_info().rss).kill()
    wait_until(lambda: not before.is_running(), MINUTE, "the job to notice")
    wait_until(lambda: len(lab.answers("specreason")) >= 5, 5 * MINUTE, "answers after a new start")
    assert len(lab.answers("draft_only")) == len(set(lab.answers("draft_only")))


def test_the_next_run_meets_a_job_that_outlived_snakemake(lab: Lab) -> None:
    """However fast it is: it is held still meanwhile."""
    orphan, process = lab.running("generate_wildcards_q3vl-deep-awq_q3vl-2l"), lab.generating()
    assert process
    process.suspend()
    lab.process.kill()
    lab.end()
    lab.project.succeed("--unlock", "--configfile", "config/smoke.yaml")
    lab.start()
    assert lab.end() != 0
    process.resume()
    assert f"is being written by Slurm job {orphan}, process" in lab.printed
    assert f"end it (scancel {orphan})" in lab.printed


def test_the_run_after_it_ends_with_the_page(lab: Lab) -> None:
    wait_until(lambda: not slurm("squeue", "--noheader"), 5 * MINUTE, "the end of the job that was left")
    lab.start()
    assert lab.end() == 0, lab.printed[-3000:]
    assert "train_sapo" not in " ".join(lab.submitted)
    assert (lab.results / "report/index.html").exists()


def test_answers_are_those_of_an_undisturbed_run_and_weights_but_for_rounding(lab: Lab, smoke: Path) -> None:
    assert other_models(lab.results, smoke) == []
    assert answers(lab.results) == answers(smoke)
    for path in lab.results.glob("cells/*.jsonl"):
        rows = [(row.mode, row.benchmark, row.question) for row in read_rows(path, Trace)]
        assert len(rows) == len(set(rows)), path
    assert not [*lab.results.rglob("*.lock"), *lab.results.rglob("*.writer")]


@pytest.mark.parametrize("table", ["accuracy", "versions", "harness", "clean", "contamination"])
def test_tables_without_times_are_the_same(lab: Lab, smoke: Path, table: str) -> None:
    found, wanted = (pd.read_csv(folder / f"tables/{table}.csv") for folder in (lab.results, smoke))
    pd.testing.assert_frame_equal(found, wanted)


def test_one_changed_alpha_submits_one_job_that_answers_one_cell(lab: Lab) -> None:
    before = {path.name: path.read_bytes() for path in lab.results.glob("cells/*.jsonl")}
    lab.project.edit("config/config.yaml", lambda text: text.replace("cpn, alpha: 0.5,", "cpn, alpha: 0.45,"))
    lab.start()
    wait_until(lambda: len(lab.answers("alpha_05", new=True)) >= 1, 3 * MINUTE, "answers")
    slurm("scancel", str(lab.running("generate")))
    assert lab.end() != 0
    assert lab.submitted == ["generate/q3vl-deep-awq_q3vl-2l_main_all"]
    after = {path.name: path.read_bytes() for path in lab.results.glob("cells/*.jsonl")}
    assert {name: after[name] for name in before} == before and len(after) == len(before) + 1


def test_damaged_weights_end_a_job_for_good_and_are_named(lab: Lab) -> None:
    """Neither Slurm nor Snakemake tries again what cannot succeed."""
    path = lab.results / "models/q3vl-deep-awq/model.safetensors"
    whole, stat = path.read_bytes(), path.stat()
    path.write_bytes(whole[:1000])
    lab.start()
    code = lab.end()
    path.write_bytes(whole)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert code != 0
    assert len(lab.submitted) == 1 and "goes back into the queue" not in lab.printed
    assert "model q3vl-deep-awq: model.safetensors has 1,000 bytes, its card.json says" in lab.printed
    told = lab.log(MAIN).rpartition(MARK)[2].splitlines()
    assert len(told) == 2  # of its start, and what the job itself has to say; the rest is Snakemake's, in Snakemake


def test_the_last_run_takes_up_what_the_cancelled_one_kept(lab: Lab) -> None:
    kept = lab.answers("alpha_05", new=True)
    lab.start()
    assert lab.end() == 0, lab.printed[-3000:]
    assert kept and lab.answers("alpha_05", new=True)[: len(kept)] == kept
