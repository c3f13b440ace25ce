"""Interventions, worked by hand: a method, its target, and both with one setting changed, on the same questions."""

import pandas as pd
import pytest
from factories import scores, small

from dreamr.config import NO_DRAFT, Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, score_frame
from dreamr.statistics.interventions import Intervention, intervened
from dreamr.studies.contrasts.tables import contrasts
from dreamr.studies.interventions.tables import interventions

TARGET, DRAFT = "q3vl-deep-awq", "q3vl-2l"
DREAMR = small().methods["dreamr"]
METHODS = {
    "target_only": Method(loop="target_only"),
    "target_only_double": Method(loop="target_only", budget=2),
    "dreamr": DREAMR,
    "dreamr_double": DREAMR.model_copy(update={"budget": 2}),
    "dreamr_target_answers": DREAMR.model_copy(update={"answers": "target"}),
}
# Right answers of twelve questions, and how many of the wrong ones were cut.
RIGHT = {
    "target_only": 10,
    "target_only_double": 10,
    "dreamr": 7,
    "dreamr_double": 9,
    "dreamr_target_answers": 8,
}


def job() -> SummariseJob:
    usual = SummariseJob.of(small())
    main = tuple(name for name in usual.display.main if name in METHODS)
    return usual.model_copy(update={"methods": METHODS, "display": usual.display.model_copy(update={"main": main})})


def frame(methods: dict[str, int], targets: tuple[str, ...] = (TARGET,)) -> pd.DataFrame:
    one = scores(small())[0].model_copy(update={"benchmark": "mmmu", "refusal": None})
    cells = [(target, name, i) for target in targets for name in methods for i in range(12)]
    return score_frame(
        one.model_copy(
            update={"target": target, "draft": DRAFT if METHODS[name].needs_draft else NO_DRAFT, "method": name}
            | {"question": str(i), "cluster": str(i), "correct": i < methods[name], "truncated": i >= 11}
        )
        for target, name, i in cells
    )


def test_interventions_are_found_with_what_they_are_held_to() -> None:
    assert intervened(METHODS) == [
        Intervention("target_only_double", "target_only", "2 x budget", "target_only_double"),
        Intervention("dreamr_double", "dreamr", "2 x budget", "target_only_double"),
        Intervention("dreamr_target_answers", "dreamr", "target answers", "target_only"),
    ]
    assert intervened({name: METHODS[name] for name in ("target_only", "dreamr", "dreamr_double")}) == []
    assert intervened({name: METHODS[name] for name in ("target_only", "dreamr_target_answers")}) == []


@pytest.mark.parametrize("setting", [{"threads": 2}, {"own": {"quick": True}}, {"draft": "balanced"}])
def test_a_method_is_held_to_the_target_without_other_settings(setting: dict[str, object]) -> None:
    """In the usual configuration the target on two threads stands behind it."""
    more = METHODS | {"target_only_changed": METHODS["target_only"].model_copy(update=setting)}
    assert [one.target_alone for one in intervened(more)] == [one.target_alone for one in intervened(METHODS)]


def test_what_an_intervention_takes_from_the_distance() -> None:
    table = interventions(frame(RIGHT), job())
    table = table[(table.benchmark == ALL) & (table.target == TARGET) & (table.draft != ALL)].set_index("method")
    assert table.n.eq(12).all()
    double, forced, alone = (
        table.loc[name] for name in ("dreamr_double", "dreamr_target_answers", "target_only_double")
    )
    assert (double.without, double.kind) == ("dreamr", "2 x budget")
    found = double[["accuracy", "accuracy_without", "gap", "gap_without", "gap_change"]].tolist()
    assert found == pytest.approx([9 / 12, 7 / 12, -1 / 12, -3 / 12, 2 / 12])
    assert [forced.accuracy_change, forced.gap_change] == pytest.approx([1 / 12, 1 / 12])
    assert alone.accuracy_change == 0 and pd.isna(alone.gap_change)
    assert double.truncated == pytest.approx(1 / 12)


def test_a_pool_is_over_the_pairs_on_which_it_was_tried() -> None:
    """Twelve questions of two targets; the third target of the experiment has no part in it."""
    both = ("q3vl-deep-awq", "q3vl-moe-awq")
    table = interventions(frame(RIGHT, both), job())
    pool = table[(table.target == ALL) & (table.draft == ALL) & (table.benchmark == ALL)]
    assert pool.set_index("method").n.to_dict() == dict.fromkeys(METHODS.keys() - {"target_only", "dreamr"}, 24)


def test_interventions_are_a_family_of_contrasts() -> None:
    found = contrasts(frame(RIGHT), job())
    found = found[found.family == "intervention, each pair"].set_index("method")
    assert found.other.to_dict() == {one.method: one.without for one in intervened(METHODS)}
    changes = {"target_only_double": 0, "dreamr_double": 2 / 12, "dreamr_target_answers": 1 / 12}
    assert found.accuracy_change.to_dict() == pytest.approx(changes)


def test_without_interventions_there_is_an_empty_table() -> None:
    usual = job().model_copy(update={"methods": {name: METHODS[name] for name in ("target_only", "dreamr")}})
    table = interventions(frame(RIGHT), usual)
    assert table.empty and {"kind", "without", "gap_change_low"} <= {*table}
