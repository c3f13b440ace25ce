"""How good are the models of the zoo? Answers and steps on unseen handwriting, verdicts on the drafts' own steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from dreamr.engines.chat import Chat
from dreamr.micro import oracle
from dreamr.micro.rows import BENCHMARKS
from dreamr.prompts import ANSWER_MARK, STEP_BREAK, VERIFY, Prompt, verdict_prompt
from zoo.lessons import Task, tasks

BATCH = 32
ANSWER_TOKENS = 160


@dataclass(frozen=True)
class Judged:
    """A step as a draft wrote it behind right steps, and whether it is right."""

    task: Task
    steps: tuple[str, ...]
    right: bool


def unseen(seed: int, rounds: int) -> list[Task]:
    """Benchmark questions on handwriting that no training saw, about 18 a round."""
    return list(tasks("test", seed, rounds, tuple(BENCHMARKS)))


def loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoProcessor.from_pretrained(folder)


def _batches(processor: Any, prompts: list[tuple[Prompt, tuple[Any, ...]]]) -> Iterator[dict[str, torch.Tensor]]:
    chat = Chat(processor)
    for start in range(0, len(prompts), BATCH):
        group = prompts[start : start + BATCH]
        texts, images = [chat.text(prompt) for prompt, _ in group], [each for _, own in group for each in own]
        yield processor(text=texts, images=images, padding=True, return_tensors="pt")


@torch.no_grad()
def answers(model: Any, processor: Any, questions: list[Task]) -> list[str]:
    """Greedy answers."""
    written: list[str] = []
    for inputs in _batches(processor, [(task.prompt, task.images) for task in questions]):
        out = model.generate(**inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False)
        written += processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return written


def correct(task: Task, answer: str) -> bool:
    return answer.split(STEP_BREAK)[-1].strip() == f"{ANSWER_MARK} {task.truth.gold}"


def judged_steps(task: Task, answer: str) -> Iterator[Judged]:
    """The steps of an answer up to its first wrong one."""
    steps = [step for step in answer.split(STEP_BREAK) if step.strip()]
    for k, step in enumerate(steps):
        right = oracle.is_right(task.truth, step, steps[:k])
        yield Judged(task, tuple(steps[: k + 1]), right)
        if not right:
            return


@torch.no_grad()
def margins(model: Any, processor: Any, steps: list[Judged]) -> np.ndarray:
    """log p(positive) - log p(negative) for the last step of each."""
    words = [processor.tokenizer(word, add_special_tokens=False).input_ids for word in ("positive", "negative")]
    assert all(len(ids) == 1 for ids in words), words
    prompts = [(verdict_prompt(each.task.prompt, each.steps, VERIFY), each.task.images) for each in steps]
    found = []
    for inputs in _batches(processor, prompts):
        logits = model(**inputs, logits_to_keep=1).logits[:, -1]
        found.append((logits[:, words[0][0]] - logits[:, words[1][0]]).float().numpy())
    return np.concatenate(found)


def answering(model: Any, processor: Any, questions: list[Task]) -> tuple[dict[str, float], list[Judged]]:
    """Shares of right answers by benchmark and of right steps; and the judged steps."""
    written = answers(model, processor, questions)
    right = [correct(task, answer) for task, answer in zip(questions, written, strict=True)]
    report = {"answers": float(np.mean(right))}
    for name in BENCHMARKS:
        report[name] = float(np.mean([ok for ok, task in zip(right, questions, strict=True) if task.benchmark == name]))
    steps = [each for task, answer in zip(questions, written, strict=True) for each in judged_steps(task, answer)]
    count = [len(answer.split(STEP_BREAK)) for answer in written]
    tokens = [len(processor.tokenizer(answer).input_ids) for answer in written]
    report |= {"steps": float(np.mean([each.right for each in steps])), "steps_per_answer": float(np.mean(count))}
    return report | {"tokens_per_answer": float(np.mean(tokens))}, steps


def judging(model: Any, processor: Any, steps: list[Judged], alpha: float = 0.7) -> dict[str, float]:
    """Area under the ROC of rho, and the shares of right and of wrong steps accepted at `alpha`."""
    rho = 1 / (1 + np.exp(-margins(model, processor, steps)))
    right = np.array([each.right for each in steps])
    return {
        "auc": float(roc_auc_score(right, rho)),
        "accepted_right": float((rho[right] > alpha).mean()),
        "accepted_wrong": float((rho[~right] > alpha).mean()),
        "steps": len(steps),
        "wrong": int((~right).sum()),
    }
