"""Speed at set acceptances, and with several steps to a verdict: who takes part, break-even, closed forms."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
from factories import ROOT, config
from sentences import said

from dreamr.config import Method
from dreamr.engines.virtual import Cost
from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.simulation.target_speculation import speedup
from dreamr.statistics.closed_forms import expected_speedup
from dreamr.statistics.frame import score_frame
from dreamr.statistics.intervals import holm
from dreamr.studies.speed_at_acceptance.figures import per_verdict as drawn_per_verdict
from dreamr.studies.speed_at_acceptance.figures import speed_at_acceptance
from dreamr.studies.speed_at_acceptance.tables import (
    crossing,
    dice,
    dice_break_even,
    dice_contrasts,
    per_verdict,
    told_from,
)

PUBLISHED = ROOT / "config" / "published.yaml"
PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
C, V = 0.15, 0.2
COSTS = pd.DataFrame([PAIR | {"benchmark": "all", "c": C, "v": V}])
LEVELS = {0: 0.0, 1: 0.5261, 2: 1.0}
FPSR = {"loop": "fpsr", "draft": "balanced", "window": 4, "target_speculation": "all", "continues": True}
REFERENCE = Method(**FPSR, verifier="cpn", alpha=0.7)
# Names say nothing: what a method is, it says by its settings.
ONE = {
    f"one{i}": Method(loop="specreason", draft="balanced", verifier="bernoulli", acceptance=a)
    for i, a in LEVELS.items()
}
ALL_AT_ONCE = {f"two{i}": Method(**FPSR, verifier="bernoulli", acceptance=a) for i, a in LEVELS.items()}
SEVERAL = {
    "three": REFERENCE.model_copy(update={"steps_per_verdict": 2}),
    "four": ALL_AT_ONCE["two1"].model_copy(update={"steps_per_verdict": 4}),
}
METHODS = config().methods | {"dreamr": REFERENCE} | ONE | ALL_AT_ONCE | SEVERAL
JOB = SummariseJob.of(config()).model_copy(update={"methods": METHODS, "pairs": ((*PAIR.values(),),)})
# The same with a method that has the settings of DREAM-R, and drafts of the other target.
EXCHANGED = JOB.model_copy(
    update={"methods": JOB.methods | {"elsewhere": JOB.methods["dreamr"]}, "exchanged": {"elsewhere": {}}}
)


def answers(method: str, seconds: float, accepted: int, seed: int) -> Iterator[Score]:
    """Twelve timed answers and as many untimed ones, four steps each, beside a target that takes a second or so."""
    rng = np.random.default_rng(seed)
    for number, mode in product(range(12), ("alone", "batched")):
        base = 1 + number / 12
        yield Score(
            question=f"q{number}", benchmark="mmmu", **PAIR, method=method, mode=mode, cluster=f"q{number}",
            version="", category="", origin="", parsed="A", correct=number % 3 > 0, unresolved=False, truncated=False,
            same_text=True if mode == "alone" else None, drafted=4, verified=4,
            accepted=min(4, max(0, accepted + (number % 3 - 1 if 0 < accepted < 4 else 0))), tokens=30, draft_tokens=30,
            target_tokens=10, seconds=base * seconds * float(rng.lognormal(0, 0.05)), baseline_seconds=base,
            draft_busy=0.1, target_busy=0.2, tokens_by_target=30, device="test",
        )  # fmt: skip


SECONDS = {"dreamr": 0.6, "one0": 1.4, "one1": 0.8, "one2": 0.4, "two0": 0.9, "two1": 0.6, "two2": 0.3}
SECONDS |= {"three": 0.5, "four": 0.55}
ACCEPTED = {"0": 0, "1": 2, "2": 4}


def frame(*left_out: str) -> pd.DataFrame:
    found = score_frame(
        row
        for seed, (name, seconds) in enumerate(SECONDS.items())
        if name not in left_out
        for row in answers(name, seconds, ACCEPTED.get(name[-1], 3), seed)
    )
    return found.assign(target_refused=0.0, target_correct=1.0, target_tokens_alone=30.0, untimed=0.0)


def written(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    found = {"pairs": COSTS}
    found["dice"] = dice(rows, PUBLISHED, found, JOB)
    found["dice_break_even"] = dice_break_even(found, JOB)
    found["dice_contrasts"] = dice_contrasts(rows, JOB)
    return found | {"per_verdict": per_verdict(rows, found, JOB)}


@cache
def whole() -> dict[str, pd.DataFrame]:
    return written(frame())


def of_pair(name: str, key: str) -> pd.DataFrame:
    """A table's rows of the pair, by one of its columns."""
    table = whole()[name]
    return table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"])].set_index(key)


def test_methods_are_known_by_their_dice_and_not_by_their_names() -> None:
    table = of_pair("dice", "method")
    assert {*table.index} == {*ONE, *ALL_AT_ONCE}
    assert table.schedule.to_dict() == dict.fromkeys(ONE, "sequential") | dict.fromkeys(ALL_AT_ONCE, "fully parallel")
    assert [table.set_acceptance["one1"], table.acceptance["one1"]] == pytest.approx([0.5261, 0.5])
    assert table.published.to_dict() == {name: name.endswith("1") for name in table.index}
    assert table.expected["one1"] == pytest.approx(1 / (C + V + 0.5))
    assert table.expected["two1"] == pytest.approx(1 / (0.5 * C + 0.5))


def test_speeds_are_of_questions_that_all_of_a_pair_have() -> None:
    rows = frame()
    rows = rows[(rows.method != "two2") | rows.question.isin([f"q{n}" for n in range(7)])]
    table = written(rows)["dice"]
    assert table.n.eq(7).all()
    own = rows[(rows.method == "one1") & (rows["mode"] == "alone") & rows.question.isin([f"q{n}" for n in range(7)])]
    found = table[(table.method == "one1") & (table.draft == PAIR["draft"])].speedup.item()
    assert found == pytest.approx(own.baseline_seconds.sum() / own.seconds.sum())


@pytest.mark.parametrize(
    ("speedups", "expected"),
    [((0.5, 2.0), 2 / 3), ((2.0, 0.5, 2.0), 5 / 6), ((1.2, 1.5), 0.0), ((0.5, 0.9), inf), ((1.0, 2.0), 0.0)],
)
def test_break_even_lies_where_time_is_that_of_the_target(speedups: tuple[float, ...], expected: float) -> None:
    """Times fall from 2 to .5 along a line: 1 at two thirds of it. Only what stays above 1 counts."""
    assert crossing(np.linspace(0, 1, len(speedups)).tolist(), speedups) == pytest.approx(expected)


def test_an_unknown_speed_leaves_break_even_unknown() -> None:
    assert isnan(crossing([0, 1], [0.5, nan]))


def test_break_even_is_found_with_the_closed_form_beside_it() -> None:
    table = of_pair("dice_break_even", "schedule")
    row = table.loc["sequential"]
    assert 0 < row.break_even_low < row.break_even < row.break_even_high < 0.5
    assert row.expected == pytest.approx(C + V, abs=1e-3)
    assert table.break_even["fully parallel"] == 0 and table.expected["fully parallel"] == 0
    assert table.break_even_told["fully parallel"] == "at every acceptance that was set"
    assert table.expected_told["fully parallel"] == "at every acceptance", "the closed form knows them all"


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((0.4, 0.3, 0.5), "40 % [30 %, 50 %]"),
        ((0.4, 0.0, inf), "40 % [at every acceptance, at none]"),
        ((inf, nan, nan), "at none"),
        ((nan, nan, nan), ""),
    ],
)
def test_an_acceptance_in_words(ends: tuple[float, float, float], told: str) -> None:
    assert told_from(*ends) == told
    of_set = told.replace("every acceptance", "every acceptance that was set").replace("none", "none that was set")
    assert told_from(*ends, of=" that was set") == of_set


def test_the_reference_s_schedule_is_held_to_others_at_the_same_acceptance() -> None:
    table = of_pair("dice_contrasts", "other")
    assert table.method.to_dict() == {f"one{i}": f"two{i}" for i in LEVELS}
    assert table.set_acceptance["one1"] == 0.5261 and {*table.against} == {"sequential"}
    assert table.speed_ratio["one0"] == pytest.approx(1.4 / 0.9, rel=0.05)
    assert (table.speed_ratio_low > 1).all() and (table.speed_ratio_p_holm < 0.01).all()


def test_several_steps_are_held_to_one_and_dice_tell_no_accuracy() -> None:
    table = of_pair("per_verdict", "method")
    assert table.base.to_dict() == {"dreamr": "dreamr", "three": "dreamr", "two1": "two1", "four": "two1"}
    assert table.steps.to_dict() == {"dreamr": 1, "three": 2, "two1": 1, "four": 4}
    assert table.accuracy["three"] == pytest.approx(8 / 12) and isnan(table.accuracy["four"])
    assert table.speed_ratio["three"] == pytest.approx(0.6 / 0.5, rel=0.05) and isnan(table.speed_ratio["dreamr"])
    assert table.accuracy_change["three"] == 0 and isnan(table.accuracy_change["four"])


def test_p_is_corrected_over_all_bases_of_the_table() -> None:
    """Two of them, each with one method of several steps."""
    table = of_pair("per_verdict", "method").loc[["three", "four"]]
    assert table.speed_ratio_p_holm.tolist() == pytest.approx(holm(table.speed_ratio_p))
    assert (table.speed_ratio_p_holm > table.speed_ratio_p).any()


def test_sizes_of_contrasts_are_of_timed_answers_alone() -> None:
    """Those of eight questions; twelve were answered untimed."""
    rows = frame()
    rows = rows[(rows["mode"] == "batched") | rows.question.isin([f"q{n}" for n in range(8)])]
    table = dice_contrasts(rows, JOB)
    assert table.n.eq(8).all() and "clusters" not in table


@pytest.mark.parametrize("acceptance", [0.5, 0.8])
def test_the_closed_form_of_a_sequential_method_is_what_the_virtual_clock_shows(acceptance: float) -> None:
    method = Method(loop="specreason", verifier="cpn", alpha=0.5)
    found = speedup(method, acceptance, Cost(decode=0.5, verdict=V), Cost(decode=C / 2), steps=120)
    assert found == pytest.approx(expected_speedup(method, acceptance, C, V), rel=0.02)


@pytest.mark.parametrize("method", [ONE["one1"], ALL_AT_ONCE["two1"]])
def test_steps_that_share_a_verdict_share_its_cost(method: Method) -> None:
    several = method.model_copy(update={"steps_per_verdict": 4})
    assert expected_speedup(several, 0.5, C, 2.0) == expected_speedup(method, 0.5, C, 0.5)


def test_a_loop_without_a_closed_form_has_none() -> None:
    assert isnan(expected_speedup(Method(loop="draft_only"), 0.5, C, V))


LOOKAHEAD = Method(loop="lookahead", verifier="align", alpha=0.5, window=4, continues=True)


@pytest.mark.parametrize("method", [ONE["one1"], ALL_AT_ONCE["two1"], LOOKAHEAD])
@pytest.mark.parametrize("acceptance", [0.0, 0.5, 1.0])
def test_an_unknown_cost_leaves_the_closed_form_unknown(method: Method, acceptance: float) -> None:
    """A closed form of lookahead has free verdicts, so that their cost may be unknown."""
    assert isnan(expected_speedup(method, acceptance, nan, V)) and isnan(expected_speedup(method, nan, C, V))
    assert isnan(expected_speedup(method, acceptance, C, nan)) == (method != LOOKAHEAD)


def test_dice_about_whole_answers_are_no_sequential_schedule() -> None:
    cascade = Method(loop="cascade", draft="balanced", verifier="bernoulli", acceptance=0.5)
    job = JOB.model_copy(update={"methods": JOB.methods | {"one1": cascade}})
    assert {*dice(frame(), PUBLISHED, {}, job).method} == {*ONE, *ALL_AT_ONCE} - {"one1"}


def test_the_section_begins_with_the_answer() -> None:
    tables = whole()
    settings = config().model_copy(update={"methods": config().methods | METHODS})
    text = said("studies/speed_at_acceptance/section.html.j2", settings, tables)
    first = of_pair("dice", "method").speedup
    assert f"at the paper's acceptance of 52.61 % fully parallel is {first['two1']:.2f} times as fast" in text
    assert "Sequential is faster from an acceptance of" in text
    assert "Fully parallel is faster than the target alone at every acceptance that was set" in text
    several = said("studies/speed_at_acceptance/per_verdict.html.j2", settings, tables)
    assert "DREAM-R with 2 steps to a verdict is" in several and "What this cannot say" in several


def per_verdict_told(table: pd.DataFrame) -> str:
    settings = config().model_copy(update={"methods": config().methods | METHODS})
    text = said("studies/speed_at_acceptance/per_verdict.html.j2", settings, {"per_verdict": table})
    return text.partition("So many steps are drafted")[0]


def test_a_pool_of_the_method_with_one_step_alone_says_nothing() -> None:
    """Two steps on one pair, four on another: neither is of all pairs."""
    table = whole()["per_verdict"]
    pool = table[(table.target == "all") & (table.draft == "all") & (table.steps == 1)]
    single = table[table.draft == PAIR["draft"]]
    text = per_verdict_told(pd.concat([pool, single[single.target != "all"]]))
    assert len(pool) == 2 and "all pairs" not in text and "DREAM-R with 2 steps to a verdict is" in text


def test_what_was_not_timed_has_no_speed_but_an_acceptance() -> None:
    """Of several that were timed in part, the one with the most steps is told."""
    table = whole()["per_verdict"]
    single = table[(table.draft == PAIR["draft"]) & (table.target != "all")]
    untimed = single.assign(**dict.fromkeys(("speed_ratio", "speed_ratio_low", "speed_ratio_high"), nan))
    text = per_verdict_told(untimed)
    assert "DREAM-R with 2 steps to a verdict was not timed on the same questions as with one; its acceptance" in text
    assert "– times" not in text
    more = untimed[untimed.method == "three"].assign(method="five", steps=5)
    assert "DREAM-R with 2 steps to a verdict is" in per_verdict_told(pd.concat([single, more]))


def test_figures_show_what_the_tables_say() -> None:
    tables = whole()
    chart, several = speed_at_acceptance(tables, JOB), drawn_per_verdict(tables, JOB)
    assert chart and len(chart.data) == 6
    assert several and len(several.data) == 4


def test_without_such_methods_there_is_nothing_to_show() -> None:
    tables = written(frame(*ONE, *ALL_AT_ONCE, *SEVERAL))
    assert all(tables[name].empty for name in ("dice", "dice_break_even", "dice_contrasts", "per_verdict"))
    assert speed_at_acceptance(tables, JOB) is None and drawn_per_verdict(tables, JOB) is None


def test_drafts_of_the_other_target_are_not_taken_for_the_method_s_own() -> None:
    pd.testing.assert_frame_equal(per_verdict(frame(), whole(), EXCHANGED), whole()["per_verdict"])
