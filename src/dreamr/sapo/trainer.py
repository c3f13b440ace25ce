"""SAPO on TRL: GRPO on a draft, with the deployed target in the loop.

The only file that imports trl. Prompts, images, steps and verdicts are those of the evaluation; draft and target
exchange text, so they may be of different families. One process or several train, by the same path: the first owns the
engines in which the draft writes and the target judges, and each takes its share of every batch's losses.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import (
    RepeatSampler,
    add_fused_lm_head,
    split_pixel_values_by_grid,
    split_tensor_dict,
    unsplit_pixel_values_by_grid,
)

from dreamr.data.sampling import asked
from dreamr.engines.chat import user_parts
from dreamr.engines.images import load_image
from dreamr.errors import Interrupted, UserError
from dreamr.models.folders import in_type, save_like
from dreamr.models.loading import load_model, load_processor, restore, vision_tower
from dreamr.planning.jobs import TrainJob
from dreamr.prompts import Prompt, question_prompt
from dreamr.records import Question
from dreamr.runtime.processes import GROWING, first_rank
from dreamr.sapo import rewards
from dreamr.sapo.callbacks import Bar, Schedule, Stop
from dreamr.sapo.judging import Answer
from dreamr.sapo.padding import cut_padding, longest_first
from dreamr.sapo.ranks import COLLECTIVE_TIMEOUT_S, leave, on_first
from dreamr.sapo.rollouts import Rollouts, check_room
from dreamr.sapo.serving import Served, engines
from dreamr.sapo.shares import gather_head, share, share_settings


class Trained(NamedTuple):
    """What a training ends with. The weights are on the first rank, in the memory of its CPU."""

    model: Any
    weights: Mapping[str, torch.Tensor]
    state: Any


def train(job: TrainJob, models: Path, data: Path, work: Path) -> Trained:
    """Train the draft, going on from the newest complete checkpoint in `work`.

    Told to stop (SIGTERM, which a cluster sends ahead of a job's time limit, or Ctrl-C), it writes a checkpoint first.
    """
    disable_progress_bar()  # of loading and saving; the training has its own
    questions = [question for questions in asked(data, job.drawing).values() for question in questions]
    seen = draft_devices(job)
    check_room(models / job.draft.name, job.sapo.rollouts.dtype)
    # The engines start before the ranks meet: one that is forked from a process that has met others waits for ever.
    with engines(job, models) if first_rank() else nullcontext() as served:
        os.environ.update(seen | (GROWING if job.device == "cuda" else {}))
        trainer = make_trainer(job, models / job.draft.name, questions, str(data.resolve()), served, work)
        stop = Stop(job.sapo.updates)
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
        trained = Trained(trainer.model, full_weights(trainer), trainer.state)
        leave()
    if stop.told and trainer.state.global_step < trainer.state.max_steps:
        raise Interrupted(f"told to stop; the checkpoint of step {trainer.state.global_step} is kept")
    return trained


# -- devices


def draft_devices(job: TrainJob) -> dict[str, str]:
    """What lets a rank see only the GPUs that the engines leave to the training.

    To be set once the engines run, which choose among all of the job's GPUs. Where they hold every one of them, the
    ranks share those of the rollouts, whose engine rests while they train; its `memory` decides what is left.
    """
    if job.device == "cpu":
        return {"ACCELERATE_TORCH_DEVICE": "cpu"}  # among several ranks it would be cpu:0, where torch restores nothing
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
    written = job.sapo.rollouts.leaves(gpus)
    left = [gpu for gpu in job.target.engine.leaves(gpus) if gpu in written] or [
        gpu for gpu in gpus if gpu not in written
    ]
    if len(left) < job.sapo.ranks:
        raise UserError(
            f"{job.name}: the engines leave the GPUs {', '.join(left) or 'none'} of {', '.join(gpus) or 'none'}, "
            f"{job.sapo.ranks} ranks need one each; see resources.train.gpus, sapo.ranks, sapo.rollouts and the "
            "target's engine"
        )
    return {"CUDA_VISIBLE_DEVICES": ",".join(left[: job.sapo.ranks])}


# -- the rewards, as TRL asks for them


class Rewards:
    """Scores a batch of completions; `question` is a column of the data. `served` judges, on the first rank alone."""

    def __init__(self, folder: str, served: Served | None, budget: int, thinking: bool) -> None:
        self._folder, self._served, self._budget, self._thinking = folder, served, budget, thinking

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
        def judged(answers: Sequence[Answer]) -> list[list[bool]]:
            assert self._served
            begin = time.perf_counter()
            accepted = self._served.verdicts(answers)
            log_metric("acceptance", sum(map(sum, accepted)) / max(1, sum(map(len, accepted))))
            log_metric("alignment_seconds", time.perf_counter() - begin)
            return accepted

        prompts = (_prompt(row, self._folder) for row in question)
        steps = (rewards.written_steps(said(completion)) for completion in completions)
        return [rewards.alignment(row) for row in on_first(judged, list(zip(prompts, steps, strict=True)))]

    def length(self, completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [rewards.length(len(ids), self._budget) for ids in completion_ids]


def said(completion: list[dict[str, str]]) -> str:
    """The text of a completion as TRL holds it."""
    return completion[0]["content"]


# -- the trainer


class EpochSampler(RepeatSampler):
    """TRL's order of questions, but each epoch's is drawn by seed and epoch: TRL's goes on from the epoch before, so
    that a training resumed in its second epoch would be given the first one's again."""

    def __init__(self, order: RepeatSampler, epoch: Callable[[], int]) -> None:
        self.__dict__ |= vars(order)
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(self.seed + self._epoch())
        yield from super().__iter__()


class Grpo(GRPOTrainer):
    """TRL's trainer for all families, with rollouts by an engine of ours. Written for TRL 1.16."""

    vllm_generation: Rollouts
    _buffered_inputs: list[dict[str, Any]] | None

    def draw_from(self, served: Served | None, write: Callable[[Path], None], folder: str) -> None:
        """Have completions written by `served` instead of the model itself; `write` puts weights into a folder."""
        self._questions_folder = folder
        self.vllm_generation = Rollouts(served, write, lambda: self.state.global_step)
        self.use_vllm, self._last_loaded_step = True, -1

    def hold_to(self, reference: Any, kl: float) -> None:
        """Keep the draft near `reference`, by the weight `kl`.

        TRL's own reference is loaded over all GPUs that a rank sees, and then gathered whole in each of its passes.
        """
        add_fused_lm_head(reference, self.temperature)
        cut_padding(reference)
        if self.is_fsdp_enabled:
            self.ref_model = share(reference, self.accelerator)
        else:
            self.ref_model = self.accelerator.prepare_model(reference, evaluation_mode=True)
        self.beta = kl

    def _get_train_sampler(self, dataset: Dataset | None = None) -> EpochSampler:
        return EpochSampler(super()._get_train_sampler(dataset), lambda: int(self.state.epoch or 0))

    def _prepare_inputs(self, generation_batch: list[dict[str, Any]]) -> dict[str, Any]:
        """TRL's own, but that its passes are over completions of like lengths where TRL's are over any."""
        passes = self.args.steps_per_generation
        if self._step % (passes * self.num_iterations) == 0 or self._buffered_inputs is None:
            batch = split_pixel_values_by_grid(self._generate_and_score_completions(generation_batch))
            parts = split_tensor_dict(longest_first(batch), passes)
            self._buffered_inputs = [unsplit_pixel_values_by_grid(part) for part in parts]
        inputs: dict[str, Any] = self._buffered_inputs[self._step % passes]
        return inputs

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        self.vllm_generation.prompts = [_prompt(row["question"], self._questions_folder) for row in inputs]
        return super()._generate_and_score_completions(inputs)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            restore(self.model, Path(resume_from_checkpoint))

    def _get_per_token_logps_and_entropies(self, *inputs: Any, batch_num_images: Any = None, **named: Any) -> Any:
        """TRL 1.16 passes on all that a processor gives, but takes no LLaVA key; of one image it says nothing."""
        if batch_num_images is not None and (batch_num_images != 1).any():
            raise UserError(
                f"this draft's family is trained on one image a question, not on {batch_num_images.tolist()}"
            )
        return super()._get_per_token_logps_and_entropies(*inputs, **named)


def make_trainer(
    job: TrainJob, draft: Path, questions: Sequence[Question], folder: str, served: Served | None, work: Path
) -> Grpo:
    """GRPO as our sources describe it: clipped ratios, advantages by group, losses averaged per completion.

    `served` are the engines, None on all ranks but the first.
    """
    scored = Rewards(folder, served, job.generation.answer_tokens, job.draft.thinking)
    trusted = job.draft.trust_remote_code
    # TRL pads prompts on the left, but the types of their tokens on the tokenizer's own side; with the other side a
    # Qwen-VL draft would be trained on wrong positions, without an error.
    processor = load_processor(draft, trusted)
    model = load_model(draft, trusted, dtype=torch.float32)
    trainer = Grpo(
        model=model,
        processing_class=processor,
        args=arguments(job, work, model),
        reward_funcs=[getattr(scored, name) for name in rewards.REWARDS],
        train_dataset=fitting(job, processor, as_dataset(job, questions, folder)),
    )

    def write(to: Path) -> None:
        weights = full_weights(trainer)
        if first_rank():
            save_like(trainer.model, in_type(weights, getattr(torch, job.sapo.rollouts.dtype)), draft, to)

    trainer.draw_from(served, write, folder)
    vision_tower(model).requires_grad_(False)  # few completions teach what to write, not to see (our decision)
    cut_padding(model)
    if holds_shares(job):
        gather_head(model)
    if job.sapo.kl:
        trainer.hold_to(load_model(draft, trusted, dtype=torch.float32), job.sapo.kl)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Bar())
    trainer.add_callback(Schedule(job, trainer))
    return trainer


def full_weights(trainer: GRPOTrainer) -> Mapping[str, torch.Tensor]:
    """All weights of the draft, on the first rank. All ranks take part, since each may hold a share."""
    weights: Mapping[str, torch.Tensor] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    return weights


def _prompt(question: str, folder: str) -> Prompt:
    return question_prompt(Question.model_validate_json(question), folder)


def arguments(job: TrainJob, work: Path, model: Any) -> GRPOConfig:
    """TRL's settings for this job and its draft."""
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
        chat_template_kwargs=dict(job.draft.chat_template_kwargs) or None,
        max_completion_length=job.generation.answer_tokens,
        num_iterations=spec.updates,
        epsilon=spec.clip,
        beta=0,  # else TRL loads a reference model, which `Grpo.hold_to` brings
        # Engine and trainer are one model but for rounding, which is corrected token by token: over thousands of tokens
        # in 16 bits TRL's default, the ratio of a whole completion, would drop or shrink many of them (our decision).
        vllm_importance_sampling_mode="token_truncate",
        learning_rate=spec.learning_rate,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.micro_batch,
        gradient_accumulation_steps=spec.completions // (spec.micro_batch * spec.ranks),
        seed=job.generation.seed,
        use_cpu=not on_gpu,
        bf16=on_gpu,
        ddp_timeout=COLLECTIVE_TIMEOUT_S,
        **(share_settings(model) if holds_shares(job) else {"gradient_checkpointing": on_gpu}),
        # Logs and checkpoints.
        logging_steps=1,
        save_steps=spec.checkpoint_steps * spec.updates,  # between batches: completions are not saved
        save_total_limit=1,
        report_to=[],
    )


def holds_shares(job: TrainJob) -> bool:
    """Whether a rank holds a share of the draft: on GPUs, where it might not fit. On a CPU each holds a copy (DDP)."""
    return job.device == "cuda" and job.sapo.ranks > 1


def as_dataset(job: TrainJob, questions: Sequence[Question], folder: str) -> Dataset:
    """One row per question; images are read when a batch needs them."""

    def rows(batch: dict[str, list[str]]) -> dict[str, list[Any]]:
        prompts = [_prompt(row, folder) for row in batch["question"]]
        return {
            "prompt": [[{"role": "user", "content": user_parts(prompt.user)}] for prompt in prompts],
            "images": [[load_image(path, job.images) for path in prompt.images] for prompt in prompts],
            "question": batch["question"],
        }

    return Dataset.from_dict({"question": [question.model_dump_json() for question in questions]}).with_transform(rows)


def fitting(job: TrainJob, processor: Any, questions: Dataset) -> Dataset:
    """The questions that leave room for a whole answer, in the draft's own tokens. Others are counted in the log.

    UserError where those that are left make no batch.
    """

    def tokens(row: dict[str, Any]) -> int:
        told = dict(job.draft.chat_template_kwargs)
        text = processor.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True, **told)
        return len(processor(text=[text], images=row["images"] or None)["input_ids"][0])

    most = job.context_tokens - job.generation.answer_tokens
    kept = [place for place, row in enumerate(questions) if tokens(row) <= most]
    said = f"{job.name}: {len(questions) - len(kept)} of {len(questions)} questions are of more than {most} tokens"
    if len(kept) < job.sapo.batch:
        raise UserError(
            f"{said}: too few are left for a batch of {job.sapo.batch}. Raise context_tokens, or lower "
            "images.max_pixels or answer_tokens"
        )
    if first_rank() and len(kept) < len(questions):
        print(f"{said}, and left out")
    return questions.select(kept)


def newest_checkpoint(work: Path) -> str | None:
    """The newest checkpoint that was written to its end (the state comes last), else None."""
    states = sorted(work.glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    for checkpoint in work.glob("checkpoint-*"):
        if first_rank() and not (checkpoint / "trainer_state.json").exists():
            shutil.rmtree(checkpoint)
    return str(states[-1].parent) if states else None
