"""Runs that are kept side by side, and what README would quote of one in which nothing was timed."""

import json
import shutil
from pathlib import Path

import pytest
from factories import config
from projects import ROOT

from dreamr.cli.keep_run import readme_lines, refuse_other_scale
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import read_table, write_table

KEPT = ROOT / "reports/kept"


def test_a_kept_run_is_replaced_by_one_of_its_scale_alone(tmp_path: Path) -> None:
    refuse_other_scale(tmp_path, "accuracy")
    (tmp_path / "run.json").write_text(json.dumps({"scale": "depth"}))
    refuse_other_scale(tmp_path, "depth")
    with pytest.raises(UserError, match=rf"holds the kept run of scale depth, not accuracy.*{tmp_path}/accuracy"):
        refuse_other_scale(tmp_path, "accuracy")


def test_what_was_not_timed_has_no_column(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(KEPT, tmp_path / "kept"))
    for name in ("speed", "background"):
        write_table(read_table(folder / f"{name}.csv").iloc[:0], folder / f"{name}.csv")
    lines = list(readme_lines(folder, SummariseJob.of(config())))
    (heading,) = [line for line in lines if line.startswith("| method")]
    assert heading == "| method | accuracy % | against the target, points | accepted of verified steps % |"
    assert {line.count("|") for line in lines if line.startswith("|")} == {5}
    assert not [line for line in lines if "timed questions" in line]


def test_a_claim_that_was_not_tested_is_not_quoted(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(KEPT, tmp_path / "kept"))
    claims = read_table(folder / "claims.csv").assign(decided_in="depth")
    headlines = claims[claims.headline].index
    claims.loc[headlines[1:], "verdict"] = ["not run", "not tested", "not testable at this scale"][: len(headlines) - 1]
    write_table(claims, folder / "claims.csv")
    quoted = [line for line in readme_lines(folder, SummariseJob.of(config())) if line.startswith("- ")]
    assert quoted == [f"- {claims.text[headlines[0]]} **{claims.verdict[headlines[0]]}**"]


def test_a_claim_is_quoted_from_the_run_that_decides_it(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(KEPT, tmp_path / "kept"))
    claims = read_table(folder / "claims.csv")
    lines = [line for line in readme_lines(folder, SummariseJob.of(config())) if line.startswith("- ")]
    own = claims[claims.headline & (claims.decided_in == "depth")]
    assert 0 < len(own) < claims.headline.sum()
    assert lines == [f"- {claim.text} **{claim.verdict}**" for claim in own.itertuples()]
