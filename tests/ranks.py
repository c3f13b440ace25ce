"""One training by the real trainer and engine, verdicts by the length of a step: started as so many ranks by torchrun.

    torchrun --nproc-per-node 2 tests/ranks.py \
        '{"spec": ..., "models": ..., "data": ..., "work": ..., "out": ..., "until": 0, "shares": false, "bf16": false}'

OUT gets, of the first rank, the weights at the end and the log; of each rank what it trained on, batch by batch, and
what it gathers at once of the draft and of its reference model.
"""

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from trainings import ByLength

from dreamr.planning.jobs import TrainJob
from dreamr.runtime.processes import first_rank


def served(job: TrainJob, models: Path, stack: ExitStack) -> Any:
    """The engines of a training, the target's in name only."""
    from anyio.from_thread import start_blocking_portal

    from dreamr.engines.vllm.rollouts import RolloutEngine
    from dreamr.sapo.serving import Served

    portal = stack.enter_context(start_blocking_portal())
    engine = RolloutEngine(models, job.draft, job)
    return Served(job, portal, stack.enter_context(portal.wrap_async_context_manager(engine)), ByLength())


def main(spec: str, models: str, data: str, work: str, out: str, until: int, shares: bool, bf16: bool) -> None:
    from safetensors.torch import save_file
    from torch.distributed.tensor import DTensor

    from dreamr.data.sampling import drawn
    from dreamr.sapo import trainer as training

    job = TrainJob.model_validate_json(spec)
    with ExitStack() as stack:
        os.environ.update(training.draft_devices(job))
        engines = served(job, Path(models), stack) if first_rank() else None
        if shares:
            share_on_cpus()
        if bf16:
            compute_in_16_bits()
        questions = drawn(Path(data), job.sapo.training_sets, job.sapo.questions, job.generation.seed)
        trainer = training.make_trainer(job, Path(models) / job.draft.name, questions, data, engines, Path(work))
        begin = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
        batches, passes = recorded(trainer), averaged(trainer)
        stop_at(trainer, until)
        trainer.train(resume_from_checkpoint=training.newest_checkpoint(Path(work)))
        assert shares == any(isinstance(one, DTensor) for one in trainer.model_wrapped.parameters())
        weights = training.full_weights(trainer)
    told = {"batches": batches, "passes": passes, "draft": units(trainer.model), "reference": units(trainer.ref_model)}
    Path(f"{out}.{os.environ.get('RANK', 0)}.json").write_text(json.dumps(told))
    if first_rank():
        save_file({name: weight.clone() for name, weight in weights.items()}, f"{out}.safetensors")
        save_file({name: (weights[name] - begin[name]).clone() for name in weights}, f"{out}.moved.safetensors")
        Path(f"{out}.log.json").write_text(json.dumps(trainer.state.log_history))


def share_on_cpus() -> None:
    """Let ranks on a CPU hold shares as they do on GPUs: accelerate 1.x has FSDP for devices that are none."""
    import torch
    from accelerate import DistributedType, PartialState

    from dreamr.sapo import trainer

    def on_cpu(state: PartialState) -> None:
        state.device = torch.device("cpu")

    trainer.holds_shares = lambda _: True
    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)
    PartialState.set_device = on_cpu


def compute_in_16_bits() -> None:
    """Have the trainer compute in bfloat16 as it does on GPUs, whether it holds shares or not."""
    from dreamr.sapo import trainer

    made = trainer.GRPOConfig
    trainer.GRPOConfig = lambda **settings: made(**settings | {"bf16": True})


def units(model: Any) -> list[str]:
    """The classes of the modules whose weights are gathered together, the model itself last."""
    from torch.distributed.fsdp import FSDPModule

    found = [] if model is None else [type(one).__name__ for one in model.modules() if isinstance(one, FSDPModule)]
    return [*found[1:], *found[:1]]


def recorded(trainer: Any) -> list[dict[str, Any]]:
    """What this rank trains on, batch by batch."""
    score, batches = trainer._generate_and_score_completions, []

    def kept(inputs: Any) -> Any:
        batch = score(inputs)
        mask = batch["completion_mask"].bool()
        ids = [row[seen].tolist() for row, seen in zip(batch["completion_ids"], mask, strict=True)]
        batches.append({"completions": ids, "advantages": batch["advantages"].tolist()})
        return batch

    trainer._generate_and_score_completions = kept
    return batches


def averaged(trainer: Any) -> list[bool]:
    """Of each pass, whether each trained weight has its gradient behind it, as it is averaged over the ranks."""
    step, passes = trainer.training_step, []

    def kept(model: Any, inputs: Any, *others: Any) -> Any:
        loss = step(model, inputs, *others)
        passes.append(all(one.grad is not None for one in model.parameters() if one.requires_grad))
        return loss

    trainer.training_step = kept
    return passes


def stop_at(trainer: Any, step: int) -> None:
    """End as a training does that is told to stop: with a checkpoint behind this step. 0: never."""
    from dreamr.sapo.callbacks import Stop

    class Told(Stop):
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self.told = first_rank() and state.global_step >= step > 0  # one rank is told, all end
            super().on_step_end(args, state, control, **others)

    trainer.add_callback(Told(trainer.num_iterations))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
