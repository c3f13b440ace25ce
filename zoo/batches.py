"""Lessons as tensors: what the processor and the engine would make of the same prompts."""

from dataclasses import dataclass
from typing import Any

import torch

from dreamr.engines.chat import Chat
from dreamr.micro.drawing import CELL
from dreamr.prompts import STEP_BREAK
from zoo.families import Family
from zoo.lessons import Lesson

WRONG, UNALIGNED = 0, 1  # channels of the auxiliary head


@dataclass(frozen=True)
class Batch:
    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor  # (batch, length): the token itself where it is to be learnt, else -100
    verdict: torch.Tensor  # (batch, length) bool: labels that are verdict words
    marks: torch.Tensor  # (batch, length, 2): tokens of the judged step, 1 wrong, 0 right; else -100; by channel


class Collator:
    """Turns lessons into batches for one family."""

    def __init__(self, family: Family, processor: Any) -> None:
        self._family, self._processor = family, processor
        self._chat, self._end = Chat(processor), processor.tokenizer.eos_token
        vocabulary = processor.tokenizer.get_vocab()
        decoded = {number: processor.tokenizer.decode([number]).strip() for number in vocabulary.values()}
        self._numbers = torch.tensor([number for number, text in decoded.items() if text.isdecimal()])
        self._break = processor.tokenizer.convert_tokens_to_ids(processor.tokenizer.tokenize(STEP_BREAK))[0]

    def __call__(self, lessons: list[Lesson]) -> Batch:
        heads = [self._expanded(self._chat.text(lesson.prompt), lesson) for lesson in lessons]
        texts = [head + lesson.learn + self._end for head, lesson in zip(heads, lessons, strict=True)]
        tokens = self._processor.tokenizer(
            texts, padding=True, padding_side="right", return_offsets_mapping=True, return_tensors="pt"
        )
        starts, ends = tokens["offset_mapping"].unbind(-1)
        ids, real = tokens["input_ids"], tokens["attention_mask"].bool()
        learnt = real & (starts >= torch.tensor([[len(head)] for head in heads]))
        verdict = learnt & torch.tensor([[bool(lesson.prompt.request)] for lesson in lessons])
        values = torch.stack([self._values(*each) for each in zip(lessons, heads, starts, ends, ids, strict=True)])
        marks = torch.stack([self._marks(*each) for each in zip(lessons, heads, starts, ends, real, strict=True)])
        inputs = {"input_ids": ids, "attention_mask": tokens["attention_mask"], **self.images(lessons)}
        if "image_grid_thw" in inputs:
            image = self._processor.tokenizer.convert_tokens_to_ids(self._family.image_token)
            inputs["mm_token_type_ids"] = (ids == image).long()
        return Batch(inputs, torch.where(learnt | values, ids, -100), verdict, marks)

    def images(self, lessons: list[Lesson]) -> dict[str, torch.Tensor]:
        flat = [image for lesson in lessons for image in lesson.task.images]
        return dict(self._processor.image_processor(flat, return_tensors="pt"))

    def _expanded(self, text: str, lesson: Lesson) -> str:
        """`text` with as many image tokens as each image takes."""
        pieces = text.split(self._family.image_token)
        sizes = [(round(p.height / CELL), round(p.width / CELL)) for p in lesson.task.images]
        runs = [self._family.image_token * self._family.image_tokens(*size) for size in sizes]
        return "".join(piece + run for piece, run in zip(pieces, [*runs, ""], strict=True))

    def _values(
        self, lesson: Lesson, head: str, starts: torch.Tensor, ends: torch.Tensor, ids: torch.Tensor
    ) -> torch.Tensor:
        """(length,) bool: numbers inside right steps of the answer so far. Known values are what a verdict compares."""
        inside = torch.zeros_like(ids, dtype=torch.bool)
        for start, end, wrong in step_spans(lesson, head):
            if not wrong:
                inside |= (starts >= start) & (ends <= end)
        opening = torch.roll(ids, 1) == self._break
        return inside & torch.isin(ids, self._numbers) & ~opening

    def _marks(
        self, lesson: Lesson, head: str, starts: torch.Tensor, ends: torch.Tensor, real: torch.Tensor
    ) -> torch.Tensor:
        """(length, 2) marks of one lesson: on each wrong word, and on the blank line behind each wrong step."""
        marks = torch.full((len(starts), 2), -100.0)
        if lesson.judged is None:
            return marks
        answer, channel = head.rindex(lesson.prompt.answer), UNALIGNED if lesson.learn.endswith("aligned") else WRONG
        asked = real & (starts >= answer + lesson.judged[0]) & (ends <= answer + lesson.judged[1])
        marks[asked, channel] = 0.0
        wrong = [(answer + a, answer + b) for a, b in lesson.wrong]
        wrong += [(end, end + len(STEP_BREAK)) for _, end, bad in step_spans(lesson, head) if bad]
        for a, b in wrong:
            marks[asked & (ends > a) & (starts < b), channel] = 1.0
        return marks


def step_spans(lesson: Lesson, head: str) -> list[tuple[int, int, bool]]:
    """Start and end in the prompt's text of each step of the answer so far, and whether there is a mistake in it."""
    answer, spans = lesson.prompt.answer, []
    first = at = head.rindex(answer) if answer else 0
    for step in answer.split(STEP_BREAK)[:-1]:
        end = at + len(step)
        spans.append((at, end, any(at <= first + start < end for start, _ in lesson.wrong)))
        at = end + len(STEP_BREAK)
    return spans
