"""The configuration: typed, closed, checked as a whole before any job starts.

`config/config.yaml` is the micro scale; `config/smoke.yaml`, `config/gpu.yaml` and `config/paper.yaml` lie over it.
Every key is explained there. A wrong name or value stops with the key, the value and what is allowed.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from dreamr import components

# Every name becomes part of a path.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Scale = Literal["micro", "smoke", "depth", "gpu", "paper"]
Planned = Literal["train", "quantize", "generate"]  # rules whose time and memory are estimated
# Data sets that the micro world makes, each read by the adapter of its name.
GENERATED = ("mathverse", "mmbench", "realworldqa", "mmmu", "geometry3k", "ocr_vqa", "scienceqa")
TargetSpeculation = Literal["all", "frontier", "none"]  # of which undecided steps the target writes its own version
PLAIN = "plain"  # a method's draft before SAPO
REFERENCE = "dreamr"  # the method that ablations vary and SAPO trains drafts for
NO_DRAFT = "none"  # stands in paths and tables where no draft takes part


def _known(kind: components.Kind) -> AfterValidator:
    """Accepts the name of a component of this kind."""

    def known(name: str) -> str:
        kind.find(name)
        return name

    return AfterValidator(known)


def _listed(kind: components.Kind) -> Any:
    """All names of this kind, for editors; they are looked up when a schema is written."""
    return Field(json_schema_extra=lambda schema: schema.update(enum=[*kind.names()]))


LoopName = Annotated[Name, _known(components.LOOPS), _listed(components.LOOPS)]
VerifierName = Annotated[Name, _known(components.VERIFIERS), _listed(components.VERIFIERS)]
AdapterName = Annotated[Name, _known(components.ADAPTERS), _listed(components.ADAPTERS)]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSpec(Spec):
    """One data set: where it comes from and which adapter reads it."""

    adapter: AdapterName
    path: str  # hub id, or a local folder of parquet files
    config: str | None = None
    split: str
    revision: str | None = None  # commit on the hub; None for local files
    limit: Count | None = None  # first n questions; None: all


class EngineSpec(Spec):
    """How one model is served."""

    dtype: Literal["float32", "float16", "bfloat16"]
    tensor_parallel: Count = 1
    devices: tuple[int, ...] = ()  # GPUs inside the job's allocation; empty on the CPU
    memory: Fraction | None = None  # share of a GPU's memory; None on the CPU
    # Tokens of all requests in one step of the engine (max_num_batched_tokens), at least one for each of its sequences.
    # Left to itself vLLM takes 2,048 on GPUs, and reads a prompt of many images in several steps.
    batched_tokens: Annotated[int, Field(ge=256)] = 4096
    url: Annotated[str, Field(pattern=r"^(unix:/|https?://)\S+$")] | None = None  # of a vLLM that serves it already

    @property
    def held(self) -> Sequence[int]:
        """The GPUs that it holds among those of its job: without `devices` the first ones, behind a `url` none."""
        return () if self.url else self.devices or range(self.tensor_parallel)

    @property
    def gpus(self) -> int:
        """The smallest number of GPUs in which a job has all that this engine holds."""
        return max(self.held, default=-1) + 1

    def leaves(self, gpus: Sequence[str]) -> list[str]:
        """Those of a job's GPUs that this engine does not hold."""
        return [name for number, name in enumerate(gpus) if number not in self.held]


class ZooModel(Spec):
    maker: Literal["zoo"] = Field("zoo", alias="from")
    path: str  # folder with the trained weights
    engine: EngineSpec
    thinking: bool = False
    trust_remote_code: bool = False


class HubModel(Spec):
    maker: Literal["hub"] = Field("hub", alias="from")
    id: str
    revision: str | None
    engine: EngineSpec
    thinking: bool = False
    trust_remote_code: bool = False


class AwqModel(Spec):
    maker: Literal["awq"] = Field("awq", alias="from")
    base: Name
    engine: EngineSpec
    thinking: bool = False
    trust_remote_code: bool = False


class ModelRef(Spec):
    """A model as a job sees it. `digest` is that of its spec and of all specs and code it was made from."""

    name: str
    engine: EngineSpec
    thinking: bool
    trust_remote_code: bool
    digest: str

    def wherever_served(self) -> "ModelRef":
        """The same model whoever serves it: what its answers and verdicts depend on."""
        return self.model_copy(update={"engine": self.engine.model_copy(update={"url": None})})


Model = Annotated[ZooModel | HubModel | AwqModel, Field(discriminator="maker")]


JUDGED = {"step": "one step, right or wrong", "versions": "two versions of a step, the draft's and the target's"}


class Method(Spec):
    """One way to answer a question. An ablation is one more method."""

    loop: LoopName
    draft: Name = PLAIN  # `plain`, or the SAPO recipe whose draft takes part
    verifier: VerifierName | None = None
    alpha: Fraction | None = None  # cpn: accept iff rho > alpha; align: iff p(aligned) > alpha
    threshold: Annotated[int, Field(ge=0, le=9)] | None = None  # score: accept iff score >= threshold
    false_accept: Share | None = None  # oracle: which share of wrong steps it accepts
    false_reject: Share | None = None  # oracle: which share of right steps it rejects
    window: Count | None = None  # draft steps ahead of the committed answer
    target_speculation: TargetSpeculation | None = (
        None  # fpsr: of all in the window, of the first, of none until one is rejected
    )
    continues: bool | None = None  # whether the target writes on behind a rejected step, or is asked anew for each
    ngram_tokens: Count | None = None  # spec_decoding: tokens proposed a step
    ngram_lookup: tuple[Count, Count] | None = None  # spec_decoding: shortest and longest match
    threads: Annotated[int, Field(ge=2)] | None = None  # target_only: of its engine on a CPU, else one
    budget: Count = 1  # of an answer, in times `generation.answer_tokens`
    answers: Literal["target"] | None = None  # who alone may end the answer by an answer line; None: either model

    @property
    def declared(self) -> components.Loop:
        """What its loop declares."""
        return components.loop(self.loop)

    @property
    def needs_draft(self) -> bool:
        """Whether a draft takes part."""
        return self.declared.draft

    @property
    def needs_target(self) -> bool:
        """Whether the target takes part."""
        return self.declared.target

    @property
    def batched_loop(self) -> str:
        """The loop that writes the same text with the least work, for many questions at once."""
        return self.declared.batched or self.loop

    @property
    def asks_oracle(self) -> bool:
        """Whether the micro world's step oracle gives the verdicts in the target's place."""
        return self.verifier is not None and not components.verdicts(self.verifier).by_target

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Each loop has exactly the settings it reads, so that no setting is without effect."""
        loop, verdicts = self.declared, components.verdicts(self.verifier) if self.verifier else None
        if verdicts and loop.judges and verdicts.judges != loop.judges:
            fitting = [name for name in components.VERIFIERS.names() if components.verdicts(name).judges == loop.judges]
            raise ValueError(
                f"verifier {self.verifier!r} judges {JUDGED[verdicts.judges]}, loop {self.loop!r} asks about "
                f"{JUDGED[loop.judges]}; it takes {', '.join(fitting)}"
            )
        needs = loop.settings | (verdicts.settings if verdicts else frozenset())
        optional = {key for key, field in type(self).model_fields.items() if field.default is None}
        given = {key for key in optional if getattr(self, key) is not None}
        for kind, names in (("needs", needs - given), ("does not take", given - needs - loop.may_set)):
            if names:
                raise ValueError(
                    f"loop {self.loop!r} with verifier {self.verifier!r} {kind} {', '.join(sorted(names))}; "
                    f"it takes {', '.join(sorted(needs | loop.may_set)) or 'no setting'}"
                )
        return self


class Slice(Spec):
    """Part of one benchmark: all of it, or shard i of n (1-based)."""

    benchmark: Name
    shard: tuple[Count, Count] = (1, 1)

    @field_validator("shard")
    @classmethod
    def _exists(cls, shard: tuple[int, int]) -> tuple[int, int]:
        if shard[0] > shard[1]:
            raise ValueError(f"shard {shard[0]} of {shard[1]} selects nothing; allowed: 1 to {shard[1]}")
        return shard


class LoadBlocks(Spec):
    """The load experiment: every block of a suite's questions is answered with so many of them at once."""

    sizes: Annotated[tuple[Count, ...], Field(min_length=1)]  # questions at once
    blocks: Count  # equal parts of the questions; an interval rests on so many

    @field_validator("sizes")
    @classmethod
    def _grow(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if sorted({*sizes}) != [*sizes]:
            raise ValueError(f"sizes {list(sizes)} must grow from one to the next")
        return sizes


class Suite(Spec):
    """Questions that one job answers."""

    slices: Annotated[tuple[Slice, ...], Field(min_length=1)]
    alone: Annotated[int, Field(ge=0)]  # questions per slice that are also timed one at a time
    load: LoadBlocks | None = None  # then the questions are answered under load, and in no other way

    @model_validator(mode="after")
    def _one_purpose(self) -> Self:
        if self.load and self.alone:
            raise ValueError(f"a suite with load is timed under load: alone is {self.alone}, allowed: 0")
        return self


class Run(Spec):
    """Cells of the experiment: targets x drafts x methods x suites. One job answers one target, draft and suite."""

    targets: Annotated[tuple[Name, ...], Field(min_length=1)]
    drafts: tuple[Name, ...] = (NO_DRAFT,)
    methods: Annotated[tuple[Name, ...], Field(min_length=1)]
    suites: Annotated[tuple[Name, ...], Field(min_length=1)]
    trained_with: Name | None = None  # target that trained the SAPO drafts; None: the run's own target
    replicate: Annotated[int, Field(ge=0)] = (
        0  # which training of its recipe each SAPO draft is from; 0 is the usual one
    )


class Sampling(Spec):
    """Sampling and limits, the same for every method."""

    temperature: Annotated[float, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    top_k: int  # -1: off
    seed: int
    step_tokens: Count  # cap on one step
    answer_tokens: Count  # budget of one answer
    concurrency: Count  # questions at once in batched mode


class ImageSize(Spec):
    """Bounds on an image's pixels (width x height), for targets, drafts and training alike."""

    min_pixels: Count
    max_pixels: Count


class Weights(Spec):
    """Weights of SAPO's three rewards (paper: 1:1:1 is best)."""

    outcome: Annotated[float, Field(ge=0)]
    alignment: Annotated[float, Field(ge=0)]
    length: Annotated[float, Field(ge=0)]


class Recipe(Spec):
    """One SAPO draft per pair: the reward weights at the start, and at the end where they move linearly."""

    weights: Weights
    final_weights: Weights | None = None
    planted: bool = False  # asks nothing but the micro world's planted copies of benchmark questions: a control


class Drawing(Spec):
    """Which training questions SAPO asks."""

    training_sets: tuple[Name, ...]
    questions: Count
    seed: int
    planted: str | None  # planted.csv, where its copies alone are asked


class SapoSettings(Spec):
    """SAPO: GRPO on the draft with outcome, alignment and length rewards. In brackets: TRL's name of a setting."""

    training_sets: Annotated[tuple[Name, ...], Field(min_length=1)]
    questions: Count  # training questions drawn from the sets, evenly
    alpha: Fraction  # CPN's threshold in the alignment reward
    epochs: Annotated[float, Field(gt=0)]  # (num_train_epochs)
    batch: Count  # prompts whose completions are written and judged at once (generation_batch_size / num_generations)
    updates: Count  # optimizer steps on each batch (num_iterations)
    group: Annotated[int, Field(ge=2)]  # completions per question (num_generations)
    learning_rate: Annotated[float, Field(gt=0)]
    clip: Annotated[float, Field(gt=0)]  # of the probability ratio (epsilon)
    kl: Annotated[float, Field(ge=0)]  # weight of the divergence from the plain draft (beta)
    temperature: Annotated[float, Field(gt=0)]
    micro_batch: Count  # completions per forward pass of one rank (per_device_train_batch_size)
    checkpoint_steps: Count  # batches between checkpoints (save_steps)
    ranks: Count  # processes that train, each on a GPU of its own
    rollouts: EngineSpec  # how the draft is served while it writes completions

    @property
    def completions(self) -> int:
        """Completions in a batch."""
        return self.batch * self.group

    @model_validator(mode="after")
    def _whole_parts(self) -> Self:
        if self.completions % (self.micro_batch * self.ranks):
            raise ValueError(
                f"batch {self.batch} of group {self.group} is {self.completions} completions, not a multiple of "
                f"micro_batch {self.micro_batch} on each of {self.ranks} ranks"
            )
        if self.rollouts.url:
            raise ValueError("rollouts.url: a server cannot be given new weights after each batch; leave it out")
        return self


class Sapo(SapoSettings):
    """SAPO's settings, and its recipes: a draft is trained by each that some method names."""

    recipes: dict[Name, Recipe]


class Awq(Spec):
    """AWQ, W4A16, language model only."""

    training_sets: Annotated[tuple[Name, ...], Field(min_length=1)]
    samples: Count
    group_size: Literal[32, 64, 128]
    sequence_tokens: Count


class Clusters(Spec):
    """How many problems each micro benchmark has: MathVerse's in five versions each, MMBench's in up to four."""

    mathverse: Count
    mmbench: Count
    realworldqa: Count
    mmmu: Count

    def of(self, benchmark: str) -> int:
        """Those of one benchmark."""
        clusters: int = getattr(self, benchmark)
        return clusters


class Micro(Spec):
    """Size and seed of the micro world's data sets; None at scales that use the hub."""

    folder: str  # where they are made
    seed: int
    clusters: Clusters
    training_questions: Count  # per training set, about

    def questions(self, benchmark: str) -> int:
        """How many questions a benchmark has at most: some of MMBench's have three options, and so three rotations."""
        return self.clusters.of(benchmark) * components.adapter(benchmark).per_cluster


class Statistics(Spec):
    resamples: Annotated[int, Field(ge=100)]
    confidence: Fraction
    seed: int
    margin: Fraction  # non-inferiority margin of accuracy against the target


class Resources(Spec):
    """Per-rule resources beyond cores; profiles translate them for a cluster."""

    gpus: Annotated[int, Field(ge=0)] | None = None  # None: what the engines of the job hold
    memory_gb: Count
    hours: Annotated[float, Field(gt=0)]


class Size(Spec):
    """A model's size, from which its memory and time are estimated."""

    parameters: Annotated[float, Field(gt=0)]
    active: Annotated[float, Field(gt=0)] | None = None  # parameters that a token meets in a mixture of experts
    bits: Annotated[float, Field(gt=0)] = 16  # of a stored weight
    kept: Annotated[float, Field(ge=0)] = 0  # parameters that quantization leaves at 16 bits
    layers: Count
    hidden: Count
    kv_heads: Count
    head_dim: Count


class Device(Spec):
    """What one device does for a rule's jobs: measured, or assumed by its data sheet; the configuration says which."""

    memory_gb: Annotated[float, Field(gt=0)] | None  # of a GPU; None: a CPU's, which is not planned
    bandwidth_gb: Annotated[float, Field(gt=0)]  # a second, of weights and cache, as an engine decodes
    compute_tflops: Annotated[float, Field(gt=0)]  # as an engine reads prompts
    training_tflops: Annotated[float, Field(gt=0)]  # in forward and backward passes
    pass_ms: Annotated[float, Field(ge=0)]  # of each forward pass of an engine, whatever it computes
    layer_ms: Annotated[float, Field(ge=0)]  # of each layer in it
    eager_layer_ms: Annotated[float, Field(ge=0)]  # of a layer outside engines
    start_seconds: Annotated[float, Field(ge=0)]  # of an engine or trainer, beside reading its weights
    loading_gb: Annotated[float, Field(gt=0)]  # a second, of weights from files, those for new rollouts included


class Text(Spec):
    """How long texts are on average, in tokens, and how much of them the target accepts."""

    prompt: Count  # a question with its images
    answer: Count
    longest: Count  # the longest answer of a batch, for which the batch waits
    step: Count
    verdict: Count  # read for one verdict beside the step: the request, and what no cache block holds
    accepted: Fraction  # of the draft's steps


class Estimates(Spec):
    """What a plan is computed from. No job reads it."""

    devices: dict[Name, Device]
    rules: dict[Planned, Name]  # the device on which each rule's jobs run
    text: Text
    spread: Annotated[float, Field(gt=0)]  # of a cluster's change of accuracy: standard deviation, mean over pairs
    questions: dict[Name, Count]  # of each benchmark that is not generated; `micro.clusters` says it of the others
    models: dict[Name, Size]  # all but those that are quantized here

    def device(self, rule: Planned) -> Device:
        """What a rule's jobs run on."""
        return self.devices[self.rules[rule]]


class Folders(Spec):
    """Where a scale keeps its files, relative to the working folder (Snakemake's pathvars)."""

    results: str
    logs: str
    benchmarks: str  # time and memory of each job


class Config(Spec):
    title: str
    scale: Scale
    environments: Literal["venv", "container", "conda", "active"]
    device: Literal["cpu", "cuda"]
    pathvars: Folders
    micro: Micro | None
    benchmarks: dict[Name, DataSpec]
    training_sets: dict[Name, DataSpec]
    images: ImageSize
    models: dict[Name, Model]
    stands_for: dict[Name, str]  # which of the paper's models each micro model stands for
    methods: dict[Name, Method]
    suites: dict[Name, Suite]
    runs: dict[Name, Run]
    generation: Sampling
    context_tokens: Count  # longest prompt plus answer that an engine takes
    sapo: Sapo
    awq: Awq
    statistics: Statistics
    resources: dict[Literal["fetch", "train", "quantize", "generate"], Resources]
    estimates: Estimates

    @field_validator("runs", mode="before")
    @classmethod
    def _dropped(cls, runs: Any) -> Any:
        """An overlay cannot take a key away, so a run that it sets to null is dropped."""
        return {name: run for name, run in runs.items() if run is not None} if isinstance(runs, dict) else runs

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        """Every name used somewhere is defined somewhere."""
        for place, names, known in self._references():
            for name in names:
                if name not in known:
                    raise ValueError(f"{place}: unknown name {name!r}; allowed: {', '.join(sorted(known))}")
        return self

    @model_validator(mode="after")
    def _data_sets_are_told_apart(self) -> Self:
        """A name means one data set, and the micro world's folder holds nothing but what it makes."""
        if both := sorted({*self.benchmarks} & {*self.training_sets}):
            raise ValueError(f"training_sets: {', '.join(both)} is a benchmark's name already; rename one of the two")
        for part, sets in (("benchmarks", self.benchmarks), ("training_sets", self.training_sets)):
            for name, data in sets.items():
                if self.micro and data.path.startswith(f"{self.micro.folder}/") and not self.is_micro(name):
                    raise ValueError(
                        f"{part}.{name}.path: {data.path!r} is in micro.folder, whose data sets are made by the "
                        f"workflow and go by their own names; allowed: {self.micro.folder}/{name} for "
                        f"{', '.join(GENERATED)}, or a folder elsewhere"
                    )
        return self

    @model_validator(mode="after")
    def _sizes_are_known(self) -> Self:
        """Every model that is not made here from another has a size, every benchmark a number of questions."""
        sized = {name for name, model in self.models.items() if model.maker != "awq"}
        counted = {name for name in self.asked if not self.is_micro(name)}
        for place, names in (("models", sized), ("questions", counted)):
            if missing := sorted(names - {*getattr(self.estimates, place)}):
                raise ValueError(
                    f"estimates.{place}: nothing is said of {', '.join(missing)}; no job can be planned. "
                    f"Write how {'large each is' if place == 'models' else 'many questions each has'} there"
                )
        return self

    @property
    def asked(self) -> tuple[str, ...]:
        """The benchmarks that some run asks, in the order of the configuration."""
        suites = {suite for run in self.runs.values() for suite in run.suites}
        named = {part.benchmark for suite in suites for part in self.suites[suite].slices}
        return tuple(name for name in self.benchmarks if name in named)

    @model_validator(mode="after")
    def _budgets_fit(self) -> Self:
        """A larger budget than usual leaves room for a question and the step that a verdict adds."""
        room = self.context_tokens - self.generation.step_tokens
        for name, method in self.methods.items():
            longest = method.budget * self.generation.answer_tokens
            if method.budget > 1 and longest >= room:
                raise ValueError(
                    f"methods.{name}.budget: {method.budget} times generation.answer_tokens are {longest} tokens, and "
                    f"context_tokens ({self.context_tokens}) has room for less than {room}: lower the one or raise the "
                    "other"
                )
        return self

    @model_validator(mode="after")
    def _cells_fit(self) -> Self:
        """Methods that use a draft get one, the others none, and no cell is computed twice."""
        owners: dict[tuple[str, ...], str] = {}
        for name, run in self.runs.items():
            for target, draft, method, suite in product(run.targets, run.drafts, run.methods, run.suites):
                if self.methods[method].needs_draft == (draft == NO_DRAFT):
                    raise ValueError(
                        f"runs.{name}.methods: {method!r} cannot go with draft {draft!r}; allowed: "
                        f"{'a model' if draft == NO_DRAFT else repr(NO_DRAFT)}"
                    )
                training = str(run.replicate if self.methods[method].draft != PLAIN else 0)
                if owner := owners.get((target, draft, method, suite, training)):
                    raise ValueError(f"runs.{name}: {(target, draft, method, suite)} is in runs.{owner} already")
                owners[target, draft, method, suite, training] = name
        return self

    @model_validator(mode="after")
    def _copies_are_planted(self) -> Self:
        """Only in generated data sets is it known which training question is a benchmark's."""
        foreign = [data for data in self.sapo.training_sets if not self.is_micro(data)]
        for name, recipe in self.sapo.recipes.items():
            if recipe.planted and foreign:
                raise ValueError(
                    f"sapo.recipes.{name}.planted: only generated data hold planted questions (micro), not "
                    f"sapo.training_sets {', '.join(foreign)}"
                )
        return self

    @model_validator(mode="after")
    def _oracle_knows(self) -> Self:
        """The step oracle is asked about generated questions, and never timed."""
        for name, run in self.runs.items():
            asked = [method for method in run.methods if self.methods[method].verifier == "oracle"]
            for method, suite in product(asked, run.suites):
                parts = [part.benchmark for part in self.suites[suite].slices]
                foreign = [part for part in parts if not self.is_micro(part)]
                if foreign:
                    raise ValueError(
                        f"runs.{name}.methods: {method!r} asks the step oracle, which knows generated questions alone "
                        f"(micro), not those of {', '.join(foreign)}"
                    )
                if self.suites[suite].alone or self.suites[suite].load:
                    raise ValueError(
                        f"runs.{name}.suites: {suite!r} is timed, and the oracle of {method!r} takes no time; allowed: "
                        "suites with alone 0 and without load"
                    )
        return self

    def is_micro(self, name: str) -> bool:
        """Whether a data set is made by the micro world, which alone knows the truth of its questions."""
        data = {**self.benchmarks, **self.training_sets}[name]
        return self.micro is not None and name in GENERATED and data.path == f"{self.micro.folder}/{name}"

    @model_validator(mode="after")
    def _trained_as_judged(self) -> Self:
        """Drafts are trained by the threshold that judges them: else the alignment reward is not acceptance."""
        method = self.methods.get(REFERENCE)
        if method and method.verifier == "cpn" and method.alpha != self.sapo.alpha:
            raise ValueError(
                f"sapo.alpha is {self.sapo.alpha}, methods.{REFERENCE}.alpha is {method.alpha}: set both alike"
            )
        return self

    def _references(self) -> Iterable[tuple[str, Iterable[str], Iterable[str]]]:
        models, drafts = set(self.models), {*self.models, NO_DRAFT}
        whole = {name for name, model in self.models.items() if model.maker != "awq"}
        for name, run in self.runs.items():
            yield f"runs.{name}.targets", run.targets, models
            yield f"runs.{name}.drafts", run.drafts, drafts
            yield f"runs.{name}.methods", run.methods, self.methods
            yield f"runs.{name}.suites", run.suites, self.suites
            yield f"runs.{name}.trained_with", [run.trained_with] if run.trained_with else [], models
        for name, suite in self.suites.items():
            yield f"suites.{name}.slices", [part.benchmark for part in suite.slices], self.benchmarks
        for name, method in self.methods.items():
            yield f"methods.{name}.draft", [method.draft], {PLAIN, *self.sapo.recipes}
        for name, model in self.models.items():
            yield f"models.{name}.base", [model.base] if model.maker == "awq" else [], whole
        yield "sapo.training_sets", self.sapo.training_sets, self.training_sets
        yield "stands_for", self.stands_for, models
        yield "awq.training_sets", self.awq.training_sets, self.training_sets
        yield "estimates.rules", self.estimates.rules.values(), self.estimates.devices


def sapo_model(recipe: str, target: str, draft: str, replicate: int = 0) -> str:
    """Name of the draft that SAPO trains for a pair; of all but the usual training with its replicate."""
    return f"{draft}.{recipe}.{target}" + (f".{replicate}" if replicate else "")


def sapo_recipe(model: str) -> str:
    """The recipe in the name of a SAPO draft; names hold no dot."""
    return model.split(".")[1]
