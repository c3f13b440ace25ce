"""Traces for the Perfetto viewer."""

import json
from pathlib import Path

import pytest
from factories import config, traces

from dreamr.cli.export_trace import main
from dreamr.records import write_rows


def test_every_request_becomes_an_event_on_its_track(tmp_path: Path) -> None:
    rows = traces(config())
    write_rows(tmp_path / "traces.jsonl", rows)
    choice = ["--benchmark", "mathverse", "--question", "q0"]
    main(["--traces", str(tmp_path / "traces.jsonl"), *choice, "--out", str(tmp_path / "trace.json")])
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    bars = [event for event in events if event["ph"] == "X"]
    assert len(bars) == sum(len(row.spans) for row in rows)
    assert len({event["args"]["name"] for event in events if event["name"] == "process_name"}) == len(rows)
    cancelled = [event for event in bars if event["args"]["cancelled"]]
    shown = {(event["name"], round(event["ts"]), round(event["dur"])) for event in cancelled}
    assert shown == {("target 0 (cancelled)", 100_000, 80_000)}


def test_an_unknown_question_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "traces.jsonl", traces(config()))
    with pytest.raises(SystemExit, match=r"no question 'q9' of 'mathverse'; first: \['q0'\]"):
        main(["--traces", str(tmp_path / "traces.jsonl"), "--benchmark", "mathverse", "--question", "q9", "--out", "x"])
