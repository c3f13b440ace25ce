"""How answers were graded: the rows of scores.

Apart from `traces`, so that a new field here grades again and answers nothing again.
"""

from typing import Literal

from dreamr.traces import Answered


class Score(Answered):
    """A trace's verdict. A refused question is a wrong answer."""

    cluster: str  # as of the question: questions that share it are not independent
    version: str  # as of the question: problem version, rotation
    category: str  # as of the question
    origin: str  # as of the question: where the data set says it comes from
    parsed: str | None  # what the scorer read as the answer
    correct: bool  # whether that is one of the accepted answers
    unresolved: bool  # no answer could be read
    harness_correct: bool | None = None  # by lmms-eval 0.7.3's rules; None: no rule, or it would draw or ask a judge
    truncated: bool  # the token budget ran out
    same_text: bool | None  # alone: the same text as the batched run of the same cell
    target_text: bool | None = None  # batched: the text of the target alone, where the same job asked that too
    draft_busy: float  # seconds the draft's engine had work
    target_busy: float  # seconds the target's engine had work
    answer_writer: Literal["draft", "target"] | None = None  # who wrote the step that holds the answer
    steps: int = 0  # committed
    unread: int = 0  # committed draft steps that nobody judged
    own_tokens: int = 0  # of the committed steps that the target wrote
    # Finished work on steps behind the first, which reads the question as well.
    later_drafts: int = 0  # steps that the draft wrote behind the first
    later_drafts_seconds: float = 0.0  # the time of those
    later_owns: int = 0  # steps that the target wrote behind the first
    later_owns_seconds: float = 0.0  # the time of those
    later_verdicts: int = 0  # verdicts on steps behind the first
    later_verdicts_seconds: float = 0.0  # the time of those
