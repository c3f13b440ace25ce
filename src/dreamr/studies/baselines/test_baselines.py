"""Tokens, steps and answers: who takes part, on which questions, and when answers are identical."""

from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import config
from sentences import said

from dreamr.config import NO_DRAFT, Method
from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.accuracy.tables import accuracy
from dreamr.studies.baselines.figures import baselines as figure
from dreamr.studies.baselines.tables import baseline_contrasts, baselines

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
# Names say nothing: what a method is, its loop declares.
NEW = {
    "first": Method(loop="draft_model", proposed_tokens=4),
    "second": Method(loop="cascade", verifier="cpn", alpha=0.7),
    "third": Method(loop="cascade", verifier="cpn", alpha=0.9, draft="balanced"),
}
SETTINGS = config().model_copy(update={"methods": config().methods | NEW})
JOB = SummariseJob.of(SETTINGS).model_copy(update={"pairs": ((*PAIR.values(),),)})
# The same with a method that has the settings of DREAM-R, and drafts of the other target.
EXCHANGED = JOB.model_copy(
    update={"methods": JOB.methods | {"elsewhere": JOB.methods["dreamr"]}, "exchanged": {"elsewhere": {}}}
)
SECONDS = {
    "dreamr": 0.5,
    "dreamr_ns": 0.7,
    "first": 0.8,
    "second": 0.9,
    "third": 0.95,
    "ngram": 1.0,
    "target_only": 1.0,
}


def answers(method: str, seed: int, questions: range, same: bool) -> Iterator[Score]:
    """An untimed and a timed answer to each; whole answers have one verdict, of which two in three accept."""
    rng, spec = np.random.default_rng(seed), JOB.methods[method]
    verified = {"step": 4, "answer": 1}.get(str(spec.declared.judges), 0)
    for n, mode in product(questions, ("alone", "batched")):
        base = 1 + n / 12
        yield Score(
            question=f"q{n}", benchmark="mmmu", target=PAIR["target"], method=method, mode=mode, cluster=f"q{n}",
            draft=PAIR["draft"] if spec.needs_draft else NO_DRAFT, version="", category="", origin="", parsed="A",
            correct=n % 4 > 0 or (n == 4 and spec.declared.judges is not None), unresolved=False, truncated=False,
            same_text=same if mode == "alone" else None, target_text=None, drafted=4, verified=verified,
            accepted=(verified + 1) // 2 if n % 3 else 0, tokens=30, draft_tokens=30, target_tokens=10,
            seconds=base * SECONDS[method] * float(rng.lognormal(0, 0.05)), baseline_seconds=base, draft_busy=0.1,
            target_busy=0.2, tokens_by_target=30, device="test",
        )  # fmt: skip


def frame(same: bool = True, **questions: range) -> pd.DataFrame:
    return score_frame(
        row
        for seed, name in enumerate(SECONDS)
        for row in answers(name, seed, questions.get(name, range(16)), same or name != "first")
    )


@cache
def whole() -> dict[str, pd.DataFrame]:
    rows = frame()
    return {"baselines": baselines(rows, JOB), "baseline_contrasts": baseline_contrasts(rows, JOB)}


def of_pair(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.benchmark == ALL)]


def test_methods_are_known_by_what_their_loops_declare() -> None:
    table = of_pair(whole()["baselines"]).set_index("method")
    assert table.level.to_dict() == {
        "first": "tokens", "ngram": "tokens", "second": "answers", "third": "answers", "dreamr": "steps",
        "dreamr_ns": "steps",
    }  # fmt: skip
    assert table.setting[["first", "second", "ngram"]].tolist() == ["k 4", "alpha 0.7", "k 5"]
    assert table.acceptance["second"] == pytest.approx(10 / 16) and np.isnan(table.acceptance["first"])


def test_the_target_s_own_texts_are_identical_answers_and_have_no_interval() -> None:
    table = of_pair(whole()["baselines"]).set_index("method")
    assert table.non_inferior[["first", "ngram"]].eq("identical").all()
    assert table.accuracy_change["first"] == 0 and np.isnan(table.accuracy_change_low["first"])
    assert table.non_inferior["second"] != "identical"


@pytest.mark.parametrize("method", ["second", "third"])
def test_a_handful_of_problems_that_differ_has_the_limits_of_the_table_of_accuracy(method: str) -> None:
    """One was won of 16."""
    own, usual = (
        of_pair(table).set_index("method").loc[method] for table in (whole()["baselines"], accuracy(frame(), JOB))
    )
    for name in ("accuracy", "accuracy_change"):
        cells = [name, f"{name}_low", f"{name}_high"]
        assert own[cells].tolist() == pytest.approx(usual[cells].tolist())
    assert own.accuracy_change_low < own.accuracy_change == 1 / 16 < own.accuracy_change_high
    assert own.non_inferior == usual.non_inferior == "undecided"


def test_a_text_that_is_another_makes_answers_comparable_and_no_more() -> None:
    table = of_pair(baselines(frame(same=False), JOB)).set_index("method")
    assert table.non_inferior["first"] != "identical" and table.non_inferior["ngram"] == "identical"


def test_untimed_answers_by_the_target_alone_are_identical_only_if_all_are_graded_alike() -> None:
    """Two jobs may round a tie otherwise: then the measured change stands. No text was held against the target's."""
    rows = frame()
    rows.loc[(rows.method == "first") & (rows["mode"] == "batched") & (rows.question == "q5"), "correct"] = 0.0
    table = of_pair(baselines(rows, JOB)).set_index("method")
    assert table.non_inferior["first"] != "identical" and table.accuracy_change["first"] == pytest.approx(-1 / 16)
    assert table.same_text["first"] == pytest.approx(31 / 32) and table.non_inferior["ngram"] == "identical"


def test_all_that_have_a_draft_are_told_of_the_same_questions() -> None:
    """One of them answered twelve; what takes no draft was timed by a job of its own."""
    rows = frame(second=range(12))
    table = of_pair(baselines(rows, JOB)).set_index("method")
    assert table.n.eq(12).all() and table.n_alone.drop("ngram").eq(12).all() and table.n_alone["ngram"] == 16
    own = rows[(rows.method == "dreamr") & (rows["mode"] == "alone") & rows.question.isin([f"q{n}" for n in range(12)])]
    assert table.speedup["dreamr"] == pytest.approx(own.baseline_seconds.sum() / own.seconds.sum())


def test_the_reference_and_the_method_with_the_same_draft_are_held_to_each() -> None:
    table = of_pair(whole()["baseline_contrasts"])
    assert {(row.method, row.other) for row in table.itertuples()} == {
        ("dreamr", "first"), ("dreamr_ns", "first"), ("dreamr", "second"), ("dreamr_ns", "second"),
        ("dreamr", "third"), ("dreamr", "ngram"), ("dreamr_ns", "ngram"),
    }  # fmt: skip
    table = table.set_index(["method", "other"])
    plain, trained = table.loc[("dreamr_ns", "second")], table.loc[("dreamr", "second")]
    assert plain.speed_ratio == pytest.approx(0.9 / 0.7, rel=0.05) and plain.speed_ratio_low > 1
    assert trained.over == "questions of one training" and np.isnan(trained.speed_ratio_low)
    assert np.isnan(table.speed_ratio["dreamr_ns", "ngram"]) and table.n_alone["dreamr_ns", "ngram"] == 0
    assert not {"acceptance_change", "tokens_ratio"} & {*table}


def test_the_section_begins_with_the_answer() -> None:
    text = said("studies/baselines/section.html.j2", SETTINGS, whole())
    speeds = of_pair(whole()["baselines"]).set_index("method").speedup
    assert f"DREAM-R answers {speeds['dreamr']:.2f} times as fast as the target alone" in text
    assert f"first (k 4), is {speeds['first']:.2f} times as fast" in text and "with identical answers." in text
    assert "The fastest that judges whole answers, second (alpha 0.7)" in text
    assert "where the target's stands in another job, that both were graded alike." in text


def test_the_fastest_cascade_is_held_to_the_reference_and_no_other_is_called_as_accurate() -> None:
    """Of a slower one two estimates stand beside each other, which is no test."""
    tables = whole()
    tests = of_pair(tables["baseline_contrasts"]).set_index(["method", "other"])
    one = "(one training, which says nothing of the next)"
    text = said("studies/baselines/section.html.j2", SETTINGS, tables)
    assert f"DREAM-R is {tests.speed_ratio['dreamr', 'second']:.2f} times as fast as second (alpha 0.7) {one}." in text
    table = tables["baselines"]
    less = table.accuracy_change.where(table.method != "second", -0.2)
    text = said(
        "studies/baselines/section.html.j2", SETTINGS, tables | {"baselines": table.assign(accuracy_change=less)}
    )
    assert "whose accuracy fell no more here than that of DREAM-R, third" in text and "as accurate" not in text


def test_the_figure_has_every_method() -> None:
    chart = figure(whole(), JOB)
    assert chart and {*chart.data.method} == {*SECONDS} - {"target_only"}


def test_the_figure_is_drawn_of_methods_without_a_setting() -> None:
    """An empty column is read from its file as numbers; an empty word among others is none."""
    table = whole()["baselines"]
    answers = table[table.level == "answers"]
    for settings in (np.nan, ["", *["alpha 0.9"] * (len(answers) - 1)]):
        chart = figure({"baselines": answers.assign(setting=settings)}, JOB)
        assert chart and {*chart.data.method} == {"second", "third"}


def test_without_tokens_of_a_draft_or_answers_there_is_nothing_to_show() -> None:
    job = JOB.model_copy(update={"methods": config().methods})
    rows = frame()
    rows = rows[~rows.method.isin(NEW)]
    tables = {"baselines": baselines(rows, job), "baseline_contrasts": baseline_contrasts(rows, job)}
    assert all(table.empty for table in tables.values()) and figure(tables, job) is None


def test_drafts_of_the_other_target_are_not_taken_for_the_method_s_own() -> None:
    pd.testing.assert_frame_equal(baselines(frame(), EXCHANGED), whole()["baselines"])
