"""Parts of the questions add up."""

import pandas as pd
import pytest
from summarised import PAIR, everything, hit, of, with_refused

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import score_frame
from dreamr.studies.parts.tables import explained


def test_parts_of_the_questions_add_up(tables: dict[str, pd.DataFrame]) -> None:
    parts = tables["explained"].query("method == 'dreamr' and benchmark == 'all' and draft == 'q3vl-2l'")
    parts = parts[parts.target == PAIR["target"]].set_index("part")
    assert parts.n["draft wrote the answer"] + parts.n["target wrote the answer"] == parts.n["all"] == 80
    assert parts.n["shorter than the target's"] + parts.n["not shorter"] == 80
    drafts = [row for row in of("dreamr", **PAIR) if row.answer_writer == "draft"]
    assert parts.accuracy["draft wrote the answer"] == pytest.approx(
        sum(r.correct for r in drafts) / len(drafts), rel=1e-4
    )


def test_overlapping_problems_are_told_apart() -> None:
    settings, rows = everything()
    found = {"training_set": "geometry3k", "by_image": True, "by_text": False, "by_source": False}
    lines = [{"benchmark": "mathverse", "question": name, "cluster": "p0", **found} for name in ("q0", "q0", "q1")]
    overlaps = pd.DataFrame(lines)
    frame = score_frame([row for row in rows if row.method in ("target_only", "specreason")], overlaps)
    parts = explained(frame, SummariseJob.of(settings)).query("draft == 'q3vl-2l' and benchmark == 'all'")
    parts = parts[parts.target == PAIR["target"]].set_index("part")
    assert parts.n["in a training set"] == 5  # all five versions of the problem
    assert parts.n["in no training set"] == 75


def test_a_refused_question_is_a_part_of_its_own() -> None:
    parts = explained(score_frame(with_refused(hit)), SummariseJob.of(everything()[0]))
    mine = parts[(parts.method == "dreamr") & (parts.benchmark == "mmmu") & (parts.target == PAIR["target"])]
    mine = mine[mine.draft == PAIR["draft"]].set_index("part")
    assert mine.n["refused to one of them"] == 3 and mine.n["all"] == 20
    assert mine.n["shorter than the target's"] + mine.n["not shorter"] == 17
