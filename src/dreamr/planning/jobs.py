"""What each job is told: one closed spec per command, passed as `--spec JSON`.

A spec holds only what its job reads, so a change elsewhere in the configuration reruns nothing. Model folders are
`<models>/<ModelRef.name>`, data sets `<data>/<name>.jsonl`.
"""

from collections.abc import Collection
from typing import Literal, Self

from dreamr import components
from dreamr.config import (
    NO_DRAFT,
    PLAIN,
    REFERENCE,
    Awq,
    Config,
    Count,
    DataSpec,
    Display,
    Drawing,
    Guarantee,
    ImageSize,
    Method,
    Model,
    ModelRef,
    Recipe,
    Run,
    Sampling,
    SapoSettings,
    Spec,
    Statistics,
    Suite,
    Sweep,
)
from dreamr.planning.names import names
from dreamr.provenance import spec_digest

MAIN_RUN = "main"  # the run whose pairs are pooled


class MakeCalibrationJob(Spec):
    """cli.make_calibration: problems like those of the micro benchmarks, to calibrate on."""

    seed: int
    problems: int  # in all
    benchmarks: tuple[str, ...]  # of each about as many


class PrepareJob(Spec):
    """cli.prepare: one data set to typed questions."""

    name: str
    data: DataSpec


class FetchJob(Spec):
    """cli.fetch_model: a zoo or hub model to its folder."""

    name: str
    model: Model


class QuantizeJob(Spec):
    """cli.quantize: AWQ of `base`."""

    name: str
    made_with: str  # digest of the code and the calibration data
    base: ModelRef
    awq: Awq
    images: ImageSize
    device: Literal["cpu", "cuda"]


class TrainJob(Spec):
    """cli.train_sapo: the draft of one pair."""

    name: str
    made_with: str  # digest of the training's code and data: checkpoints of others are of no use to it
    target: ModelRef
    draft: ModelRef
    recipe: Recipe
    planted: str | None = None  # planted.csv, where the recipe asks its copies
    sapo: SapoSettings
    generation: Sampling
    context_tokens: Count
    images: ImageSize
    device: Literal["cpu", "cuda"]

    @property
    def drawing(self) -> Drawing:
        """Which questions it asks."""
        return Drawing(
            training_sets=self.sapo.training_sets,
            questions=self.sapo.questions,
            seed=self.generation.seed,
            planted=self.planted,
        )

    def wherever_served(self) -> "TrainJob":
        """The same training whoever serves its models."""
        return self.model_copy(update={"target": self.target.wherever_served(), "draft": self.draft.wherever_served()})


class Draw(Spec):
    """What the trainings of one recipe and replicate ask."""

    recipe: str
    replicate: int
    drawing: Drawing


class AuditJob(Spec):
    """cli.audit: benchmarks against training sets, and against what SAPO drew of them."""

    benchmarks: tuple[str, ...]
    training_sets: tuple[str, ...]
    draws: tuple[Draw, ...]
    planted: str | None  # planted.csv of generated data sets
    generated: tuple[str, ...]  # the data sets that it speaks of


class Cell(Spec):
    """One method on one target, draft and suite."""

    method: Method
    digest: str  # of name, method, models, suite, limits and the code that ran it

    def run_as(self, method: Method) -> Self:
        """The cell of a method whose threshold is calibrated, as it is run: the value is in the digest."""
        return self.model_copy(update={"method": method, "digest": spec_digest(self.digest, method.alpha)})


class Sample(Spec):
    """Which of a suite's questions a calibration asks: of so many problems one each, in an order of its own."""

    problems: int
    seed: int


class GenerateJob(Spec):
    """cli.generate: all cells of one target, draft and suite."""

    target: ModelRef
    draft: str  # name of the plain draft, or config.NO_DRAFT
    replicate: int  # which training of its recipe a SAPO draft is from
    drafts: dict[str, ModelRef]  # by config.PLAIN or recipe: the drafts that the methods name
    cells: dict[str, Cell]  # by method
    suite: Suite
    generation: Sampling
    context_tokens: Count
    images: ImageSize
    device: Literal["cpu", "cuda"]
    truth: str | None = None  # folder of the generated data sets, where a method asks the step oracle
    sample: Sample | None = None  # where thresholds are calibrated


class CalibrateJob(Spec):
    """cli.calibrate: the threshold of one method on one pair."""

    method: str
    drafter: str  # the model that drafts
    guarantee: Guarantee
    answers: GenerateJob  # a cell for each candidate, by any names


class SummariseJob(Spec):
    """cli.summarise: what belongs together in the tables."""

    scale: str
    statistics: Statistics
    methods: dict[str, Method]
    sweeps: dict[str, Sweep]
    reference: str  # the method that the ablations vary
    pairs: tuple[tuple[str, str], ...]  # target and draft of the main experiment; only these are pooled
    planted: tuple[str, ...]  # recipes that ask planted questions: a control, no ablation of the rewards
    taught: bool  # whether drafts are the zoo's, which were given something for SAPO to mend
    # Methods that have drafts of another main target alone: by the run's own target the one they were trained for.
    exchanged: dict[str, dict[str, str]]
    quantized: dict[str, str]  # target: the model it was quantized from
    devices: dict[str, int]  # by model: how many its engine holds; a SAPO draft is served like its plain one
    sharing: tuple[tuple[str, str], ...] = ()  # target and draft whose engines are on the same GPU
    versioned: tuple[str, ...]  # benchmarks whose problems come in several versions (MathVerse)
    circular: tuple[str, ...]  # benchmarks whose options are rotated (MMBench)
    display: Display
    names: dict[str, str]  # for people, of models, methods and data sets

    def label(self, name: str) -> str:
        """The name for people of a model, a method or a data set; an unknown one is its own."""
        return self.names.get(name, name)

    @property
    def compared(self) -> tuple[str, ...]:
        """The main methods in which the target judges, in the order of figures."""
        return tuple(name for name in self.display.main if self.methods[name].declared.judges)

    @property
    def exposed(self) -> tuple[str, ...]:
        """The methods whose draft was trained on planted questions."""
        return tuple(name for name, method in self.methods.items() if method.draft in self.planted)

    @property
    def own(self) -> dict[str, Method]:
        """The methods whose trained drafts are those of their target: no two of them have the same settings."""
        return {name: method for name, method in self.methods.items() if name not in self.exchanged}

    @classmethod
    def of(cls, config: Config, reference: str = REFERENCE) -> Self:
        """The pairs pooled are those of run `main`, or of all runs where there is none: all else stands by itself.

        Pairs with drafts that were trained for another target are controls, and never pooled.
        """
        main = config.runs.get(MAIN_RUN)
        runs = [run for run in ([main] if main else config.runs.values()) if run.trained_with is None]
        pairs = {(target, draft): None for run in runs for target in run.targets for draft in run.drafts}
        return cls(
            scale=config.scale,
            statistics=config.statistics,
            methods=config.methods,
            sweeps=config.sweeps,
            reference=reference,
            pairs=tuple(pair for pair in pairs if pair[1] != NO_DRAFT),
            planted=tuple(name for name, recipe in config.sapo.recipes.items() if recipe.planted),
            exchanged=_exchanged(config, {target for target, _ in pairs}),
            taught=any(config.models[draft].maker == "zoo" for _, draft in pairs if draft != NO_DRAFT),
            quantized={name: model.base for name, model in config.models.items() if model.maker == "awq"},
            devices={name: model.engine.tensor_parallel for name, model in config.models.items()},
            sharing=sharing(config),
            versioned=_repeated(config, "versions"),
            circular=_repeated(config, "rotations"),
            display=config.display,
            names=names(config),
        )


def _exchanged(config: Config, targets: Collection[str]) -> dict[str, dict[str, str]]:
    """The methods that no run has with drafts of its own target, where targets have drafts of each other."""
    own = {method for run in config.runs.values() if run.trained_with is None for method in run.methods}
    found: dict[str, dict[str, str]] = {}
    for run in config.runs.values():
        judge = run.trained_with or ""
        for method in {*run.methods} - own if judge in targets else ():
            found.setdefault(method, {}).update(dict.fromkeys({*run.targets} & {*targets}, judge))
    return found


def sharing(config: Config) -> tuple[tuple[str, str], ...]:
    """Targets and drafts of a run whose engines are on the same GPU, where they take turns; none on a CPU."""
    if config.device == "cpu":
        return ()
    pairs = dict.fromkeys(
        (target, draft) for run in config.runs.values() for target in run.targets for draft in run.drafts
    )
    held = {name: {*model.engine.held} for name, model in config.models.items()}
    return tuple(pair for pair in pairs if NO_DRAFT not in pair and held[pair[0]] & held[pair[1]])


def _repeated(config: Config, how: str) -> tuple[str, ...]:
    """Benchmarks that ask a problem several times."""
    adapters = {name: components.adapter(data.adapter) for name, data in config.benchmarks.items()}
    return tuple(name for name, adapter in adapters.items() if adapter.repeated == how)


class VerifyJob(Spec):
    """cli.verify: whose verdicts the step oracle is held against, and what belongs together in the tables."""

    benchmarks: tuple[str, ...]  # those that the micro world made: it knows the truth of no other question
    tables: SummariseJob

    @classmethod
    def of(cls, config: Config) -> Self:
        """That of a configuration; no benchmark where no verdict on a generated question is asked for."""
        asking = [run for run in config.runs.values() if _verifies(config, run)]
        suites = [config.suites[suite] for run in asking for suite in run.suites]
        asked = {part.benchmark for suite in suites if not suite.load for part in suite.slices}
        generated = tuple(name for name in config.asked if name in asked and config.is_micro(name))
        return cls(benchmarks=generated, tables=SummariseJob.of(config))


def _verifies(config: Config, run: Run) -> bool:
    """Whether a run has verdicts of the usual trainings."""
    methods = [config.methods[name] for name in run.methods]
    return any(method.verifier and (method.draft == PLAIN or not run.replicate) for method in methods)
