"""A recorded smoke run, from its answers to the numbers of its figures: the same bytes as ever.

`tests/golden/run.tar.xz` holds the traces, questions, truth, audit and training curve of a smoke run; beside it lie the
scores, tables, verification and figures' data that were made of them.
"""

import tarfile
from pathlib import Path

import pytest
from projects import ROOT

from dreamr.cli import grade, plot, summarise, verify
from dreamr.planning.jobs import SummariseJob, VerifyJob
from dreamr.planning.plan import Plan, as_json
from dreamr.planning.reading import read

GOLDEN = ROOT / "tests/golden"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run made again from its answers."""
    run = tmp_path_factory.mktemp("golden")
    with tarfile.open(GOLDEN / "run.tar.xz") as packed:
        packed.extractall(run, filter="data")
    config = read([ROOT / "config/config.yaml", ROOT / "config/smoke.yaml"])
    job = as_json(SummariseJob.of(config))
    groups = [f"{group.target}/{group.draft}/{group.run}/{group.suite}.jsonl" for group in Plan(config).groups]
    scores, traces = ([run / kind / group for group in groups] for kind in ("scores", "traces"))
    for answers, graded in zip(traces, scores, strict=True):
        graded.parent.mkdir(parents=True, exist_ok=True)
        grade.main(traces=answers, data=run / "data", out=graded)
    for folder in ("tables", "verification"):
        (run / folder).mkdir()
    summarise.main(spec=job, scores=tuple(scores), traces=tuple(traces), audit=run / "audit", out=run / "tables")
    verify.main(
        spec=as_json(VerifyJob.of(config)),
        traces=tuple(traces),
        scores=tuple(scores),
        data=run / "data",
        truth=run / "truth",
        out=run / "verification",
    )
    sources = plot.Sources(
        run / "tables", tuple(run.glob("models/*/training.csv")), tuple(traces), run / "verification"
    )
    plot.main(spec=job, out=run / "figures", sources=sources)
    return run


@pytest.mark.parametrize("folder", ["scores", "tables", "verification", "figures"])
def test_a_recorded_run_gives_the_same_bytes(replayed: Path, folder: str) -> None:
    kept = {path.relative_to(GOLDEN): path.read_text() for path in (GOLDEN / folder).rglob("*.*")}
    made = {path.relative_to(replayed): path.read_text() for path in (replayed / folder).rglob("*.*")}
    numbers = {path for path in made if path.suffix != ".svg"}
    assert kept.keys() ^ numbers == set()
    assert [path for path, text in kept.items() if made[path] != text] == []
