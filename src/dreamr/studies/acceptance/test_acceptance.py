"""Acceptance in both readings, and the closed form beside it."""

import pandas as pd
import pytest
from summarised import HIT, PAIR, cell_of, everything, hit, line, of, with_refused

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.closed_forms import asynchronous_lookahead
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.acceptance.tables import acceptance


def test_acceptance_in_both_readings(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["acceptance"], **PAIR, method="dreamr", benchmark=ALL)
    rows = of("dreamr", **PAIR)
    accepted = sum(row.accepted for row in rows)
    assert found.acceptance == pytest.approx(accepted / sum(row.verified for row in rows), rel=1e-4)
    timed = of("dreamr", **PAIR, mode="alone")
    drafted = sum(row.accepted for row in timed) / sum(row.drafted for row in timed)
    assert found.acceptance_drafted == pytest.approx(drafted, rel=1e-4)
    assert set(tables["acceptance"].method).isdisjoint({"target_only", "ngram", "draft_only"})


def test_no_step_or_token_of_a_refused_question_is_in_a_mean() -> None:
    job, rows = SummariseJob.of(everything()[0]), with_refused(hit)
    frame = score_frame(rows)
    own = line(acceptance(frame, job), method="dreamr", benchmark="mmmu", **PAIR)
    kept = [row for row in of("dreamr", "mmmu") if cell_of(row, "dreamr") and row.question not in HIT]
    assert own.n == len(kept) == 17
    assert own.tokens == pytest.approx(sum(row.tokens_by_target for row in kept) / 17)
    assert own.verified == pytest.approx(sum(row.verified for row in kept) / 17)
    assert own.acceptance == pytest.approx(sum(row.accepted for row in kept) / sum(row.verified for row in kept))


def test_steps_that_nobody_read_are_in_no_acceptance_and_have_columns_of_their_own() -> None:
    job = SummariseJob.of(everything()[0])
    rows = [row.model_copy(update={"unread": 2 if row.method == "dreamr" else 0}) for row in everything()[1]]
    found = line(acceptance(score_frame(rows), job), **PAIR, method="dreamr", benchmark=ALL)
    accepted = sum(row.accepted for row in of("dreamr", **PAIR))
    assert found.acceptance == pytest.approx(accepted / sum(row.verified for row in of("dreamr", **PAIR)), rel=1e-4)
    assert found.unread == 2
    assert found.unread_share == pytest.approx(2 * found.n / (2 * found.n + accepted))


@pytest.mark.parametrize(
    ("acceptance", "cost", "expected"), [(0.526, 0.05, 1.88), (0.7145, 0.1, 2.40), (0.8, 0.3, 2.27), (0.3, 0.2, 1.31)]
)
def test_closed_form_equals_published_arithmetic(acceptance: float, cost: float, expected: float) -> None:
    assert asynchronous_lookahead(acceptance, cost, window=4) == pytest.approx(expected, abs=0.006)


def test_closed_form_at_certain_acceptance_is_the_limit() -> None:
    assert asynchronous_lookahead(1, 0.1, 4) == pytest.approx(asynchronous_lookahead(1 - 1e-6, 0.1, 4), rel=1e-3)
