"""The change of acceptance in four addends: by hand, by any counts, and of invented answers before two judges."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from factories import (
    asked,
    config,
    says_right,
    scores,
    small,
    verified_traces,
    with_exchanged,
    with_interventions,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sentences import said
from test_plan import merged

from dreamr.planning.jobs import SummariseJob
from dreamr.planning.plan import Plan
from dreamr.statistics.comparisons import trained_twins
from dreamr.statistics.frame import ALL, score_frame, weights
from dreamr.statistics.interventions import intervened
from dreamr.statistics.step_frame import answers, verified_steps, weighed
from dreamr.studies.gaming.decomposition import ADDENDS, Side, addend, addends, column
from dreamr.studies.gaming.figures import gaming as drawn
from dreamr.studies.gaming.tables import gaming, judges

WHOLE = {"target": ALL, "draft": ALL}


def side(verified: object, accepted: object) -> Side:
    return Side(np.array(verified, dtype=float), np.array(accepted, dtype=float))


# --- by hand ---


def test_more_right_steps_and_indulgence_by_hand() -> None:
    """One kind. Of ten steps six are right and pass, one of four wrong ones does: .7. Then eight and one of two: .9.

    Correctness: .2 * (1 - .375). Wrong steps: .3 * (.5 - .25).
    """
    own, plain = side([[8], [2]], [[8], [1]]), side([[6], [4]], [[6], [1]])
    found = addends(own, plain)
    assert {name: pytest.approx(value) for name, value in found.items()} == {
        "correctness": 0.125, "composition": 0.0, "right_steps": 0.0, "wrong_steps": 0.075,
    }  # fmt: skip
    assert sum(found.values()) == pytest.approx(own.acceptance - plain.acceptance) == pytest.approx(0.2)


def test_other_kinds_of_wrong_steps_are_no_indulgence_by_hand() -> None:
    """Wrong reads pass by .8, wrong sums by .2. Half of each, then all are reads: .5 * (.8 - .5)."""
    own, plain = side([[5, 5], [10, 0]], [[5, 5], [8, 0]]), side([[5, 5], [5, 5]], [[5, 5], [4, 1]])
    found = addends(own, plain)
    assert found["composition"] == pytest.approx(0.15)
    assert [found[name] for name in ADDENDS if name != "composition"] == pytest.approx([0, 0, 0])


def test_right_steps_that_pass_more_often_are_told_apart_by_hand() -> None:
    found = addends(side([[10], [10]], [[9], [5]]), side([[10], [10]], [[7], [5]]))
    assert found["right_steps"] == pytest.approx(0.1) and found["wrong_steps"] == 0 == found["correctness"]


def test_a_draft_that_writes_no_wrong_step_gains_by_correctness_alone() -> None:
    found = addends(side([[10], [0]], [[10], [0]]), side([[6], [4]], [[6], [2]]))
    assert found["correctness"] == pytest.approx(0.4 * (1 - 0.5)) and found["wrong_steps"] == 0


# --- of any counts ---

COUNTS = st.tuples(arrays(int, (2, 4), elements=st.integers(0, 9)), arrays(float, (2, 4), elements=st.floats(0, 1)))


def made(counts: tuple[np.ndarray, np.ndarray]) -> Side:
    return side(counts[0], np.floor(counts[0] * counts[1]))


@given(COUNTS.map(made).filter(lambda one: one.total > 0), COUNTS.map(made).filter(lambda one: one.total > 0))
def test_the_addends_sum_to_the_change_whatever_is_counted(own: Side, other: Side) -> None:
    found, back = addends(own, other), addends(other, own)
    assert sum(found.values()) == pytest.approx(own.acceptance - other.acceptance, abs=1e-12)
    assert [found[name] for name in ADDENDS] == pytest.approx([-back[name] for name in ADDENDS], abs=1e-12)


def test_what_rounding_leaves_of_a_kind_is_no_kind() -> None:
    """Taken out of a sum, the only answer with a kind leaves 1e-17 of it, whose quotient would be a rate."""
    own, plain = side([[8, 1e-17], [2, 1]], [[8, -3e-17], [1, 1]]), side([[6, 2], [4, 1]], [[6, 1], [1, 1]])
    exact = side([[8, 0], [2, 1]], [[8, 0], [1, 1]])
    for name, value in addends(own, plain).items():
        assert value == pytest.approx(addends(exact, plain)[name], abs=1e-9), name


# --- of answers ---


@cache
def invented() -> tuple[pd.DataFrame, pd.DataFrame, SummariseJob]:
    settings = with_exchanged(small())
    rows, frame = verified_traces(settings), score_frame(scores(settings))
    steps = weighed(verified_steps(rows, asked(settings), says_right), frame)
    return steps, answers(rows, frame, says_right), SummariseJob.of(settings)


def line(table: pd.DataFrame, **wanted: str) -> pd.Series:
    (place,) = np.flatnonzero((table[[*wanted]] == pd.Series(wanted)).all(axis=1))
    return table.iloc[place]


def test_the_table_has_the_acceptance_of_both_drafts_and_its_addends_sum() -> None:
    steps, given, job = invented()
    table = gaming(steps, given, job)
    pair = {"target": "q3vl-moe-awq", "draft": "r4b-2l"}
    for method, name in (("dreamr", "accepted"), ("dreamr_ns", "accepted_plain")):
        own = steps[(steps.target == pair["target"]) & (steps.draft == pair["draft"]) & (steps.method == method)]
        assert line(table, **pair)[name] == pytest.approx(own.accepted.mean())
        assert line(table, **pair)[name.replace("accepted", "right")] == pytest.approx(own.right.mean())
    assert table[[*ADDENDS]].sum(axis=1).to_numpy() == pytest.approx(table.change.to_numpy(), abs=1e-12)
    assert table.change.to_numpy() == pytest.approx((table.accepted - table.accepted_plain).to_numpy())


def test_intervals_cross_questions_with_trainings_and_one_training_has_none() -> None:
    table = gaming(*invented())
    whole, pair = line(table, **WHOLE), table[(table.target != ALL) & (table.draft != ALL)]
    assert (
        whole.over == "questions and trainings" and whole.wrong_steps_low < whole.wrong_steps < whole.wrong_steps_high
    )
    assert (pair.over == "questions of one training").all() and pair.wrong_steps_low.isna().all()
    assert pair.wrong_steps.notna().all()


def test_what_stands_behind_a_wrong_step_is_a_kind_of_its_own() -> None:
    """Were all steps right so far, the addend of wrong steps would be another one."""
    steps, given, job = invented()
    apart, alike = (line(gaming(one, given, job), **WHOLE) for one in (steps, steps.assign(clean=True)))
    assert apart.change == pytest.approx(alike.change) and apart.wrong_steps != pytest.approx(alike.wrong_steps)


def test_the_same_drafts_before_two_judges_are_told_by_whom_they_were_trained_for() -> None:
    """A draft trained for the first target has its own rows there, and those of dreamr_exchanged at the second."""
    steps, given, job = invented()
    table, own = judges(steps, given, job), gaming(steps, given, job)
    here, there, draft = "q3vl-deep-awq", "q3vl-moe-awq", "q3vl-2l"
    row = line(table, target=here, draft=draft)
    assert row.wrong_steps == pytest.approx(line(own, target=here, draft=draft).wrong_steps)
    swapped = steps[(steps.target == there) & (steps.draft == draft)]
    assert row.accepted_exchanged == pytest.approx(swapped[swapped.method == "dreamr_exchanged"].accepted.mean())
    assert row.accepted_plain_exchanged == pytest.approx(swapped[swapped.method == "dreamr_ns"].accepted.mean())
    whole = line(table, **WHOLE)
    assert whole.wrong_steps_apart == pytest.approx(whole.wrong_steps - whole.wrong_steps_exchanged)
    assert whole.wrong_steps_apart_low < whole.wrong_steps_apart < whole.wrong_steps_apart_high


def test_a_pair_with_further_trainings_weighs_as_much_as_another_before_both_judges() -> None:
    """The other judge met the first training alone, as in ablations.yaml: what the others did is in no number here."""
    steps, given, job = invented()
    again = [trained_again(one, target="q3vl-deep-awq", draft="q3vl-2l", method="dreamr") for one in (steps, given)]
    given = again[1].assign(weight=weights(again[1]))
    table, usual = judges(again[0], given, job), judges(*invented())
    pd.testing.assert_frame_equal(table, usual)
    pairs = table[(table.target != ALL) & (table.draft != ALL)]
    for name in ("accepted", "accepted_exchanged"):  # three verified steps in each answer
        assert line(table, **WHOLE)[name] == pytest.approx(pairs[name].mean())


def with_third_target(rows: pd.DataFrame) -> pd.DataFrame:
    """One that answers as the second does."""
    return pd.concat([rows, rows[rows.target == "q3vl-moe-awq"].assign(target="third")], ignore_index=True)


def test_drafts_of_others_before_a_target_of_no_pair_are_left_out() -> None:
    steps, given, job = invented()
    found = judges(with_third_target(steps), with_third_target(given), job)
    pd.testing.assert_frame_equal(found, judges(steps, given, job))


def test_a_draft_before_two_other_judges_is_held_to_both_and_weighs_what_it_did() -> None:
    steps, given, job = invented()
    trained_for = job.exchanged["dreamr_exchanged"] | {"third": "q3vl-deep-awq"}
    three = job.model_copy(update={"exchanged": {"dreamr_exchanged": trained_for}})
    both, usual = judges(with_third_target(steps), with_third_target(given), three), judges(steps, given, job)
    first = both.target == "q3vl-deep-awq"
    assert (both.n[first] == 2 * usual.n[first]).all()
    for name in ("accepted", "accepted_exchanged", "wrong_steps_apart"):
        assert both[name].tolist() == pytest.approx(usual[name].tolist())


def trained_again(rows: pd.DataFrame, **cell: str) -> pd.DataFrame:
    """With a second training of a cell, of which the judge accepts nothing."""
    own = rows[(rows[[*cell]] == pd.Series(cell)).all(axis=1)]
    return pd.concat([rows, own.assign(replicate=1, accepted=0.0)], ignore_index=True)


def test_without_exchanged_drafts_or_without_a_plain_draft_there_is_no_row() -> None:
    steps, given, job = invented()
    usual = SummariseJob.of(small())
    assert judges(steps, given, usual).empty and not gaming(steps, given, usual).empty
    methods = {name: method for name, method in job.methods.items() if name != "dreamr_ns"}
    table = gaming(steps, given, job.model_copy(update={"methods": methods}))
    assert table.empty and "wrong_steps_low" in table


@pytest.mark.parametrize(
    ("methods", "rows"),
    [
        (("specreason",), (0, 0)),
        (("dreamr", "specreason"), (0, 0)),
        (("dreamr_ns", "dreamr_exchanged"), (0, 0)),
        (("dreamr_ns", "dreamr"), (7, 0)),
    ],
)
def test_of_what_was_not_verified_there_is_no_row(methods: tuple[str, ...], rows: tuple[int, int]) -> None:
    steps, given, job = invented()
    some = steps[steps.method.isin(methods)], given[given.method.isin(methods)]
    assert (len(gaming(*some, job)), len(judges(*some, job))) == rows


# --- what the plan knows of drafts that are exchanged ---


def test_exchanged_drafts_are_trained_once_and_are_those_of_the_other_target() -> None:
    deep = merged("config/ablations.yaml")
    without = deep.model_copy(update={"runs": {k: v for k, v in deep.runs.items() if not k.startswith("exchanged")}})
    plan, fewer = Plan(deep), Plan(without)
    assert plan.trainings == fewer.trainings and plan.models == fewer.models
    groups = [group for group in plan.groups if group.run.startswith("exchanged")]
    assert len(groups) == 8
    for group in groups:
        other = next(name for name in ("q3vl-deep-awq", "q3vl-moe-awq") if name != group.target)
        assert plan.drafts(group) == {"balanced": f"{group.draft}.balanced.{other}"}
        (cell,) = plan.generate(group).cells.values()
        main = next(one for one in plan.groups if one[1:3] == group[1:3] and one.run == "main")
        assert cell.digest != plan.cell(main, "dreamr").digest
    same = [one for one in fewer.groups if one.run == "main"]
    assert [fewer.generate(one) for one in same] == [plan.generate(one) for one in same]


def test_a_method_with_exchanged_drafts_stands_in_for_no_other_of_the_same_settings() -> None:
    job = SummariseJob.of(merged("config/ablations.yaml"))
    assert job.exchanged == {"dreamr_exchanged": {"q3vl-deep-awq": "q3vl-moe-awq", "q3vl-moe-awq": "q3vl-deep-awq"}}
    assert job.methods["dreamr_exchanged"] == job.methods["dreamr"] and "dreamr_exchanged" not in job.own
    doubled = SummariseJob.of(with_interventions(with_exchanged(config())))
    assert {one.without for one in intervened(doubled.own)} >= {"dreamr"}
    assert "dreamr_exchanged" not in trained_twins(job.own, job.reference)


def test_a_run_with_drafts_of_a_target_outside_of_the_main_ones_exchanges_none() -> None:
    """The control of quantization has the reference itself, on a target of its own."""
    assert SummariseJob.of(config()).exchanged == {}


# --- what the section says ---


Ends = tuple[float, float]


@cache
def pools() -> tuple[pd.DataFrame, pd.DataFrame]:
    own, both = (table(*invented()) for table in (gaming, judges))
    return own[own.target == ALL], both[both.target == ALL]


def told(correctness: Ends, wrong: Ends, apart: Ends | None = None) -> str:
    """What the section says where the intervals have these ends; without `apart` no draft was exchanged."""
    own, both = pools()
    own = own.assign(**cells("correctness", correctness), **cells("wrong_steps", wrong))
    both = both.assign(**cells("wrong_steps_apart", apart)) if apart else both.iloc[:0]
    tables = {"gaming": own, "judges": both}
    return said("studies/gaming/section.html.j2", with_exchanged(small()), tables, "gaming")


def cells(name: str, ends: Ends) -> dict[str, float]:
    return {name: sum(ends) / 2, f"{name}_low": ends[0], f"{name}_high": ends[1]}


@pytest.mark.parametrize(
    ("correctness", "wrong", "words"),
    [
        ((0.01, 0.03), (0.01, 0.03), "More right steps raise acceptance; gaming raises it: wrong steps"),
        ((0.01, 0.03), (-0.03, -0.01), "More right steps raise acceptance; there is no gaming"),
        ((0.01, 0.03), (-0.01, 0.03), "More right steps raise acceptance; whether gaming raises it is undecided."),
        ((-0.01, 0.03), (0.01, 0.03), "Whether right steps change acceptance is undecided; gaming raises it"),
        ((-0.03, -0.01), (0.01, 0.03), "Fewer right steps lower acceptance; gaming raises it"),
        ((0.01, 0.03), (np.nan, np.nan), "Too few trainings to say"),
    ],
)
def test_the_answer_follows_from_two_intervals(correctness: Ends, wrong: Ends, words: str) -> None:
    text = told(correctness, wrong)
    assert words in text and "judge of the training than" not in text


def test_what_raises_acceptance_is_no_part_of_a_gain_where_acceptance_falls() -> None:
    """By half a point in all, of which right steps add one; its own interval is undecided."""
    own = pools()[0].assign(
        **cells("change", (-0.02, 0.01)), **cells("correctness", (0.005, 0.015)), **cells("wrong_steps", (-0.03, -0.01))
    )
    tables = {"gaming": own, "judges": own.iloc[:0]}
    for template in ("section", "glance"):
        text = said(f"studies/gaming/{template}.html.j2", with_exchanged(small()), tables, "gaming")
        assert "More right steps raise acceptance; there is no gaming: wrong steps of a kind pass less often" in text
        assert "gain in acceptance" not in text and "part of the gain" not in text


def test_several_pairs_without_a_row_of_all_are_told_by_themselves() -> None:
    """No pair speaks for the others; of an only one all is said."""
    for count, answer in ((4, "Each pair is told by itself"), (1, "SAPO changes acceptance by")):
        tables = {name: table(*invented()) for name, table in (("gaming", gaming), ("judges", judges))}
        tables = {name: rows[(rows.target != ALL) & (rows.draft != ALL)][:count] for name, rows in tables.items()}
        text = said("studies/gaming/section.html.j2", with_exchanged(small()), tables, "gaming")
        assert answer in text and ("the judge of the training with the other" in text) == (count == 1)
        assert "before two judges, by the target" in text, "their table stays"
        assert "told by itself" in said("studies/gaming/glance.html.j2", small(), tables) or count == 1
        assert ("SAPO changes" in said("studies/gaming/first.html.j2", small(), tables)) == (count == 1)


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ((0.01, 0.03), "Wrong steps gain more before the judge of the training than before the other target"),
        ((-0.03, -0.01), "Wrong steps gain less before the judge of the training"),
        ((-0.01, 0.03), "Whether wrong steps gain more before the judge of the training than"),
    ],
)
def test_whose_judge_they_please_follows_from_the_contrast(apart: Ends, words: str) -> None:
    assert words in told((0.01, 0.03), (0.01, 0.03), apart)


@pytest.mark.parametrize(("own", "learnt"), [((0.01, 0.03), True), ((-0.03, -0.01), False), ((-0.01, 0.03), False)])
def test_a_draft_has_learnt_what_passes_only_where_wrong_steps_pass_more_often(own: Ends, learnt: bool) -> None:
    """Before the other judge they may pass less often by more."""
    table, both = pools()
    both = both.assign(**cells("wrong_steps", own), **cells("wrong_steps_apart", (0.01, 0.03)))
    text = said("studies/gaming/section.html.j2", with_exchanged(small()), {"gaming": table, "judges": both}, "gaming")
    assert "Wrong steps gain more before the judge of the training than before the other target" in text
    assert ("the draft has learnt what its own judge lets pass" in text) == learnt


def test_what_both_judges_let_pass_is_a_style() -> None:
    own, both = pools()
    gains = cells("wrong_steps", (0.01, 0.03)) | cells("wrong_steps_exchanged", (0.01, 0.03))
    tables = {"gaming": own, "judges": both.assign(**gains, **cells("wrong_steps_apart", (-0.01, 0.01)))}
    text = said("studies/gaming/section.html.j2", with_exchanged(small()), tables, "gaming")
    assert "Wrong steps gain before both judges" in text and "rather a style that both let pass" in text


def test_the_figure_has_main_pairs_with_their_pool_or_an_only_one() -> None:
    table, job = gaming(*invented()), invented()[2]
    single = table[(table.target != ALL) & (table.draft != ALL)]
    control = single.iloc[:1].assign(target="q3vl-deep")
    chart, one = drawn({"gaming": pd.concat([table, control])}, job), drawn({"gaming": single[:1]}, job)
    assert chart and len(chart.data) == len(single) + 1 and "q3vl-deep" not in {*chart.data.target}
    assert one and len(one.data) == 1
    assert drawn({"gaming": single}, job) is None is drawn({"gaming": control}, job)


def test_the_first_screen_says_what_the_change_is_made_of_if_the_table_is_there() -> None:
    whole = {"n": 320, "over": "questions and trainings", "trainings": 4}
    tables = {"gaming": pools()[0].assign(**whole, **cells("wrong_steps", (0.01, 0.03)))}
    words = "wrong ones of a kind that pass"
    assert f"{words} +2.0 [+1.0, +3.0]." in said("glance.lead.html.j2", small(), tables, "gaming")
    assert words not in said("glance.lead.html.j2", small(), {})


def test_the_quantity_is_the_addend_of_the_sums() -> None:
    names = [column(what, right, "read") for what in ("verified", "accepted") for right in (True, False)]
    sums = dict(zip(names, np.array([[8.0], [2.0], [8.0], [1.0]]), strict=True))
    sums |= {f"{name}_other": value for name, value in zip(names, np.array([[6.0], [4.0], [6.0], [1.0]]), strict=True)}
    assert addend("wrong_steps", ["read"])(sums) == pytest.approx([0.075])
