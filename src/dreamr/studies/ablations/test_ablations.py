"""Ablated methods beside the reference."""

from math import isnan

import pandas as pd
import pytest
from summarised import PAIR, everything, line

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.ablations.tables import ablation


def test_ablations_are_compared_with_the_reference_of_their_pair(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["ablation"]
    own = line(table, kind="alpha", method="dreamr", benchmark=ALL)
    other = line(table, kind="alpha", method="alpha_05", benchmark=ALL)
    assert (own.setting, own.target, own.draft) == ("0.7", *PAIR.values())
    assert isnan(own.accuracy_change)
    assert other.accuracy_change == pytest.approx(other.accuracy - own.accuracy, abs=1e-5)
    assert other.accuracy_reference == pytest.approx(own.accuracy)
    assert other.speedup_change == pytest.approx(other.speedup - own.speedup, abs=1e-4)


def test_an_ablation_that_was_not_run_has_no_row() -> None:
    """Not even the reference's, which would stand there beside nothing."""
    settings, rows = everything()
    frame = score_frame(row for row in rows if not row.method.startswith("alpha"))
    assert set(ablation(frame, SummariseJob.of(settings)).kind) == {"schedule", "verifier", "rewards"}


def test_a_draft_trained_on_planted_questions_is_no_ablation() -> None:
    settings, rows = everything()
    job = SummariseJob.of(settings)
    control = job.model_copy(update={"planted": ("length_heavy",)})
    frame = score_frame(row for row in rows if (row.target, row.draft) == tuple(PAIR.values()))
    lost = {*ablation(frame, job).method} - {*ablation(frame, control).method}
    assert lost == {"length_heavy"}


def test_without_any_ablation_the_table_has_columns_and_no_row() -> None:
    settings, rows = everything()
    table = ablation(score_frame([row for row in rows if row.method == "target_only"]), SummariseJob.of(settings))
    assert table.empty and {"kind", "setting", "target"} <= {*table}
