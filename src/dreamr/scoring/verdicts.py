"""Whether a trace's answer is right."""

from dreamr.records import Question
from dreamr.scoring.answers import Grade, grade
from dreamr.traces import Trace


def trace_grade(trace: Trace, question: Question) -> Grade:
    """What the scorer says. What there is of a refused answer is not read: it is wrong, by any rule."""
    if trace.refusal:
        return Grade(None, False, True)
    return grade(question, trace.text, complete=trace.finish != "budget", thinking=trace.thinking)
