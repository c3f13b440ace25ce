"""The threshold of one method on one pair: candidates tested from the strictest to the first that fails.

This is fixed-sequence testing (Learn then Test, Angelopoulos and others 2021): each candidate is tested at the whole
level, as none is looked at behind a failure. It needs no order of the accuracies, and a threshold that accepts more may
be the more accurate one. What cannot be used is not answered: neither a candidate behind the first failure, nor
problems behind a decision.
"""

from collections.abc import Iterator, Mapping
from functools import cache

from tqdm import tqdm

from dreamr.answering.questions import Asked
from dreamr.answering.runs import answer_batched
from dreamr.answering.work import Work, opened
from dreamr.certificates import Certificate, Trial
from dreamr.models.cards import model_digest
from dreamr.planning.jobs import CalibrateJob
from dreamr.records import Question
from dreamr.scoring.verdicts import trace_grade
from dreamr.statistics.risk import RiskTest, risk_test
from dreamr.traces import Trace

WAVE = 4  # problems that are answered before the next look at the test, in times of those under way at once
Key = tuple[str, str]  # benchmark and question


class Candidates:
    """The thresholds to try, each with the answers to the calibration problems that are there."""

    def __init__(
        self, job: CalibrateJob, work: Work, reference: Mapping[Key, Trace], questions: Mapping[Key, Question]
    ) -> None:
        """`work` is that of the job's answers; `reference` are the target's own, `questions` those they answer."""
        self.job, self.work, self.questions = job, work, questions
        alphas = {name: alpha for name, cell in job.answers.cells.items() if (alpha := cell.method.alpha)}
        self.alphas = dict(sorted(alphas.items(), key=lambda one: one[1], reverse=True))
        self._right = cache(self._graded)
        self._reference = {key: trace_grade(trace, questions[key]).correct for key, trace in reference.items()}

    def losses(self, name: str) -> list[float]:
        """Whether the target is right minus whether the method is, by problem, as far as all are answered."""
        return list(self._losses(name))

    def _losses(self, name: str) -> Iterator[float]:
        for asked in self.work.questions:
            if asked.key("batched") not in self.work.files[name].traces:
                return
            yield float(self._reference[asked.benchmark, asked.question]) - float(self._right(name, asked))

    def _graded(self, name: str, asked: Asked) -> bool:
        trace = self.work.files[name].traces[asked.key("batched")]
        return trace_grade(trace, self.questions[asked.benchmark, asked.question]).correct

    def tests(self) -> dict[str, RiskTest]:
        """Each candidate's test in their order, up to the first that is not certified, or not yet."""
        promised, found = self.job.guarantee, dict[str, RiskTest]()
        for name in self.alphas:
            test = risk_test(self.losses(name), promised.risk, 1 - promised.confidence, promised.problems)
            found[name] = test
            if test.decision != "certified":
                break
        return found

    def waiting(self) -> tuple[str, list[Asked]] | None:
        """The candidate whose test goes on, and the problems that it needs next; None where all is decided."""
        name, test = list(self.tests().items())[-1]
        if test.decision != "open":
            return None
        wave = WAVE * self.job.answers.generation.concurrency
        return name, self.work.questions[test.problems : test.problems + wave]

    async def answer(self) -> None:
        """Answer what the tests need, until they are decided."""
        concurrency = self.job.answers.generation.concurrency
        async with opened(self.work) as (_, cells):
            by_name = {cell.name: cell for cell in cells}
            with tqdm(unit="question", mininterval=5.0) as bar:
                while waiting := self.waiting():
                    name, asked = waiting
                    bar.set_description(name)
                    await answer_batched(by_name[name], asked, self.work.limits, concurrency, bar.update)

    def certificate(self) -> Certificate:
        """What was found, once all is decided."""
        tested = tuple(self._tested(name, test) for name, test in self.tests().items())
        certified = [one.alpha for one in tested if one.certified]
        answers, promised = self.job.answers, self.job.guarantee
        return Certificate(
            method=self.job.method,
            target=answers.target.name,
            draft=answers.draft,
            drafter=self.job.drafter,
            replicate=answers.replicate,
            **promised.model_dump(),
            tested=tested,
            alpha=certified[-1] if certified else None,
            models={name: model_digest(self.work.models / name) for name in (answers.target.name, self.job.drafter)},
        )

    def _tested(self, name: str, test: RiskTest) -> Trial:
        losses = self.losses(name)[: test.problems]
        return Trial(
            alpha=self.alphas[name],
            problems=test.problems,
            lost=sum(loss > 0 for loss in losses),
            won=sum(loss < 0 for loss in losses),
            loss=test.loss,
            p=test.p,
            certified=test.decision == "certified",
        )
