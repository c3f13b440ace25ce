"""What the target writes ahead of a verdict: closed forms against the virtual clock, settings held to each other."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import config
from sentences import said

from dreamr.cli import simulate
from dreamr.config import Method, TargetSpeculation
from dreamr.engines.virtual import Cost
from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.simulation import target_speculation
from dreamr.statistics.closed_forms import with_target_speculation
from dreamr.statistics.frame import read_table, score_frame
from dreamr.studies.target_speculation.figures import LADDER, computed, target_speculation_measured
from dreamr.studies.target_speculation.tables import arms

C = 0.15


def simulated(
    setting: tuple[TargetSpeculation, bool], acceptance: float, verdict: float, crowding: float = 0.0
) -> float:
    kind, continues = setting
    method = Method(loop="fpsr", verifier="cpn", alpha=0.5, window=4, target_speculation=kind, continues=continues)
    target = Cost(decode=0.5, verdict=verdict, crowding=crowding)
    return target_speculation.speedup(method, acceptance, target, Cost(decode=C / 2), steps=120)


@pytest.mark.parametrize("setting", list(product(("all", "frontier", "none"), (True, False))))
def test_the_closed_form_is_what_the_virtual_clock_shows(setting: tuple[TargetSpeculation, bool]) -> None:
    for acceptance, verdict in product((0.5, 0.8), (0.03, 0.4)):
        expected = with_target_speculation(acceptance, C, verdict, *setting)
        assert simulated(setting, acceptance, verdict) == pytest.approx(expected, rel=0.05), (acceptance, verdict)


def test_a_rejected_step_waits_for_what_was_not_begun_ahead() -> None:
    """One half accepted, a draft's step a tenth, a verdict a fifth of a target's step, worked by hand."""
    accepted = 0.5 * 0.1
    assert 1 / with_target_speculation(0.5, 0.1, 0.2, "all", True) == pytest.approx(accepted + 0.5 * 1)
    assert 1 / with_target_speculation(0.5, 0.1, 0.2, "frontier", True) == pytest.approx(
        accepted + 0.5 * (0.5 * 1.2 + 0.5 * 1)
    )
    assert 1 / with_target_speculation(0.5, 0.1, 0.2, "none", True) == pytest.approx(
        accepted + 0.5 * (0.5 * 1.3 + 0.5 * 1)
    )
    assert 1 / with_target_speculation(0.5, 0.1, 0.2, "none", False) == pytest.approx(accepted + 0.5 * 1.3)


def test_crowding_turns_the_order() -> None:
    """Own versions of steps that will be accepted slow the verdicts that everything waits for."""
    free, crowded = ([simulated((kind, True), 0.9, 0.2, n) for kind in ("all", "frontier")] for n in (0.0, 0.3))
    assert free[0] > free[1] and crowded[0] < crowded[1]


def test_the_command_says_what_a_setting_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_speculation, "ACCEPTANCE", (0.5,))
    monkeypatch.setattr(target_speculation, "STEPS", 20)
    simulate.main(out=tmp_path / "target_speculation.csv")
    table = read_table(tmp_path / "target_speculation.csv")
    conditions = table.groupby(["acceptance", "cost", "verdict", "crowding"])
    assert conditions.size().eq(len(target_speculation.SETTINGS)).all()
    assert conditions.lost.min().eq(0).all() and table.lost.lt(1).all()
    best = conditions.speedup.transform("max")
    assert table.speedup.to_numpy() == pytest.approx((best * (1 - table.lost)).to_numpy(), rel=1e-4)
    chart = computed(table)
    assert len(chart.data) == len(table)
    titles = {axes.get_title() for axes in chart.figure.axes}
    assert titles == {
        f"a verdict costs {v:g}, crowding {n:g}"
        for v in target_speculation.VERDICTS
        for n in target_speculation.CROWDING
    }


# --- measured ---

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
FPSR = {"loop": "fpsr", "draft": "balanced", "verifier": "cpn", "alpha": 0.7, "window": 4}
SETTINGS = {
    "dreamr": ("all", True),
    "schedule_pipelined": ("none", False),
    "speculation_none": ("none", True),
}
METHODS = {name: Method(**FPSR, target_speculation=kind, continues=on) for name, (kind, on) in SETTINGS.items()}
JOB = SummariseJob.of(config()).model_copy(update={"methods": METHODS})
COSTS = pd.DataFrame([PAIR | {"benchmark": "all", "acceptance": 0.5, "c": 0.1, "v": 0.2}])


def timed(method: str, seconds: Sequence[float]) -> Iterator[Score]:
    """Answers to the first questions, each beside a target that takes two seconds."""
    for number, one in enumerate(seconds):
        yield Score(
            question=f"q{number}", benchmark="mmmu", **PAIR, method=method, mode="alone", cluster=f"q{number}",
            version="", category="", origin="", parsed="A", correct=True, unresolved=False, truncated=False,
            same_text=True, drafted=4, verified=4, accepted=3, tokens=30, draft_tokens=30,
            target_tokens=10 * (1 + number), seconds=one, baseline_seconds=2.0, draft_busy=0.1, target_busy=0.2,
            tokens_by_target=30, device="test",
        )  # fmt: skip


def measured_arms(**seconds: Sequence[float]) -> pd.DataFrame:
    frame = score_frame(row for method, times in seconds.items() for row in timed(method, times))
    return arms(frame.assign(target_refused=0.0, untimed=0.0), {"pairs": COSTS}, JOB)


EASY_AND_HARD = [1.0] * 8 + [2.0] * 8  # the first eight questions are quick


def test_settings_are_held_against_each_other_on_the_questions_that_all_of_them_have() -> None:
    """Timed on quick questions alone, *none, writing on* is the fastest by its own mean; there it is slower."""
    table = measured_arms(
        dreamr=EASY_AND_HARD, schedule_pipelined=[0.8 * one for one in EASY_AND_HARD], speculation_none=[1.1] * 8
    ).set_index("method")
    assert table.n.eq(8).all() and table.setting["schedule_pipelined"] == "pipelined"
    assert table.speed_ratio.to_dict() == pytest.approx(
        {"dreamr": 1, "schedule_pipelined": 1 / 0.8, "speculation_none": 1 / 1.1}, rel=1e-6
    )
    assert table.target_tokens.eq(45).all() and np.isnan(table.speed_ratio_low["dreamr"])
    closed = [with_target_speculation(0.5, 0.1, 0.2, *setting) for setting in SETTINGS.values()]
    assert table.expected[[*SETTINGS]].tolist() == pytest.approx([one / closed[0] for one in closed])


def noisy(seed: int, slower: float = 1.0) -> list[float]:
    return (slower * np.random.default_rng(seed).lognormal(0, 0.1, 16)).tolist()


def section(table: pd.DataFrame) -> str:
    computed = pd.DataFrame(
        [
            {"target_speculation": kind, "continues": on, "lost": 0.1, "cost": C, "verdict": 0.2, "crowding": 0.0}
            | {"acceptance": 0.5, "speedup": 1.0}
            for kind, on in target_speculation.SETTINGS
        ]
    )
    settings = config().model_copy(update={"methods": METHODS | {"target_only": Method(loop="target_only")}})
    display = settings.display.model_copy(update={"main": ("dreamr",)})
    settings = settings.model_copy(update={"display": display, "runs": {"main": settings.runs["main"]}})
    tables = {"arms": table, "target_speculation": computed}
    return said("studies/target_speculation/section.html.j2", settings, tables)


def test_where_no_setting_is_decidedly_apart_the_page_says_so_and_by_how_much_at_most() -> None:
    table = measured_arms(dreamr=noisy(0), schedule_pipelined=noisy(1), speculation_none=noisy(2))
    others = table[table.method != "dreamr"]
    assert (others.speed_ratio_p_holm > 0.05).all()
    text = section(table)
    assert "No setting is decidedly faster or slower than DREAM-R's own (fully parallel)" in text
    low, high = others.speed_ratio_low.min(), others.speed_ratio_high.max()
    assert f"leave room from {low:.2f} times as fast" in text and f"to {high:.2f} times (" in text
    assert "All 3 settings on the same 16 timed questions" in text and "highest" not in text.partition("Computed")[0]


def test_a_setting_that_is_decidedly_apart_is_named_with_its_ratio() -> None:
    table = measured_arms(dreamr=noisy(0), schedule_pipelined=noisy(1, 1.5), speculation_none=noisy(2))
    row = table.set_index("method").loc["schedule_pipelined"]
    assert row.speed_ratio_p_holm < 0.05
    told = f"DREAM-R's own setting (fully parallel), {row.speed_ratio:.2f} times as fast"
    text = section(table)
    assert f"pipelined is decidedly slower than {told}" in text and "is not decidedly faster or slower" in text


def test_asked_anew_is_told_by_what_begins_when() -> None:
    """The loop begins it at once with `all`, and behind the next rejection with `none`, as the closed form has it."""
    text = section(measured_arms(dreamr=noisy(0), schedule_pipelined=noisy(1)))
    assert "With all and frontier that begins at once as well" in text
    assert "with none it begins after the next rejection" in text and "pipelined is none, asked anew" in text
    at_once = [with_target_speculation(0.5, C, 0.2, "all", on) for on in (True, False)]
    assert at_once[0] == at_once[1] > with_target_speculation(0.5, C, 0.2, "none", False)


def test_measured_settings_are_drawn_against_the_reference() -> None:
    table = measured_arms(dreamr=noisy(0), schedule_pipelined=noisy(1), speculation_none=noisy(2))
    chart = target_speculation_measured({"arms": table}, JOB)
    assert chart is not None and {*chart.data.method} == {*SETTINGS}
    ratios, tokens = chart.figure.axes
    labels = [text.get_text() for text in ratios.get_yticklabels()]
    assert labels == table.sort_values("speed_ratio", ascending=False).setting.tolist()
    points = [len([line for line in axes.lines if line.get_marker() == "o"]) for axes in (ratios, tokens)]
    assert points == [2, 3], "the reference's ratio to itself is no estimate"
    drawn = sorted(line.get_xdata()[0] for line in ratios.lines if line.get_marker() == "o")
    assert drawn == pytest.approx(sorted(table.speed_ratio[table.method != "dreamr"]))


def test_two_settings_are_the_ladder_of_the_schedule_ablation() -> None:
    table = measured_arms(dreamr=noisy(0), schedule_pipelined=noisy(1))
    twice = pd.concat([table, table.assign(draft="another")])
    assert twice.setting.nunique() == LADDER and target_speculation_measured({"arms": twice}, JOB) is None


def test_settings_without_a_common_question_are_not_compared() -> None:
    frame = score_frame([*timed("dreamr", [1.0]), *list(timed("schedule_pipelined", [1.0, 1.0]))[1:]])
    assert arms(frame.assign(untimed=0.0), {}, JOB).empty


def test_without_timed_answers_there_is_an_empty_table() -> None:
    frame = score_frame(row.model_copy(update={"mode": "batched"}) for row in timed("dreamr", [1.0]))
    found = arms(frame, {}, JOB)
    assert found.empty and {"speed_ratio_low", "speed_ratio_p_holm", "expected"} <= {*found}
