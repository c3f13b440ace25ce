"""The map of accuracy that verdicts with set errors draw, and real verifiers on it."""

import math

import pandas as pd
import pytest
from factories import config
from sentences import said

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.studies.dose.tables import dose, placed

PAIR = {"target": "t", "draft": "d"}
NODES = {"n00": (0.0, 0.0), "n01": (0.0, 1.0), "n10": (1.0, 0.0), "n11": (1.0, 1.0)}
METHODS = {
    **{n: Method(loop="specreason", verifier="oracle", false_accept=a, false_reject=r) for n, (a, r) in NODES.items()},
    "real": Method(loop="specreason", verifier="score", threshold=7),
    "twin": Method(loop="fpsr", verifier="score", threshold=7, window=4, target_speculation="all", continues=True),
    "other": Method(loop="specreason", verifier="cpn", alpha=0.7, draft="balanced"),
}
JOB = SummariseJob.of(config()).model_copy(update={"methods": METHODS})


def answers(correct: dict[str, list[int]]) -> pd.DataFrame:
    """One answer a question and method; the target gets the even questions right."""
    rows = [
        PAIR | {"method": name, "benchmark": "mmmu", "item": f"mmmu/{i}", "cluster": i, "n": 1.0}
        | {"replicate": 0, "weight": 0.1}
        | {"correct": float(right), "target_correct": float(i % 2 == 0)}
        for name, column in correct.items()
        for i, right in enumerate(column)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def steps(false_accept: int, false_reject: int, method: str = "real") -> pd.DataFrame:
    """Eight wrong and eight right steps of eight questions, so many of them judged wrongly."""
    rows = [
        PAIR | {"method": method, "benchmark": "mmmu", "question": str(i), "cluster": i, "n": 1.0, "replicate": 0}
        | {"wrong": 1.0, "wrong_accepted": float(i < false_accept)}
        | {"right": 1.0, "right_rejected": float(i < false_reject)}
        for i in range(8)
    ]  # fmt: skip
    return pd.DataFrame(rows)


CORRECT = {
    "n00": [1] * 10,
    "n01": [1] * 8 + [0] * 2,
    "n10": [1] * 4 + [0] * 6,
    "n11": [1] * 2 + [0] * 8,
    "real": [0] * 2 + [1] * 5 + [0] * 3,
    "other": [1] * 10,
}


def test_a_real_verifier_is_compared_with_the_map_where_its_rates_put_it() -> None:
    """Rates of a quarter, both: 9/16, 3/16, 3/16 and 1/16 of the nodes."""
    table = dose(answers(CORRECT), steps(2, 2), JOB).set_index("method")
    real = table.loc["real"]
    assert (real.kind, real.false_accept, real.false_reject) == ("measured", 0.25, 0.25)
    assert real.predicted == pytest.approx((9 * 1.0 + 3 * 0.8 + 3 * 0.4 + 1 * 0.2) / 16)
    assert real.distance == pytest.approx(0.5 - real.predicted)
    assert real.distance_low < real.distance < real.distance_high
    assert real.faultless_change == pytest.approx(-0.5) and real.accuracy_change == pytest.approx(0.0)


def test_a_node_is_what_was_answered_there_and_predicts_nothing() -> None:
    table = dose(answers(CORRECT), steps(2, 1), JOB).set_index("method")
    assert table.accuracy[list(NODES)].tolist() == pytest.approx([1.0, 0.8, 0.4, 0.2])
    assert table.predicted[list(NODES)].isna().all() and set(table.kind[list(NODES)]) == {"set"}
    assert dict(zip(NODES, zip(table.set_false_accept, table.set_false_reject, strict=True), strict=False)) == NODES


def test_beyond_the_map_nothing_is_predicted() -> None:
    near = {name: METHODS[name].model_copy(update={"false_accept": 0.2}) for name in ("n10", "n11")}
    job = JOB.model_copy(update={"methods": METHODS | near})
    real = dose(answers(CORRECT), steps(2, 2), job).set_index("method").loc["real"]
    assert real.false_accept == 0.25 and math.isnan(real.predicted) and math.isnan(real.distance)


def test_a_map_with_a_hole_predicts_nothing_there() -> None:
    part = {name: column for name, column in CORRECT.items() if name != "n11"}
    real = dose(answers(part), steps(2, 1), JOB).set_index("method").loc["real"]
    assert math.isnan(real.predicted) and real.accuracy == 0.5


def test_only_questions_that_every_node_answered_count() -> None:
    rows = answers(CORRECT)
    rows = rows[(rows.method != "n11") | (rows["item"] != "mmmu/0")]
    assert set(dose(rows, steps(2, 1), JOB).n) == {9}


def test_placed_are_methods_with_the_same_draft_one_of_a_kind() -> None:
    assert placed(METHODS, ["n00"]) == ["real"]


def test_without_nodes_the_map_is_empty() -> None:
    table = dose(answers({"real": [1] * 10}), steps(2, 1), JOB)
    assert table.empty and "distance_low" in table


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-0.072, 0.073, "cannot be told from what its rates predict, nor from much else: the interval of its distance "
         "is wider than the margin of 3.0 points to either side. Excluded are distances beyond −7.2 and +7.3 points."),
        (-0.01, 0.02, "is as accurate as its two rates predict, to within 2.0 points: a greater distance is excluded."),
        (0.01, 0.09, "errors fall where less depends on them: +5.0 points [+1.0, +9.0]."),
        (-0.09, -0.01, "errors fall where more depends on them: −5.0 points [−9.0, −1.0]."),
        (math.nan, math.nan, "cannot be compared with the map: it lies outside, or too few answers differ."),
    ],
)  # fmt: skip
def test_a_distance_that_is_not_excluded_is_no_agreement(low: float, high: float, told: str) -> None:
    table = dose(answers(CORRECT), steps(2, 2), JOB)
    row = table.method == "real"
    table.loc[row, ["distance", "distance_low", "distance_high"]] = (low + high) / 2, low, high
    text = said("studies/dose/section.html.j2", config(), {"dose": table})
    assert told in text
    assert ("is as accurate as" in text) == ("as accurate as its two" in told)
