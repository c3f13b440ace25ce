"""What lies on each GPU of a plan's jobs: engines with their shares, and the ranks of a training."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dreamr.planning.budget import generate_engines, pair
from dreamr.planning.costs import ServedModel, text, trained, training_engines
from dreamr.planning.plan import Plan, Training

# What an engine holds of a GPU outside of its share: CUDA's context and NCCL's buffers, which are there before it
# measures what is free (estimate; vLLM's gpu_worker.py takes its snapshot behind both).
BEYOND_SHARE_GB = 1.0


@dataclass(frozen=True)
class Holding:
    """What an engine or the ranks of a training hold; GB are those of each of their GPUs."""

    rule: str  # of the workflow
    models: str  # of the job
    holder: str  # target, draft, or ranks
    gpus: Sequence[int]
    weights_gb: float  # of ranks: parameters, gradients, Adam's moments and the plain draft
    rest_gb: float  # what an engine has left for keys and values; activations of ranks
    total_gb: float
    beyond_gb: float = 0  # of an engine: what it holds outside of that, its share
    answers: float | None = None  # of mean length, for how many an engine has room
    lacking_tokens: float = 0  # of one whole context


def holdings(plan: Plan) -> list[Holding]:
    """Each kind of job once, by its models, with the most engines that one of them has; nothing on a CPU."""
    if plan.config.device == "cpu":
        return []
    trainings = {pair(training.target, training.draft): training for training in plan.trainings.values()}
    parts = [part for models, training in trainings.items() for part in _training(plan, models, training)]
    kinds: dict[str, list[ServedModel]] = {}
    for group in plan.groups:
        models, engines = pair(group.target, group.draft), generate_engines(plan, group)
        kinds[models] = max(kinds.get(models, []), engines, key=len)
    for models, (target, *others) in kinds.items():
        parts.append(_engine(plan, "generate", models, "target", target))
        parts += [_engine(plan, "generate", models, "draft", engine) for engine in others]
    return parts


def _training(plan: Plan, models: str, training: Training) -> Iterator[Holding]:
    target, rollouts = training_engines(plan, training)
    yield _engine(plan, "train_sapo", models, "target", target)
    yield _engine(plan, "train_sapo", models, "draft", rollouts)
    draft, lengths = trained(plan, training), text(plan)
    tokens = plan.config.sapo.micro_batch * (lengths.prompt + lengths.longest)
    held, added = draft.held_gb, draft.activations_gb(tokens)
    yield Holding("train_sapo", models, "ranks", rank_gpus(plan, training), held, added, held + added)


def rank_gpus(plan: Plan, training: Training) -> list[int]:
    """The GPUs that the ranks train on: those that no engine holds; where engines hold all, those of the rollouts."""
    held = {gpu for engine in training_engines(plan, training) for gpu in engine.spec.held}
    left = [gpu for gpu in range(plan.config.resources["train"].gpus or 0) if gpu not in held]
    return (left or list(plan.config.sapo.rollouts.held))[: plan.config.sapo.ranks]


def _engine(plan: Plan, rule: str, models: str, holder: str, engine: ServedModel) -> Holding:
    return Holding(
        rule=rule,
        models=models,
        holder=holder,
        gpus=engine.spec.held,
        weights_gb=engine.weights_gb,
        rest_gb=engine.cache_gb,
        total_gb=engine.share_gb,
        beyond_gb=BEYOND_SHARE_GB,
        answers=engine.cached_tokens / (engine.text.prompt + engine.text.answer),
        lacking_tokens=max(0.0, plan.config.context_tokens - engine.cached_tokens) if engine.spec.held else 0.0,
    )


def fullest(parts: Sequence[Holding]) -> tuple[int, float]:
    """The GPU of a job on which most is held, and how many GB that is."""
    sums: dict[int, float] = defaultdict(float)
    for part in parts:
        for gpu in part.gpus:
            sums[gpu] += part.total_gb + part.beyond_gb
    return max(sums.items(), key=lambda one: one[1], default=(0, 0.0))
