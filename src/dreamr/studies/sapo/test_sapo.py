"""Trained drafts beside plain ones."""

import pandas as pd
import pytest
from sentences import said
from summarised import HIT, PAIR, cell_of, everything, line, of, with_refused

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.sapo.tables import sapo


def test_sapo_compares_with_the_plain_draft(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["sapo"]
    assert set(table.method) == {"dreamr", "draft_only_sapo"}
    rows, plain = of("dreamr", **PAIR), of("dreamr_ns", **PAIR)
    one = line(table, **PAIR, method="dreamr", benchmark=ALL)
    assert one.tokens_change == pytest.approx(
        (sum(r.tokens_by_target for r in rows) - sum(r.tokens_by_target for r in plain)) / 80, rel=1e-4
    )


@pytest.mark.parametrize("side", ["dreamr", "dreamr_ns"])
def test_a_comparison_leaves_a_refused_question_out_on_both_sides(side: str) -> None:
    """Of lengths, steps and times; as an answer it is wrong on its own side."""
    job = SummariseJob.of(everything()[0])
    rows = with_refused(lambda row: cell_of(row, side) and row.question in HIT)
    own = line(sapo(score_frame(rows), job), method="dreamr", benchmark=ALL, **PAIR)
    sides = {name: [row for row in rows if cell_of(row, name)] for name in ("dreamr", "dreamr_ns")}
    for name, suffix in (("dreamr", ""), ("dreamr_ns", "_plain")):
        all_of = [row for row in sides[name] if row.mode == "batched"]
        kept = [row for row in all_of if row.question not in HIT]
        timed = [row for row in sides[name] if row.mode == "alone" and row.question not in HIT]
        assert own[f"accuracy{suffix}"] == pytest.approx(sum(row.correct for row in all_of) / len(all_of))
        assert own[f"tokens{suffix}"] == pytest.approx(sum(row.tokens_by_target for row in kept) / len(kept))
        accepted, verified = sum(row.accepted for row in kept), sum(row.verified for row in kept)
        assert own[f"acceptance{suffix}"] == pytest.approx(accepted / verified)
        assert own[f"seconds{suffix}"] == pytest.approx(sum(row.seconds for row in timed) / len(timed))
        assert own.n_alone == len(timed)


def test_the_answer_names_the_pair_that_it_is_of_where_there_is_no_pool(tables: dict[str, pd.DataFrame]) -> None:
    settings, table = everything()[0], tables["sapo"]
    for rows, words in (
        (table, "With SAPO the target accepts"),
        (table[table.target != ALL], ", with SAPO the target"),
    ):
        text = said("studies/sapo/lead.html.j2", settings, {"sapo": rows})
        assert words in text and text.startswith("On ") == (rows is not table)
