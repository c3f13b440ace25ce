"""How long each job of a plan will take, before anything is asked for, by `estimates` in the configuration.

Training: a batch is written by the rollouts' engine and judged by the target's, at the same time where they have GPUs
of their own, since each completion is judged once it is written; then the ranks learn from it and hand on new weights.
A job that reaches a cluster's time limit goes on from what it has kept: whole checkpoints, or whole answers.
Answering many at once: each model has half of what is under way, at the same time on GPUs of their own. One at a time:
what a loop waits for. That requests of FPSR overlap is not counted, and n-gram speculation counts as none: both make an
estimate the larger one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dreamr.config import NO_DRAFT, Method, Text
from dreamr.planning.costs import TERA, ServedModel, served, size, text, trained, training_engines, weights_gb
from dreamr.planning.plan import Group, Plan, Training
from dreamr.planning.questions import of_slice

SEARCH = 24  # passes over AWQ's samples: 20 points of its grid, each through 1.2 times a layer (estimate)
ANSWERS = 16  # of the samples, written at once
STARTS = 2  # of a quantization: the model is read, and written
TARGET_ONLY = Method(loop="target_only")


@dataclass(frozen=True)
class Estimate:
    """What one job will take."""

    rule: str  # of the workflow
    models: str
    starting: float  # seconds until engines and trainers run
    working: float  # seconds from then on
    gpus: int
    tokens: float  # that it writes
    unit: float | None = (
        None  # seconds of the work that is kept as a whole: a checkpoint's, an answer's; None: all of it
    )
    alone: bool = False  # with the machine to itself, since it times
    batches: int | None = None  # of a training
    parts: Mapping[str, float] = field(default_factory=dict)  # of a training: seconds of a batch by what takes them

    @property
    def seconds(self) -> float:
        """All of the job."""
        return self.starting + self.working


@dataclass(frozen=True)
class Answers:
    """What of a group's answers is given in one way: many at once, or timed."""

    opening: float  # seconds until the first one that counts
    working: float  # seconds from then on
    unit: float  # seconds of the longest one, or of those that are given together
    written: int  # how many


class Workload(NamedTuple):
    """What a model does for one answer."""

    tokens: float  # written, one after the other
    read: float  # tokens of prompts
    verdicts: float = 0


def estimates(plan: Plan) -> Iterator[Estimate]:
    """All jobs on models."""
    for name in plan.models["awq"]:
        yield quantization(plan, name)
    for training in plan.trainings.values():
        yield sapo(plan, training)
    yield from calibrations(plan)
    known: dict[object, list[Estimate]] = {}  # shards of a benchmark are alike
    for group in plan.groups:
        kind = (group._replace(suite=""), questions(plan, group), plan.config.suites[group.suite].load)
        if kind not in known:
            known[kind] = list(answers(plan, group))
        yield from known[kind]


def pair(target: str, draft: str) -> str:
    """How a job's models are named."""
    return target if draft == NO_DRAFT else f"{draft} for {target}"


def _side_by_side(engines: tuple[ServedModel, ServedModel], seconds: list[float]) -> float:
    """Seconds of two engines that work at the same time: on GPUs of their own the longer, on shared devices the sum."""
    shared = {*engines[0].spec.held} & {*engines[1].spec.held}
    return sum(seconds) if shared else max(seconds)


# -- quantizations


def quantization(plan: Plan, model: str) -> Estimate:
    """An AWQ model: the base answers the samples, then scales are looked for layer by layer."""
    config, base = plan.config, size(plan, plan.base(model))
    awq, lengths, device = config.awq, text(plan), config.estimates.device("quantize")
    answer = min(lengths.longest, awq.sequence_tokens - lengths.prompt)
    writing = math.ceil(awq.samples / ANSWERS) * answer * base.layers * device.eager_layer_ms / 1000
    read = awq.samples * min(lengths.prompt + lengths.answer, awq.sequence_tokens)
    searching = SEARCH * 2 * base.parameters * read / (device.compute_tflops * TERA)
    starting = STARTS * (device.start_seconds + weights_gb(base) / device.loading_gb)
    gpus = config.resources["quantize"].gpus or 0
    return Estimate("quantize", model, starting, writing + searching, gpus, awq.samples * answer)


# -- trainings


def sapo(plan: Plan, training: Training) -> Estimate:
    """The training of a SAPO draft."""
    config, engines, parts = plan.config, training_engines(plan, training), batch(plan, training)
    batches = math.ceil(config.sapo.questions * config.sapo.epochs / config.sapo.batch)
    written = _side_by_side(engines, [parts["judging"], parts["writing"]])
    starting = sum(engine.starting_seconds() for engine in engines) + config.estimates.device("train").start_seconds
    return Estimate(
        rule="train_sapo",
        models=pair(training.target, training.draft),
        starting=starting,
        working=batches * (written + parts["learning"] + parts["handing on"]),
        gpus=config.resources["train"].gpus or 0,
        tokens=batches * config.sapo.completions * text(plan).answer,
        unit=config.sapo.checkpoint_steps * (written + parts["learning"] + parts["handing on"]),
        batches=batches,
        parts=parts,
    )


def batch(plan: Plan, training: Training) -> dict[str, float]:
    """Seconds of a batch by what takes them."""
    settings, lengths = plan.config.sapo, text(plan)
    (target, rollouts), draft = training_engines(plan, training), trained(plan, training)
    prompts, completions = settings.batch * lengths.prompt, settings.completions
    verdicts = completions * lengths.answer / lengths.step
    judged = completions * lengths.answer + verdicts * lengths.verdict
    return {
        "writing": rollouts.reading_seconds(prompts) + rollouts.writing_seconds(completions, completions),
        "judging": target.judging_seconds(prompts + judged, verdicts),
        "learning": draft.learning_seconds(completions * (lengths.prompt + lengths.answer), settings.updates),
        "handing on": draft.handing_seconds(),
    }


# -- calibrations


def calibrations(plan: Plan) -> Iterator[Estimate]:
    """The target's own answers, then the candidates of each pair: all of them, though most are decided before."""
    targets = {calibrated.target: group for calibrated, group in plan.calibrations.items()}
    for target, group in targets.items():
        yield _calibration(plan, "ask_target", group, [target], TARGET_ONLY, plan.calibration_problems)
    for calibrated, group in plan.calibrations.items():
        method, made = plan.config.methods[calibrated.method], plan.config.calibration
        assert method.guarantee and made, "the configuration sees to that"
        asked = len(made.candidates) * method.guarantee.problems
        yield _calibration(plan, "calibrate", group, [calibrated.target, calibrated.drafter], method, asked)


def _calibration(plan: Plan, rule: str, group: Group, models: list[str], method: Method, asked: int) -> Estimate:
    """A job that gives so many answers, many at once; one that is cut off loses those that are under way."""
    gpus, at_once = plan.config.resources["generate"].gpus, plan.config.generation.concurrency
    return Estimate(
        rule=rule,
        models=pair(group.target, group.draft if method.needs_draft else NO_DRAFT),
        starting=sum(served(plan, "generate", name).starting_seconds() for name in models),
        working=_batched(plan, group, method, asked, at_once),
        gpus=plan.gpus_of(models) if gpus is None else gpus,
        tokens=asked * text(plan).answer,
        unit=_batched(plan, group, method, at_once, at_once),
    )


# -- answers


def answers(plan: Plan, group: Group) -> Iterator[Estimate]:
    """A generate job; where answers that are not timed have a job of their own, that one before it."""
    timed, many = plan.times(group), plan.config.suites[group.suite].load is None
    parts = [_many(plan, group)] * many + [_timed(plan, group)] * timed
    if plan.apart(group):
        yield _answering(plan, group, parts[:1], "answer")
        parts = parts[1:]
    yield replace(_answering(plan, group, parts, "generate"), alone=timed)


def _answering(plan: Plan, group: Group, parts: Sequence[Answers], rule: str) -> Estimate:
    """A job: its engines start, then it gives these answers."""
    engines = sum(engine.starting_seconds() for engine in generate_engines(plan, group))
    gpus = plan.config.resources["generate"].gpus
    return Estimate(
        rule=rule,
        models=pair(group.target, group.draft),
        starting=engines + sum(part.opening for part in parts),
        working=sum(part.working for part in parts),
        gpus=plan.gpus(group) if gpus is None else gpus,
        tokens=sum(part.written for part in parts) * text(plan).answer,
        unit=max(part.unit for part in parts),
    )


def _many(plan: Plan, group: Group) -> Answers:
    """Each method answers all questions, many at once. A job that is cut off loses those that are under way."""
    methods, (asked, _) = list(plan.methods(group).values()), questions(plan, group)
    at_once = plan.config.generation.concurrency
    return Answers(
        opening=0,
        working=sum(_batched(plan, group, method, asked, at_once) for method in methods),
        unit=max(_batched(plan, group, method, min(asked, at_once), at_once) for method in methods),
        written=asked * len(methods),
    )


def _timed(plan: Plan, group: Group) -> Answers:
    """Each method and, beside them, target-only answer some questions alone, or all under load; one warms up."""
    methods, (asked, timed) = [TARGET_ONLY, *plan.methods(group).values()], questions(plan, group)
    lengths, load = text(plan), plan.config.suites[group.suite].load
    alone = sum(_alone(plan, group, method) for method in methods)
    if load is None:
        longest = alone * lengths.longest / lengths.answer
        return Answers(opening=alone, working=timed * alone, unit=longest, written=(timed + 1) * len(methods))
    block = math.ceil(asked / load.blocks)
    return Answers(
        opening=alone,
        working=sum(_batched(plan, group, method, asked, size) for method in methods for size in load.sizes),
        unit=max(sum(_batched(plan, group, method, block, size) for method in methods) for size in load.sizes),
        written=(asked * len(load.sizes) + 1) * len(methods),
    )


def questions(plan: Plan, group: Group) -> tuple[int, int]:
    """How many questions a job answers, and how many of them one at a time too."""
    suite = plan.config.suites[group.suite]
    counts = [of_slice(plan.config, part) for part in suite.slices]
    return sum(counts), sum(min(suite.alone, count) for count in counts)


def generate_engines(plan: Plan, group: Group) -> list[ServedModel]:
    """What is open in a generate job; n-gram speculation, and the target on several threads, have it a second time."""
    again = len({(method.ngram_tokens, method.threads) for method in plan.methods(group).values()} - {(None, None)})
    return [served(plan, "generate", name) for name in [*plan.models_of(group), *[group.target] * again]]


def _pair(plan: Plan, group: Group, method: Method) -> tuple[ServedModel, ServedModel]:
    """Target and draft; without a draft the target is both, and nothing is asked of the second."""
    draft = plan.drafts(group)[method.draft] if method.needs_draft else group.target
    return served(plan, "generate", group.target), served(plan, "generate", draft)


def _batched(plan: Plan, group: Group, method: Method, asked: int, at_once: int) -> float:
    """Seconds of a method on all questions, with `at_once` of them at once."""
    engines, works = _pair(plan, group, method), _works(plan, method)
    most = max(1, at_once // sum(work.tokens > 0 for work in works))
    return _side_by_side(
        engines,
        [
            asked * engine.judging_seconds(work.read, work.verdicts)
            + work.tokens / text(plan).answer * engine.writing_seconds(asked, most)
            for engine, work in zip(engines, works, strict=True)
        ],
    )


def _alone(plan: Plan, group: Group, method: Method) -> float:
    """Seconds of a method on one question, with the devices to itself."""
    engines, works = _pair(plan, group, method), _works(plan, method)
    return sum(
        engine.reading_seconds(work.read) + engine.front_seconds(work.verdicts) + work.tokens * engine.step_seconds(1)
        for engine, work in zip(engines, works, strict=True)
    )


def _works(plan: Plan, method: Method) -> tuple[Workload, Workload]:
    """What an answer waits for: the target's work and the draft's. A verdict is one token, and what is read for it."""
    lengths = text(plan)
    whole, nothing = Workload(tokens=lengths.answer, read=lengths.prompt), Workload(tokens=0, read=0)
    match method.declared.target_writes:
        case "nothing":
            return nothing, whole
        case "all steps" if method.proposed_tokens:
            return _by_token(method.proposed_tokens, lengths)
        case "all steps":
            return whole, nothing
        case "rejected steps":
            steps = lengths.answer / lengths.step
            size = steps if method.declared.judges == "answer" else method.steps_per_verdict or 1
            accepted = lengths.accepted**size if method.acceptance is None else method.acceptance
            verdicts, written = steps / size, (1 - accepted) * lengths.answer
            read = lengths.prompt + lengths.answer + verdicts * lengths.verdict
            return Workload(written + verdicts, read, verdicts), whole


def _by_token(proposed: int, lengths: Text) -> tuple[Workload, Workload]:
    """A pass of the target checks so many tokens of the draft, each kept with the share of steps that are accepted."""
    kept = sum(lengths.accepted**place for place in range(proposed + 1))  # with the target's own behind them
    passes = lengths.answer / kept
    read = lengths.prompt + passes * proposed
    return Workload(tokens=passes, read=read), Workload(tokens=passes * proposed, read=lengths.prompt)
