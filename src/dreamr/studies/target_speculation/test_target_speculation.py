"""What the target writes ahead of a verdict: closed forms against the virtual clock, and the figures of it."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from factories import config

from dreamr.cli import simulate
from dreamr.config import Method, TargetSpeculation
from dreamr.engines.virtual import Cost
from dreamr.planning.jobs import SummariseJob
from dreamr.simulation import target_speculation
from dreamr.statistics.frame import read_table
from dreamr.studies.target_speculation.closed_form import with_target_speculation
from dreamr.studies.target_speculation.figures import LADDER, ahead, computed, measured

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


def test_measured_settings_are_drawn_with_their_intervals() -> None:
    row = {
        "setting": "target speculation none, writes on",
        "target": "t",
        "draft": "d",
        "method": "m",
        "benchmark": "all",
    }
    row |= {"n_alone": 9, "target_tokens": 11.0, "target_tokens_low": 9.0, "target_tokens_high": 13.0}
    row |= {"speedup": 2.0, "speedup_low": 1.5, "speedup_high": 2.5}
    chart = measured(pd.DataFrame([row]), SummariseJob.of(config()))
    assert [text.get_text() for text in chart.figure.axes[0].get_yticklabels()] == [
        "target speculation none, writes on"
    ]
    assert chart.data.target_tokens.tolist() == [11.0]


def test_two_settings_on_two_pairs_are_two_settings(invented_report: Path) -> None:
    """The figure of what the target does ahead shows more than the ladder of the schedule ablation."""
    table = read_table(invented_report / "tables" / "ablation.csv")
    ladder = table[table.setting.isin(["pipelined", "fully parallel"])]
    twice = pd.concat([ladder, ladder.assign(draft="another")])
    assert len(ahead(twice)) > LADDER and ahead(twice).setting.nunique() == LADDER
    assert ahead(table).setting.nunique() > LADDER
