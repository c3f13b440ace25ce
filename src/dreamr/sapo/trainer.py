"""SAPO on TRL: GRPO on a draft, with the deployed target in the loop.

The only file that imports trl. Prompts, images, steps and verdicts are those of the evaluation; draft and target
exchange text, so they may be of different families.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from anyio.from_thread import start_blocking_portal
from datasets import Dataset
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar
from trl import GRPOConfig, GRPOTrainer

from dreamr.data.sampling import drawn
from dreamr.engines.chat import user_parts
from dreamr.engines.images import load_image
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.errors import Interrupted, UserError
from dreamr.planning.jobs import TrainJob
from dreamr.prompts import question_prompt
from dreamr.records import Question
from dreamr.sapo import rewards
from dreamr.sapo.callbacks import Bar, Schedule, Stop
from dreamr.sapo.judging import Answer, verdicts

Judge = Callable[[list[Answer]], list[list[bool]]]


def train(job: TrainJob, models: Path, data: Path, work: Path) -> GRPOTrainer:
    """Train the draft, going on from the newest complete checkpoint in `work`; returns the trainer that did it.

    Told to stop (SIGTERM, which a cluster sends ahead of a job's time limit), it writes a checkpoint first.
    """
    disable_progress_bar()  # of loading and saving; the training has its own
    questions = drawn(data, job.sapo.training_sets, job.sapo.questions, job.generation.seed)
    seen = draft_devices(job)
    with deployed_target(job, models) as judge:
        os.environ.update(seen)
        trainer = make_trainer(job, models / job.draft.name, questions, str(data.resolve()), judge, work)
        stop = Stop(job.sapo.updates)
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
    if stop.told and trainer.state.global_step < trainer.state.max_steps:
        raise Interrupted(f"told to stop; the checkpoint of step {trainer.state.global_step} is kept")
    return trainer


# -- the devices and the target


def draft_devices(job: TrainJob) -> dict[str, str]:
    """What lets this process see only the GPUs that the target leaves to the draft; nothing on the CPU.

    To be set once the target's engine runs, which chooses among all of the job's GPUs.
    """
    if job.device == "cpu":
        return {}
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
    left = job.target.engine.leaves(gpus)
    if not left:
        raise UserError(
            f"{job.name}: the target {job.target.name} takes all of the job's GPUs ({', '.join(gpus) or 'none'}), none "
            "is left for the draft; see resources.train.gpus and the target's engine"
        )
    return {"CUDA_VISIBLE_DEVICES": ",".join(left)}


@contextmanager
def deployed_target(job: TrainJob, models: Path) -> Iterator[Judge]:
    """The target's engine, behind a function that judges all steps of a batch at once."""
    engine = VllmEngine(models, job.target, job)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(engine) as target:
        yield lambda answers: portal.call(verdicts, target, job.sapo.alpha, answers)


# -- the rewards, as TRL asks for them


class Rewards:
    """Scores a batch of completions; `question` is a column of the data."""

    def __init__(self, folder: str, judge: Judge, budget: int, thinking: bool) -> None:
        self._folder, self._judge, self._budget, self._thinking = folder, judge, budget, thinking

    def outcome(
        self, completions: list[Any], completion_ids: list[list[int]], question: list[str], **_: Any
    ) -> list[float]:
        return [
            rewards.outcome(
                Question.model_validate_json(row), said(completion), len(ids) < self._budget, self._thinking
            )
            for row, completion, ids in zip(question, completions, completion_ids, strict=True)
        ]

    def alignment(
        self, completions: list[Any], question: list[str], log_metric: Callable[..., None], **_: Any
    ) -> list[float]:
        begin = time.perf_counter()
        prompts = (question_prompt(Question.model_validate_json(row), self._folder) for row in question)
        steps = (rewards.written_steps(said(completion)) for completion in completions)
        accepted = self._judge(list(zip(prompts, steps, strict=True)))
        log_metric("acceptance", sum(map(sum, accepted)) / max(1, sum(map(len, accepted))))
        log_metric("alignment_seconds", time.perf_counter() - begin)
        return [rewards.alignment(row) for row in accepted]

    def length(self, completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [rewards.length(len(ids), self._budget) for ids in completion_ids]


def said(completion: list[dict[str, str]]) -> str:
    """The text of a completion as TRL holds it."""
    return completion[0]["content"]


# -- the trainer


class Grpo(GRPOTrainer):
    """TRL's trainer for all families."""

    def _get_per_token_logps_and_entropies(self, *inputs: Any, batch_num_images: Any = None, **named: Any) -> Any:
        """TRL 1.16 passes on all that a processor gives, but takes no LLaVA key; of one image it says nothing."""
        if batch_num_images is not None and (batch_num_images != 1).any():
            raise UserError(
                f"this draft's family is trained on one image a question, not on {batch_num_images.tolist()}"
            )
        return super()._get_per_token_logps_and_entropies(*inputs, **named)


def make_trainer(
    job: TrainJob, draft: Path, questions: Sequence[Question], folder: str, judge: Judge, work: Path
) -> GRPOTrainer:
    """GRPO as the paper describes it: clipped ratios, advantages by group, losses averaged per completion."""
    scored = Rewards(folder, judge, job.generation.answer_tokens, job.draft.thinking)
    trust = {"trust_remote_code": job.draft.trust_remote_code}
    processor = AutoProcessor.from_pretrained(draft, **trust)
    # TRL pads prompts on the left, but the types of their tokens on the tokenizer's own side; with the other side a
    # Qwen-VL draft would be trained on wrong positions, without an error.
    processor.tokenizer.padding_side = "left"
    trainer = Grpo(
        model=AutoModelForImageTextToText.from_pretrained(
            draft,
            dtype=torch.float32,
            # Split by layers over all GPUs in sight: copies of it on each are what TRL refuses.
            device_map="auto" if job.device == "cuda" else None,
            **trust,
        ),
        processing_class=processor,
        args=arguments(job, work),
        reward_funcs=[getattr(scored, name) for name in rewards.REWARDS],
        train_dataset=as_dataset(job, questions, folder),
    )
    freeze_vision(trainer.model)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Bar())
    trainer.add_callback(Schedule(job, trainer))
    return trainer


def freeze_vision(model: Any) -> None:
    """A few thousand completions teach a draft what to write, not what to see (our decision)."""
    tower = model.get_encoder("image")
    if tower is model:
        raise UserError(f"{type(model).__name__}: transformers knows no vision tower in it, so none can be frozen")
    tower.requires_grad_(False)


def arguments(job: TrainJob, work: Path) -> GRPOConfig:
    """TRL's settings for this job."""
    spec = job.sapo
    on_gpu = job.device == "cuda"
    return GRPOConfig(
        output_dir=str(work),
        # The algorithm. `loss_type` "grpo" averages within a completion first, as equation 4 does. Each reward is
        # normalized within its group before the weights apply, so that 1:1:1 means equal influence (our decision).
        loss_type="grpo",
        multi_objective_aggregation="normalize_then_sum",
        num_generations=spec.group,
        temperature=spec.temperature,
        max_completion_length=job.generation.answer_tokens,
        num_iterations=spec.updates,
        epsilon=spec.clip,
        beta=spec.kl,
        trust_remote_code=job.draft.trust_remote_code,  # of the reference model, which TRL loads itself
        learning_rate=spec.learning_rate,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.micro_batch,
        gradient_accumulation_steps=spec.completions // (spec.micro_batch * spec.ranks),
        seed=job.generation.seed,
        # The device. Transformers generates: vLLM inside TRL 1.16 expands image tokens twice (its issue 6294).
        use_cpu=not on_gpu,
        bf16=on_gpu,
        gradient_checkpointing=on_gpu,
        # Logs and checkpoints.
        logging_steps=1,
        save_steps=spec.checkpoint_steps * spec.updates,  # between batches: completions are not saved
        save_total_limit=1,
        report_to=[],
    )


def as_dataset(job: TrainJob, questions: Sequence[Question], folder: str) -> Dataset:
    """One row per question; images are read when a batch needs them."""

    def rows(batch: dict[str, list[str]]) -> dict[str, list[Any]]:
        prompts = [question_prompt(Question.model_validate_json(row), folder) for row in batch["question"]]
        return {
            "prompt": [[{"role": "user", "content": user_parts(prompt.user)}] for prompt in prompts],
            "images": [[load_image(path, job.images) for path in prompt.images] for prompt in prompts],
            "question": batch["question"],
        }

    return Dataset.from_dict({"question": [question.model_dump_json() for question in questions]}).with_transform(rows)


def newest_checkpoint(work: Path) -> str | None:
    """The newest checkpoint that was written to its end (the state comes last), else None."""
    states = sorted(work.glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    for checkpoint in work.glob("checkpoint-*"):
        if not (checkpoint / "trainer_state.json").exists():
            shutil.rmtree(checkpoint)
    return str(states[-1].parent) if states else None
