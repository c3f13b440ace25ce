"""Exposure: which answers count, the difference in differences by hand, and how often its interval holds the truth."""

from math import isnan, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories import config, scores
from hypothesis import given, settings
from hypothesis import strategies as st
from sentences import said

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, NO_AUDIT, score_frame
from dreamr.statistics.intervals import Bootstrap, cluster_sums
from dreamr.studies.contamination.tables import CHANGE, _detectable, _effect, clean, contamination, exposure, weighted

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
JOB = SummariseJob.of(config())
LEAST = 6  # clusters of an interval


def frame(overlapping: int, replicates: tuple[int, ...] = (0,)) -> pd.DataFrame:
    """Answers of the first pair by draft_only and its trained twin, half of them right.

    The first RealWorldQA questions overlap. MMMU's and RealWorldQA's questions are problems of their own, 20 each.
    """
    rng, kept = np.random.default_rng(3), ("mmmu", "realworldqa")
    rows = [
        row.model_copy(update={"correct": bool(rng.random() < 0.5)})
        for row in scores(config())
        if (row.target, row.draft) == tuple(PAIR.values())
        and row.method in ("draft_only", "draft_only_sapo")
        and row.mode == "batched"
        and row.benchmark in kept
    ]
    again = [
        row.model_copy(update={"replicate": replicate, "correct": not row.correct})
        for replicate in replicates[1:]
        for row in rows
        if row.method == "draft_only_sapo"
    ]
    places = [("realworldqa", f"q{k}") for k in range(overlapping)]
    overlaps = pd.DataFrame([{"benchmark": name, "question": one, "cluster": one} for name, one in places])
    return score_frame(rows + again, overlaps if overlapping else NO_AUDIT["overlaps"])


def drew(number: int, replicate: int = 0, recipe: str = "balanced") -> pd.DataFrame:
    rows = [
        {"recipe": recipe, "replicate": replicate, "benchmark": "realworldqa", "question": f"q{k}"}
        for k in range(number)
    ]
    return pd.DataFrame(rows, columns=["recipe", "replicate", "benchmark", "question"])


def changes(rows: pd.DataFrame, replicate: int = 0) -> pd.Series:
    """By question, what training changed."""
    after = rows[(rows.method == "draft_only_sapo") & (rows.replicate == replicate)].set_index("item").correct
    return after - rows[rows.method == "draft_only"].set_index("item").correct


def test_the_effect_is_a_difference_of_two_differences() -> None:
    """Ten overlap, eight were drawn: two are in neither group, and MMMU, where none was drawn, is no part of it."""
    rows = frame(10)
    (found,) = exposure(rows, drew(8), JOB).to_dict("records")
    change = changes(rows)
    here = change[[f"realworldqa/q{k}" for k in range(8)]].mean()
    there = change[[f"realworldqa/q{k}" for k in range(10, 20)]].mean()
    assert (found["exposed"], found["exposed_clusters"], found["clean"], found["clean_clusters"]) == (8, 8, 10, 10)
    assert found["change_exposed"] == pytest.approx(here) and found["change_clean"] == pytest.approx(there)
    assert found["effect"] == pytest.approx(here - there)
    assert found["accuracy_clean"] - found["other_clean"] == pytest.approx(there)
    assert found["why"] == "" and found["effect_low"] < found["effect"] < found["effect_high"]
    assert found["detectable"] > 0


@pytest.mark.parametrize(
    ("drawn", "why"),
    [(0, "no benchmark question was drawn"), (LEAST - 1, f"exposed problems: {LEAST - 1}; an interval takes {LEAST}")],
)
def test_too_little_exposure_is_an_empty_cell_with_words(drawn: int, why: str) -> None:
    (found,) = exposure(frame(10), drew(drawn), JOB).to_dict("records")
    assert found["why"] == why and found["exposed"] == drawn
    assert all(isnan(found[name]) for name in ("effect", "effect_low", "detectable"))


def test_each_training_has_its_own_exposure_and_all_of_them_a_row() -> None:
    rows = frame(12, replicates=(0, 1))
    table = exposure(rows, pd.concat([drew(6), drew(12, replicate=1), drew(12, recipe="other")]), JOB)
    assert list(table.replicate) == [ALL, 0, 1] and list(table.exposed) == [18, 6, 12]
    whole = table.iloc[0]
    firsts, seconds = changes(rows, 0), changes(rows, 1)
    exposed = [firsts[f"realworldqa/q{k}"] for k in range(6)] + [seconds[f"realworldqa/q{k}"] for k in range(12)]
    clean = [firsts[f"realworldqa/q{k}"] * 6 for k in range(12, 20)]
    clean += [seconds[f"realworldqa/q{k}"] * 12 for k in range(12, 20)]
    assert whole.effect == pytest.approx(np.mean(exposed) - sum(clean) / (8 * 18))
    assert whole.exposed_clusters == 12 and whole.clean_clusters == 8


def test_one_version_exposes_its_whole_problem() -> None:
    rows = [row for row in scores(config()) if (row.target, row.draft) == tuple(PAIR.values())]
    place = {"benchmark": "mathverse", "question": "q0", "cluster": "p0"}
    drawn = pd.DataFrame([{"recipe": "balanced", "replicate": 0, **place}])
    table = exposure(score_frame(rows, pd.DataFrame([place])), drawn, JOB)
    found = table[table.method == "dreamr"].iloc[0]
    assert (found.exposed, found.exposed_clusters, found.clean, found.clean_clusters) == (5, 1, 15, 3)


def test_a_control_stands_against_the_usual_draft_as_well_and_what_both_drew_is_left_out() -> None:
    """As a control serves the recipe length_heavy; balanced drew the first two of its eight."""
    job = JOB.model_copy(update={"planted": ("length_heavy",)})
    rows = [
        row
        for row in scores(config())
        if (row.target, row.draft) == tuple(PAIR.values())
        and row.method in ("dreamr_ns", "dreamr", "length_heavy")
        and row.benchmark == "realworldqa"
    ]
    places = pd.DataFrame([{"benchmark": "realworldqa", "question": f"q{k}", "cluster": f"q{k}"} for k in range(8)])
    table = exposure(score_frame(rows, places), pd.concat([drew(2), drew(8, recipe="length_heavy")]), job)
    control = table[table.method == "length_heavy"].set_index("against")
    assert dict(control.exposed) == {"dreamr_ns": 8, "dreamr": 6} and set(control.clean) == {12}
    right = pd.DataFrame([(row.method, row.question, row.correct) for row in rows if row.mode == "batched"])
    right = right.pivot(index=1, columns=0, values=2).astype(float)
    change = (right.length_heavy - right.dreamr)[[f"q{k}" for k in range(2, 8)]].mean()
    assert control.change_exposed["dreamr"] == pytest.approx(change)
    assert set(table[table.method == "dreamr"].against) == {"dreamr_ns"}, "only a control has a second comparison"


cells = st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.sampled_from(["exposed", "clean"]))


@settings(max_examples=25)
@given(st.lists(cells, min_size=1, max_size=30))
def test_clean_answers_weigh_as_much_as_exposed_ones(rows: list[tuple[str, int, str]]) -> None:
    table = pd.DataFrame(rows, columns=["benchmark", "replicate", "group"]).assign(
        target="t", draft="d", method="m", against="o"
    )
    for _, part in weighted(table).groupby(["benchmark", "replicate"]):
        by_group = part.groupby("group").weight.sum()
        both = part.group.nunique() == 2
        assert by_group.get("exposed", 0) == pytest.approx((part.group == "exposed").sum() if both else 0)
        assert by_group.get("clean", 0) == pytest.approx(by_group.get("exposed", 0))


def simulated(rng: np.random.Generator, clusters: int, gain: float) -> dict[str, Any]:
    """Cluster sums of problems of one to five questions; training mends wrong answers, and more so with a gain."""
    sizes = rng.choice([1, 4, 5], size=clusters)
    hard = np.repeat(rng.beta(2, 1, clusters), sizes)
    plain = rng.random(sizes.sum()) < hard
    mended = rng.random(sizes.sum()) < np.repeat(rng.beta(1, 3, clusters), sizes) + gain
    correct = np.where(plain, rng.random(sizes.sum()) > 0.1, mended)
    ones = np.ones(sizes.sum())
    columns = {"correct": correct.astype(float), "other": plain.astype(float), "weight": ones, "n": ones}
    return cluster_sums(columns, np.repeat(np.arange(clusters), sizes).tolist())  # type: ignore[arg-type]


def coverage(exposed: int, clean: int, repeats: int, seed: int) -> float:
    """Share of the intervals that hold the true effect, which many problems tell."""
    rng = np.random.default_rng(seed)
    bootstrap = Bootstrap(400, 0.95, 0)
    whole = [{name: column.sum() for name, column in simulated(rng, 200_000, gain).items()} for gain in (0.3, 0.0)]
    truth = float(CHANGE(whole[0]) - CHANGE(whole[1]))
    found = [_effect(simulated(rng, exposed, 0.3), simulated(rng, clean, 0.0), bootstrap) for _ in range(repeats)]
    known = [one for one in found if not isnan(one.low)]
    assert len(known) > repeats / 2
    return sum(one.low <= truth <= one.high for one in known) / len(known)


@pytest.mark.parametrize(("exposed", "clean"), [(8, 60), (21, 120)])
def test_intervals_of_the_effect_hold_the_truth(exposed: int, clean: int) -> None:
    """Nominal .95; 500 repeats have a standard error of .01."""
    assert 0.92 <= coverage(exposed, clean, 500, seed=exposed) <= 0.99


def test_the_detectable_effect_is_about_three_standard_errors() -> None:
    """At a power of .8 and a level of .05, 2.80 of them (1.96 + .84), a little more with few problems."""
    rng = np.random.default_rng(1)
    groups = {}
    for name, size in (("exposed", 40), ("clean", 200)):
        ones, correct = np.ones(size), rng.integers(0, 2, size).astype(float)
        groups[name] = {"correct": correct, "other": np.zeros(size), "weight": ones, "n": ones}
    error = sqrt(sum(sums["correct"].var(ddof=1) / len(sums["n"]) for sums in groups.values()))
    assert 2.8 * error < _detectable(groups, Bootstrap(400, 0.95, 0)) < 2.95 * error


def test_planted_found_missed_and_drawn_are_counted() -> None:
    rows = frame(0)
    place = {"benchmark": "realworldqa", "training_set": "ocr_vqa"}
    overlaps = [place | {"question": f"q{k}", "by_image": k < 3, "by_text": False, "by_source": True} for k in range(4)]
    audited = {
        "overlaps": pd.DataFrame([*overlaps, overlaps[0]]),
        "planted": pd.DataFrame([place | {"question": f"q{k}"} for k in (0, 1, 9)]),
        "exposures": drew(2).assign(training_set="ocr_vqa"),
    }
    (found,) = contamination(audited, rows, JOB).to_dict("records")
    assert found == place | {
        "questions": 20, "planted": 3, "overlapping": 4, "missed": 1, "by_image": 3, "by_text": 0, "by_source": 4,
        "drawn": 2,
    }  # fmt: skip
    unknown = contamination(audited | {"planted": NO_AUDIT["planted"]}, rows, JOB).iloc[0]
    assert isnan(unknown.planted) and isnan(unknown.missed) and unknown.overlapping == 4
    assert contamination(NO_AUDIT, rows, JOB).empty


def test_clean_leaves_out_every_version_of_an_overlapping_problem() -> None:
    overlaps = pd.DataFrame([{"benchmark": "mathverse", "question": "q0", "cluster": "p0"}])
    rows = [row for row in scores(config()) if row.method in ("target_only", "specreason") and row.mode == "batched"]
    frame = score_frame(rows, overlaps)
    table = clean(frame, JOB).set_index(["target", "draft", "method", "benchmark"])
    own = frame[(frame.target == PAIR["target"]) & (frame.draft == PAIR["draft"]) & (frame.method == "specreason")]
    kept = own[(own.benchmark != "mathverse") | (own.question.map(lambda name: int(name[1:]) >= 5))]
    found = table.loc[(*PAIR.values(), "specreason", ALL)]
    assert (len(own), len(kept)) == (80, 75)
    assert found.accuracy == pytest.approx(own.correct.mean())
    assert found.accuracy_clean == pytest.approx(kept.correct.mean())
    assert found.accuracy_clean_change == pytest.approx(kept.correct.mean() - own.correct.mean())
    there = own[own.benchmark == "mmmu"]
    mmmu = table.loc[(*PAIR.values(), "specreason", "mmmu")]
    change = there.correct.mean() - there.target_correct.mean()
    assert mmmu.target_change == mmmu.target_change_clean == pytest.approx(change)


def section(control: dict[str, float], usual: dict[str, float]) -> str:
    """The section where these are the lower ends of the effects of trainings by replicate; NaN: no interval."""
    settings = config()
    recipes = settings.sapo.recipes | {
        "planted": settings.sapo.recipes["balanced"].model_copy(update={"planted": True})
    }
    methods = settings.methods | {"dreamr_planted": settings.methods["dreamr"].model_copy(update={"draft": "planted"})}
    sapo = settings.sapo.model_copy(update={"recipes": recipes})
    settings = settings.model_copy(update={"sapo": sapo, "methods": methods})
    rows = [
        {**PAIR, "method": method, "against": "dreamr_ns", "replicate": number, "n": 9, "effect": low + 0.1}
        | {"effect_low": low, "effect_high": low + 0.2, "detectable": 0.1, "why": ""}
        | dict.fromkeys(("exposed_clusters", "clean_clusters", "change_exposed", "change_clean"), 1.0)
        for method, ends in (("dreamr_planted", control), ("dreamr", usual))
        for number, low in ends.items()
    ]
    empty = {name: pd.DataFrame(columns=["target", "draft", "method", "benchmark"]) for name in ("clean", "overlaps")}
    tables = {"exposure": pd.DataFrame(rows), "contamination": empty["clean"], "exposures": empty["clean"], **empty}
    return said("studies/contamination/section.html.j2", settings, tables, "control")


SHOWS = "Exposure to benchmark questions shows in the positive control"
CANNOT = "Whether exposure to benchmark questions raises accuracy cannot be told: "


@pytest.mark.parametrize(
    ("control", "usual", "told"),
    [
        ([0.01, -0.1], [-0.1, -0.2], f"{SHOWS} (1 of 2 intervals lie above 0), and not in the usual trainings (0 of 2)"
         ", where an effect below 10.0 points would not have been found in four of five experiments."),
        ([0.01], [0.02, -0.2], f"{SHOWS} (1 of 1 intervals lie above 0), and in the usual trainings as well (1 of 2)."),
        ([-0.01, nan], [0.02], f"{CANNOT}not even the positive control, a training on them alone, shows it (0 of "
         "1 intervals lie above 0). What the usual trainings show (1 of 1) says nothing."),
        ([], [0.02], f"{CANNOT}no training on benchmark questions, the positive control, was run."),
    ],
)  # fmt: skip
def test_the_section_opens_with_what_the_positive_control_allows(
    control: list[float], usual: list[float], told: str
) -> None:
    lows = ({str(number): low for number, low in enumerate(ends)} for ends in (control, usual))
    opening = section(*lows).partition("Benchmark questions that also stand")[0]
    assert told in opening and "By chance 2.5 in 100 such intervals lie above 0." in opening


def test_trainings_of_one_method_are_told_by_the_row_over_all_of_them() -> None:
    """Else a few of many trainings would show an effect by chance."""
    text = section({"0": 0.01}, {"all": -0.1, "0": 0.1, "1": 0.2})
    assert "and not in the usual trainings (0 of 1)" in text
