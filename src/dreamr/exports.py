"""Results for other tools: a data set for the Hub's library, logs for Inspect's viewer, tables for LaTeX."""

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import BaseModel

from dreamr.errors import UserError
from dreamr.files import write_atomically
from dreamr.notebook import ANSWER, Results
from dreamr.records import Question, read_rows
from dreamr.scores import Score
from dreamr.statistics.frame import ALL
from dreamr.traces import Span, Step, Trace

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

CARD = """\
---
configs:
{configs}
---

# {title}

Written by the workflow of a reproduction kit for DREAM-R. `load_dataset(FOLDER, NAME)` reads a part.

{dictionary}
"""
PLACE = {"place": "of the step or request in its answer, from 0"}
PARTS: dict[str, type[BaseModel]] = {"traces": Trace, "steps": Step, "spans": Span, "scores": Score}


def hf(results: Results, out: Path) -> None:
    """A folder that `datasets.load_dataset` reads: a parquet file for each of PARTS, and a card of their columns."""
    frames = {name: getattr(results, name)() for name in PARTS}
    for name, frame in frames.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        frame.to_parquet(out / name / "all.parquet", index=False)
    configs = "\n".join(f"- config_name: {name}\n  data_files: {name}/*.parquet" for name in PARTS)
    told = "\n\n".join(_dictionary(name, frames[name], kind) for name, kind in PARTS.items())
    write_atomically(out / "README.md", CARD.format(configs=configs, title=results.config.title, dictionary=told))


def _dictionary(name: str, frame: pd.DataFrame, kind: type[BaseModel]) -> str:
    """Each column of a part with its type and what the field's own comment says of it."""
    words = PLACE | comments(Trace) | comments(kind)
    lines = [f"| `{column}` | {frame[column].dtype} | {words.get(column, '')} |" for column in frame]
    return "\n".join([f"## {name}, {len(frame):,} rows", "", "| column | type | what |", "| --- | --- | --- |", *lines])


def comments(kind: type[BaseModel]) -> dict[str, str]:
    """What the comment behind each field of a row says, those of its bases included."""
    found: dict[str, str] = {}
    for base in reversed([base for base in kind.mro() if base.__module__.startswith(__package__ or "")]):
        fields = re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(base), re.M)
        found |= {name: words.replace("|", "\\|") for name, words in fields}
    return found


def inspect_logs(results: Results, out: Path) -> None:
    """Logs that Inspect's viewer and `read_eval_log` read: one for each pair, method and benchmark, untimed answers."""
    try:
        from inspect_ai.log import write_eval_log
    except ImportError:
        raise UserError("--to inspect needs a package more: .venv/bin/pip install inspect-ai") from None
    scores, texts = results.scores(), results.traces().set_index(ANSWER).text
    untimed = scores[(scores["mode"] == "batched") & (scores.replicate == 0)]
    questions = {name: _questions(results, name) for name in untimed.benchmark.unique()}
    for cell, rows in untimed.groupby(["target", "draft", "method", "benchmark"]):
        path = out / f"{'.'.join(map(str, cell))}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_eval_log(_log(rows.assign(text=list(texts.loc[_keys(rows)])), questions[cell[3]]), str(path))


def _keys(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[ANSWER])


def _questions(results: Results, benchmark: str) -> dict[str, Question]:
    return {row.id: row for row in read_rows(results.folder / f"data/{benchmark}.jsonl", Question)}


def _log(rows: pd.DataFrame, questions: Mapping[str, Question]) -> "EvalLog":
    """One method's answers to one benchmark."""
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalMetric,
        EvalResults,
        EvalSample,
        EvalScore,
        EvalSpec,
    )
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score as Mark

    first = rows.iloc[0]
    model = f"dreamr/{first.method}/{first.target}/{first.draft}"
    samples = [
        EvalSample(
            id=row.question,
            epoch=1,
            input=questions[row.question].prompt,
            target=list(questions[row.question].gold),
            output=ModelOutput.from_content(model, row.text),
            scores={"dreamr": Mark(value="C" if row.correct else "I", answer=row.parsed or "")},
            metadata={"cluster": row.cluster, "version": row.version, "category": row.category},
        )
        for row in rows.itertuples()
    ]
    accuracy = {"accuracy": EvalMetric(name="accuracy", value=float(rows.correct.mean()))}
    return EvalLog(
        status="success",
        eval=EvalSpec(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            task=first.benchmark,
            model=model,
            dataset=EvalDataset(name=first.benchmark, samples=len(samples)),
            config=EvalConfig(),
        ),
        samples=samples,
        results=EvalResults(
            total_samples=len(samples),
            completed_samples=len(samples),
            scores=[EvalScore(name="dreamr", scorer="dreamr", metrics=accuracy)],
        ),
    )


def latex(results: Results, out: Path) -> None:
    """A file per table with pools over all pairs: each quantity with its interval, for `\\usepackage{booktabs}`."""
    out.mkdir(parents=True, exist_ok=True)
    for name in results.tables:
        table = results.table(name)
        if {"target", "draft", "method", "benchmark"} <= {*table}:
            pooled = table[(table.target == ALL) & (table.draft == ALL)]
            if len(pooled):
                write_atomically(out / f"{name}.tex", _tabular(pooled))


def _tabular(pooled: pd.DataFrame) -> str:
    """Methods and benchmarks down, quantities with an interval across."""
    quantities = [name for name in pooled if f"{name}_low" in pooled]
    cells = {name.replace("_", " "): [_cell(row, name) for _, row in pooled.iterrows()] for name in quantities}
    words = {key: pooled[key].str.replace("_", r"\_") for key in ("method", "benchmark")}
    return str(pd.DataFrame(words | cells).to_latex(index=False, escape=False))


def _cell(row: pd.Series, name: str) -> str:
    """`0.91 [0.88, 0.94]`; nothing where it is unknown."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return ""
    return f"{value:.3g}" if pd.isna(low) else f"{value:.3g} [{low:.3g}, {high:.3g}]"


WRITERS: dict[str, Callable[[Results, Path], None]] = {"hf": hf, "inspect": inspect_logs, "latex": latex}
