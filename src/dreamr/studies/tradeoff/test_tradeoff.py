"""The front by hand and by force, numbers that are those of other tables, and what a sweep varied."""

import pandas as pd
import pytest
from factories import config
from hypothesis import given
from hypothesis import strategies as st

from dreamr.config import Sweep
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL
from dreamr.studies.tradeoff.figures import lines
from dreamr.studies.tradeoff.figures import tradeoff as figure
from dreamr.studies.tradeoff.tables import on_front, tradeoff

CELL = ["target", "draft", "method"]
GRID = Sweep(of="dreamr", vary={"alpha": (0.5, 0.9), "window": (2, 4)})


def points(*both: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(both, columns=["accuracy_change", "speedup"])


def test_a_method_that_another_beats_in_both_is_behind_the_front() -> None:
    found = on_front(points((-0.02, 1.5), (-0.03, 1.4), (-0.05, 2.0), (-0.01, 0.9), (0.01, 0.8)))
    assert list(found) == [True, False, True, False, True]  # the fourth: slower and less accurate than the target


@given(st.lists(st.tuples(st.sampled_from([-0.2, -0.1, 0.0, 0.1]), st.sampled_from([0.5, 1.0, 1.5])), min_size=1))
def test_the_front_is_what_nothing_dominates(both: list[tuple[float, float]]) -> None:
    for own, kept in zip(both, on_front(points(*both)), strict=True):
        better = [other for other in [(0.0, 1.0), *both] if other[0] >= own[0] and other[1] >= own[1] and other != own]
        assert kept == (not better)


def test_its_numbers_are_those_of_accuracy_and_speed(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["tradeoff"]
    assert {*table.target} > {ALL} and not {"target_only"} & {*table.method}
    for column, name in (("accuracy_change", "accuracy"), ("speedup_low", "speed")):
        whole = tables[name][tables[name].benchmark == ALL][[*CELL, column]]
        own = table[~table.method.str.startswith("schedule_")] if name == "accuracy" else table
        both = own.merge(whole, on=CELL, suffixes=("", "_there"))
        assert len(both) == len(own) and list(both[column]) == pytest.approx(list(both[f"{column}_there"]))


def test_a_schedule_has_the_accuracy_of_the_text_that_it_writes(tables: dict[str, pd.DataFrame]) -> None:
    """Asked fewer questions it would have another one by chance, and its own text would beat it."""
    accuracy = tables["accuracy"].copy()
    accuracy.loc[accuracy.method == "schedule_pipelined", "accuracy_change"] -= 0.1
    table = tradeoff({**tables, "accuracy": accuracy}, SummariseJob.of(config())).set_index(["target", "draft"])
    own, other = (table[table.method == name].accuracy_change for name in ("dreamr", "schedule_pipelined"))
    assert len(other) and (other == own.loc[other.index]).all()


def test_what_dice_decide_has_no_accuracy_to_weigh(tables: dict[str, pd.DataFrame]) -> None:
    job = SummariseJob.of(config())
    dice = job.methods["specreason"].model_copy(update={"verifier": "bernoulli", "threshold": None, "acceptance": 0.5})
    found = tradeoff(tables, job.model_copy(update={"methods": {**job.methods, "specreason": dice}}))
    assert "specreason" in {*tradeoff(tables, job).method} and "specreason" not in {*found.method}


def test_methods_of_a_sweep_are_told_by_what_it_varied(tables: dict[str, pd.DataFrame]) -> None:
    job = SummariseJob.of(config()).model_copy(update={"sweeps": {"grid": GRID}})
    names = dict(zip(("dreamr", "dreamr_ns", "specreason", "lookahead"), GRID.grid("grid"), strict=True))
    swept = {name: tables[name].replace({"method": names}) for name in ("accuracy", "speed")}
    table = tradeoff(swept, job)
    found = table[table.sweep == "grid"]
    assert {*found.settings} == {f"alpha {alpha}, window {window}" for alpha in (0.5, 0.9) for window in (2, 4)}
    joined = [list(line.settings) for line in lines(found[found.target == ALL], job)]
    assert sorted(joined) == [[f"alpha {alpha}, window {window}" for alpha in (0.5, 0.9)] for window in (2, 4)]
    drawn = figure({"tradeoff": table}, job)
    assert drawn and {*drawn.data.method} >= {*names.values()}


def test_without_speed_there_is_nothing_to_show(tables: dict[str, pd.DataFrame]) -> None:
    job = SummariseJob.of(config())
    table = tradeoff({"accuracy": tables["accuracy"]}, job)
    assert table.empty and figure({"tradeoff": table}, job) is None
