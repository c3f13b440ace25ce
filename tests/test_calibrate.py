"""The command that calibrates, on scripted engines: what it finds, what it does not answer, how it goes on, its use."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import scripted
from forks import Forked
from test_generate import METHODS, Bench, job

from dreamr.answering.questions import Asked, sampled, suite_questions
from dreamr.certificates import Certificate, read_certificate
from dreamr.config import Suite
from dreamr.errors import UserError
from dreamr.planning.jobs import Sample
from dreamr.prompts import question_prompt
from dreamr.provenance import spec_digest
from dreamr.records import Question, read_rows, write_rows
from dreamr.statistics.risk import risk_test
from dreamr.traces import Trace

PROBLEMS = 60
PROMISED = {"risk": 0.4, "confidence": 0.95, "problems": PROBLEMS}
CANDIDATES = (0.99, 0.95, 0.9, 0.7, 0.5)  # at .9 and above the scripted target rejects every step, at .7 a third


def asked_of_target(prompt: str) -> str:
    """What the scripted target answers: the answers of others are wrong."""
    question = Question(id="0", dataset="sums", prompt=prompt, images=(), gold=("1",), cluster="0")
    return spec_digest("big", question_prompt(question, "").user, 3)[:4]


class Calibrating(Bench):
    """A bench with problems in two versions, and the commands of a calibration."""

    def __init__(self, folder: Path, problems: int = 50) -> None:
        super().__init__(folder)
        for name in ("sums", "words"):
            asked = [(str(i), version, f"{name} {i} {version}?") for i in range(problems) for version in "ab"]
            rows = [
                Question(
                    id=f"{cluster}-{version}",
                    dataset=name,
                    prompt=prompt,
                    images=(),
                    gold=(asked_of_target(prompt),),
                    cluster=cluster,
                )
                for cluster, version, prompt in asked
            ]
            write_rows(self.folder / "data" / f"{name}.jsonl", rows)

    @classmethod
    def of(cls, answered: Path, folder: Path) -> "Calibrating":
        """A copy of another one."""
        made = cls.__new__(cls)
        made.folder, made.log, made.printed = Path(shutil.copytree(answered, folder)), folder / "log", ""
        return made

    def spec(self, **promised: Any) -> dict[str, Any]:
        promised = PROMISED | promised
        answers = job([], alone=0) | {"sample": {"problems": promised["problems"], "seed": 5}}
        methods = {f"certified_{alpha}": METHODS["dreamr"] | {"alpha": alpha} for alpha in CANDIDATES}
        answers["cells"] = {name: {"method": one, "digest": name} for name, one in methods.items()}
        return {"method": "certified", "drafter": "small.balanced.big", "guarantee": promised, "answers": answers}

    def reference(self) -> None:
        """The target's own answers."""
        spec = job(["target_only"], alone=0, draft="none") | {"sample": {"problems": PROBLEMS, "seed": 5}}
        assert len(self.run(spec)) == PROBLEMS

    def calibrate(self, spec: dict[str, Any], delay: float = 0.0) -> Forked:
        options = {name: name for name in ("models", "data", "cells")}
        options |= {"reference": "traces/all.jsonl", "out": "c.json"}
        words = [
            "--spec",
            json.dumps(spec),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]
        environment = dict(os.environ) | {"SCRIPTED_LOG": str(self.log), "SCRIPTED_COMMAND": "calibrate"}
        return Forked(scripted.forked, words, cwd=self.folder, env=environment | {"SCRIPTED_DELAY": str(delay)})

    def certificate(self, **promised: Any) -> Certificate:
        process = self.calibrate(self.spec(**promised))
        self.printed, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return read_certificate(self.folder / "c.json")

    def answered(self, alpha: float) -> int:
        """How many answers of a candidate are kept."""
        texts = [path.read_text() for path in self.folder.glob("cells/*.jsonl")]
        return sum(text.count("\n") for text in texts if f'"method":"certified_{alpha}"' in text)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bench with the target's own answers."""
    made = Calibrating(tmp_path_factory.mktemp("answered") / "bench")
    made.reference()
    return made.folder


@pytest.fixture
def bench(answered: Path, tmp_path: Path) -> Calibrating:
    return Calibrating.of(answered, tmp_path / "bench")


def test_the_least_strict_certified_threshold_is_used_and_none_behind_a_failure_is_answered(bench: Calibrating) -> None:
    found = bench.certificate()
    assert [(one.alpha, one.certified) for one in found.tested] == [
        *((alpha, True) for alpha in (0.99, 0.95, 0.9)),
        (0.7, False),
    ]
    assert found.alpha == 0.9 and bench.answered(0.5) == 0
    exact = risk_test([0] * PROBLEMS, 0.4, 0.05, PROBLEMS)
    strict, loose = found.tested[0], found.tested[-1]
    assert (strict.problems, strict.lost, strict.won, strict.loss) == (exact.problems, 0, 0, 0)
    assert strict.p == pytest.approx(exact.p) and strict.p <= 0.05
    assert exact.problems <= bench.answered(0.99) < PROBLEMS, "what a decided test does not need is not answered"
    assert loose.problems == PROBLEMS == bench.answered(0.7) and loose.lost > 0.4 * PROBLEMS and loose.won == 0
    assert loose.loss == pytest.approx(loose.lost / PROBLEMS) and loose.p > 0.05
    assert "alpha 0.9, loses less than 40 points" in bench.printed


def test_what_was_found_is_what_is_answered_with(bench: Calibrating) -> None:
    assert bench.certificate().alpha == 0.9
    assert generated(bench, "--calibrated", "c.json")[0] == 0
    assert texts(bench, "certified") == texts(bench, "strict") != texts(bench, "dreamr")


def test_where_nothing_is_certified_it_is_the_target_alone(bench: Calibrating) -> None:
    """Too few problems say nothing, whatever the candidates do."""
    found = bench.certificate(risk=0.01, problems=40)
    assert found.alpha is None and [(one.alpha, one.problems) for one in found.tested] == [(0.99, 40)]
    assert "no threshold is certified" in bench.printed and "it is the target alone" in bench.printed


def test_a_calibration_that_was_cut_off_goes_on_to_the_same_end(
    bench: Calibrating, answered: Path, tmp_path: Path
) -> None:
    process = bench.calibrate(bench.spec(), delay=0.01)
    while bench.answered(0.99) < 5:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and "told to stop" in errors and "answers are kept" in errors
    kept, requests = bench.answered(0.99), len(bench.requests())
    assert bench.certificate().alpha == 0.9
    whole = Calibrating.of(answered, tmp_path / "whole")
    before = len(whole.requests())
    whole.certificate()
    assert (bench.folder / "c.json").read_text() == (whole.folder / "c.json").read_text()
    assert kept >= 5 and len(bench.requests()) - requests < len(whole.requests()) - before


def test_another_risk_takes_up_the_answers_that_are_there(bench: Calibrating) -> None:
    """And starts no engine where they are enough."""
    bench.certificate()
    before = bench.requests()
    again = bench.certificate(confidence=0.9)
    assert again.alpha == 0.9 and bench.requests() == before
    assert bench.certificate(risk=0.9).alpha == 0.5 and bench.answered(0.5) > 0


CERTIFICATE = {
    **{"method": "certified", "target": "big", "draft": "small", "drafter": "small.balanced.big"},
    **{"replicate": 0, "risk": 0.03, "confidence": 0.95, "problems": 100, "tested": (), "models": {}},
}


def generated(bench: Bench, *options: str) -> tuple[int, str]:
    """Exit status and errors of `generate` with a method that is to be calibrated."""
    spec = job(["dreamr", "strict"], alone=0)
    method = METHODS["dreamr"] | {"alpha": {"risk": 0.03, "confidence": 0.95, "problems": 100}}
    spec["cells"]["certified"] = {"method": method, "digest": "cell-certified"}
    words = ["--spec", json.dumps(spec), "--out", "out.jsonl"]
    words += [part for name in ("models", "data", "cells") for part in (f"--{name}", name)]
    environment = dict(os.environ) | {"SCRIPTED_LOG": str(bench.log), "SCRIPTED_DELAY": "0"}
    process = Forked(scripted.forked, [*words, *options], cwd=bench.folder, env=environment)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def texts(bench: Bench, method: str) -> list[str]:
    return [row.text for row in read_rows(bench.folder / "out.jsonl", Trace) if row.method == method]


def digest(bench: Bench, method: str) -> str:
    return next(row.digest for row in read_rows(bench.folder / "out.jsonl", Trace) if row.method == method)


def test_answers_are_those_of_the_threshold_that_was_found(tmp_path: Path) -> None:
    bench, seen = Bench(tmp_path / "bench"), {}
    for alpha, same in ((0.7, "dreamr"), (0.9, "strict"), (None, "")):
        certificate = Certificate.model_validate(CERTIFICATE | {"alpha": alpha})
        (bench.folder / "found.json").write_text(certificate.model_dump_json())
        status, errors = generated(bench, "--calibrated", "found.json")
        assert status == 0, errors
        seen[alpha] = digest(bench, "certified")
        if same:
            assert texts(bench, "certified") == texts(bench, same)
    assert len({*seen.values()}) == 3
    rows = [row for row in read_rows(bench.folder / "out.jsonl", Trace) if row.method == "certified"]
    assert {step.writer for row in rows for step in row.steps} == {"target"} and not any(row.verified for row in rows)


def test_a_threshold_that_is_not_calibrated_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench")
    assert "'certified': its threshold is to be calibrated" in generated(bench)[1]
    (bench.folder / "found.json").write_text('{"method": "certified"}')
    assert "found.json: no certificate of a threshold" in generated(bench, "--calibrated", "found.json")[1]


# -- which problems


def questions(bench: Calibrating, **part: Any) -> list[list[Asked]]:
    suite = Suite.model_validate({"slices": [{"benchmark": name, **part} for name in ("sums", "words")], "alone": 0})
    return suite_questions(suite, bench.folder / "data")


def test_each_problem_is_asked_once_and_a_longer_test_begins_with_a_shorter_one(tmp_path: Path) -> None:
    slices = questions(Calibrating(tmp_path / "bench"))
    long, short = (sampled(slices, Sample(problems=size, seed=5)) for size in (100, 30))
    assert long[:30] == short and len({(one.benchmark, one.cluster) for one in long}) == 100
    assert {one.question[-1] for one in short} == {"a", "b"} and {one.benchmark for one in short} == {"sums", "words"}
    assert short != sampled(slices, Sample(problems=30, seed=6))
    with pytest.raises(UserError, match=r"hold 100 problems, and 101 are asked for"):
        sampled(slices, Sample(problems=101, seed=5))


def test_shares_that_do_not_meet_have_no_problem_in_common_and_all_together(tmp_path: Path) -> None:
    bench = Calibrating(tmp_path / "bench", problems=200)
    parts = [questions(bench, share=[low, high]) for low, high in ((0, 0.25), (0.25, 0.6), (0.6, 1))]
    clusters = [{(one.benchmark, one.cluster) for part in found for one in part} for found in parts]
    assert sum(map(len, clusters)) == len(clusters[0] | clusters[1] | clusters[2]) == 400
    assert sum(len(part) for found in parts for part in found) == 800, "a problem's versions lie together"
    assert [len(found) / 400 for found in clusters] == pytest.approx([0.25, 0.35, 0.4], abs=0.08)
    first, second = (questions(bench, share=[0, 0.25], shard=[i, 2])[0] for i in (1, 2))
    assert first and second and first + second == parts[0][0], "shards are of the share"
    with pytest.raises(UserError, match=r"shard 1 of 1 of share \[0.0, 1e-09\] holds none of its 400 questions"):
        questions(bench, share=[0, 1e-9])
