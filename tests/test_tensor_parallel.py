"""Two processes that share a model's weights, as GPUs do with `tensor_parallel: 2`, by the real engine on a CPU.

On a CPU the configuration has no use for that setting, so vLLM is told here. The two meet in shared memory, or by gloo
where the processor has no AVX-512. NCCL, and what GPUs compute, are not shown.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import psutil
import pytest
from anyio.from_thread import start_blocking_portal
from families import ZOO, family_folder
from trainings import drawn, eight_questions, job, trainers

from dreamr.engines.protocol import Meter
from dreamr.engines.vllm.rollouts import RolloutEngine
from dreamr.prompts import Prompt, continued, question_prompt
from dreamr.records import Question
from dreamr.verifiers.cpn import CpnVerifier

pytestmark = [pytest.mark.models, pytest.mark.slow]

# Nats of a log-probability, of any token and in the mean of a batch, as between a trainer and one worker.
ROUNDING, MEAN_ROUNDING = 5e-3, 1e-4
RHO = 1e-4  # two shares are summed in another order
STEPS = ("Row 1 column 1 is 3.", "Row 1 column 2 is 4.", "3 + 4 = 7.")


class Shared(RolloutEngine):
    """Served by two processes, each with its share of every layer."""

    _arguments = MappingProxyType({**RolloutEngine._arguments, "tensor_parallel_size": 2})


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    return eight_questions(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def prompts(questions: list[Question]) -> list[Prompt]:
    return [question_prompt(question, question.origin) for question in questions]


@pytest.fixture(scope="module", params=["q3vl-2l", "mimo-untied"])
def trained(
    request: pytest.FixtureRequest, questions: list[Question], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A trained draft for which two workers wrote. They hold its last weights, which lie in `models`/new as well.

    They were spawned, as on GPUs; engines of other tests are forked, which is faster.
    """
    from dreamr.engines.vllm import launch, rollouts

    models = tmp_path_factory.mktemp("models")
    family_folder(models, request.param)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(launch, "_fork_if_possible", lambda: None)
        patch.setattr(rollouts, "RolloutEngine", Shared)
        made = stack.enter_context(trainers(models, questions))
        trainer = made(request.param, tmp_path_factory.mktemp("work"), learning_rate=1e-4)
        patch.undo()
        trainer.train()
        trainer.vllm_generation.sync_weights()
        written(trainer, models / request.param, models / "new")
        served = trainer.vllm_generation._served
        yield SimpleNamespace(trainer=trainer, models=models, engine=served._draft, portal=served._portal)


def written(trainer: Any, source: Path, folder: Path) -> None:
    """Save a trainer's weights in the trainer's own type."""
    import torch

    from dreamr.models.folders import in_type, save_like
    from dreamr.sapo.trainer import full_weights

    save_like(trainer.model, in_type(full_weights(trainer), torch.float32), source, folder)


def test_each_share_has_a_process_that_was_started_anew(trained: SimpleNamespace) -> None:
    (core,) = processes(trained.engine)
    assert type(core).__name__ == "SpawnProcess" and len(workers(trained.engine)) == 2


def processes(engine: RolloutEngine) -> list[Any]:
    """Those that vLLM started for an engine; workers are started by them."""
    return list(engine._vllm._engine.engine_core.resources.engine_manager.processes)


def workers(engine: RolloutEngine) -> list[psutil.Process]:
    children = [child for core in processes(engine) for child in psutil.Process(core.pid).children()]
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def test_trainer_and_shares_are_one_model_after_every_update(trained: SimpleNamespace) -> None:
    logged = "sampling/sampling_logp_difference"
    batches = [entry for entry in trained.trainer.state.log_history if f"{logged}/max" in entry]
    assert len(batches) == 4
    assert max(entry[f"{logged}/max"] for entry in batches) < ROUNDING
    assert max(entry[f"{logged}/mean"] for entry in batches) < MEAN_ROUNDING


def test_new_weights_reach_every_share(trained: SimpleNamespace, prompts: list[Prompt]) -> None:
    """They draw what an engine draws that started with those weights."""
    new = job("new")
    with trained.portal.wrap_async_context_manager(Shared(trained.models, new.draft, new)) as fresh:
        ours, theirs = (trained.portal.call(drawn, engine, prompts) for engine in (trained.engine, fresh))
    for one, other in zip(ours, theirs, strict=True):
        assert one.ids == other.ids and one.logprobs == pytest.approx(other.logprobs, abs=MEAN_ROUNDING)


def test_two_shares_answer_and_judge_as_one_worker(trained: SimpleNamespace, prompts: list[Prompt]) -> None:
    new = job("new")
    with trained.portal.wrap_async_context_manager(RolloutEngine(trained.models, new.draft, new)) as one:
        compare(*(trained.portal.call(answers, engine, prompts) for engine in (trained.engine, one)))


@pytest.mark.instructions
def test_shares_of_experts_answer_and_judge_as_one_worker(prompts: list[Prompt]) -> None:
    """Each worker has a part of every expert."""
    moe = job("q3vl-moe")
    found, started = [], []
    with start_blocking_portal() as portal:
        for kind in (Shared, RolloutEngine):
            with portal.wrap_async_context_manager(kind(ZOO, moe.draft, moe)) as engine:
                found.append(portal.call(answers, engine, prompts))
                started.append(workers(engine))
    compare(*found)
    assert [*map(len, started)] == [2, 0] and not psutil.wait_procs(started[0], timeout=10)[1], "no worker stays"


async def answers(engine: RolloutEngine, prompts: list[Prompt]) -> tuple[list[str], list[float]]:
    """Greedy texts, and rho of each of some steps behind those before it."""
    texts = [(await engine.generate(prompt, stop="", max_tokens=96, meter=Meter())).text for prompt in prompts]
    asked = [(continued(prompt, STEPS[:place]), step) for prompt in prompts for place, step in enumerate(STEPS)]
    return texts, [(await CpnVerifier(0.7)(engine, prefix, step, "")).value for prefix, step in asked]


def compare(ours: tuple[list[str], list[float]], theirs: tuple[list[str], list[float]]) -> None:
    assert ours[0] == theirs[0] and len({*ours[0]}) > 1
    assert ours[1] == pytest.approx(theirs[1], abs=RHO) and len({*ours[1]}) == len(ours[1])
