"""Score recorded traces against their questions, without any model: a changed scorer costs seconds.

Reads traces (JSON lines) and the questions of each benchmark that they name, DATA/<benchmark>.jsonl; writes one score a
trace, in the same order. A trace of an unknown question, or two of one cell and question, stop the job.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dreamr import harness
from dreamr.answers import grade
from dreamr.records import Question, Score, Trace, read_rows, write_rows
from dreamr.spans import busy_seconds

Key = tuple[str, ...]
COPIED = (
    *("question", "benchmark", "target", "draft", "method", "mode", "drafted", "verified", "accepted", "tokens"),
    *("draft_tokens", "target_tokens", "seconds", "baseline_seconds", "device"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    traces = list(read_rows(options.traces, Trace))
    scores = scored(traces, load_questions(options.data, {trace.benchmark for trace in traces}))
    write_rows(options.out, scores)
    for name in sorted({score.benchmark for score in scores}):
        rows = [score for score in scores if score.benchmark == name]
        right, unread = sum(row.correct for row in rows), sum(row.unresolved for row in rows)
        print(f"{name}: {len(rows)} answers, {right} right, {unread} unreadable, {sum(r.truncated for r in rows)} cut")


def load_questions(folder: Path, benchmarks: set[str]) -> dict[Key, Question]:
    """Questions by benchmark and id."""
    questions: dict[Key, Question] = {}
    for name in sorted(benchmarks):
        path = folder / f"{name}.jsonl"
        if not path.is_file():
            raise SystemExit(f"{path}: no such file; the traces name benchmark {name!r}")
        questions |= {(name, question.id): question for question in read_rows(path, Question)}
    return questions


def scored(traces: Sequence[Trace], questions: dict[Key, Question]) -> list[Score]:
    """One score a trace. `same_text` compares a trace of mode "alone" with the batched one of its cell and question."""
    twice = [key for key, count in Counter(cell(trace) for trace in traces).items() if count > 1]
    if twice:
        raise SystemExit(f"traces hold one cell and question twice: {twice[0]}")
    for trace in traces:
        if (trace.benchmark, trace.question) not in questions:
            raise SystemExit(f"a trace of {trace.benchmark} names the unknown question {trace.question!r}")
    batched = {cell(trace)[:-1]: trace.text for trace in traces if trace.mode == "batched"}
    return [score(trace, questions[trace.benchmark, trace.question], batched.get(cell(trace)[:-1])) for trace in traces]


def cell(trace: Trace) -> Key:
    return trace.target, trace.draft, trace.method, trace.benchmark, trace.question, trace.mode


def score(trace: Trace, question: Question, batched_text: str | None) -> Score:
    truncated = trace.finish == "budget"
    verdict = grade(question, trace.text, complete=not truncated, thinking=trace.thinking)
    alone = trace.mode == "alone" and batched_text is not None
    return Score(
        **{name: getattr(trace, name) for name in COPIED},
        cluster=question.cluster,
        version=question.version,
        category=question.category,
        origin=question.origin,
        parsed=verdict.parsed,
        correct=verdict.correct,
        unresolved=verdict.unresolved,
        harness_correct=harness.grade(question, trace.text).correct,
        truncated=truncated,
        same_text=trace.text == batched_text if alone else None,
        draft_busy=busy_seconds(trace.spans, "draft"),
        target_busy=busy_seconds(trace.spans, "target"),
        answer_writer=trace.steps[-1].writer if trace.steps and trace.finish == "answer" else None,
    )


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.grade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    described.add_argument("--traces", required=True, type=Path, metavar="FILE", help="Trace rows, JSON lines")
    described.add_argument("--data", required=True, type=Path, metavar="DATA", help="folder of the prepared questions")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="Score rows, JSON lines")
    return described


if __name__ == "__main__":
    main()
