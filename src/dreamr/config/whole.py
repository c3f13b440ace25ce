"""The configuration as a whole: all settings, and whether they fit together."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from dreamr.config.base import NO_DRAFT, PLAIN, REFERENCE, Count, Fraction, Name, Spec
from dreamr.config.calibration import Calibration, Guarantee
from dreamr.config.data import FILES, GENERATED, DataSpec, ImageSize, Micro
from dreamr.config.display import Display
from dreamr.config.estimates import Estimates, Resources
from dreamr.config.methods import Method, Sampling
from dreamr.config.models import HubModel, LocalModel, Model, folder_tokenizer
from dreamr.config.runs import Run, Slice, Suite
from dreamr.config.sweeps import Sweep, with_sweeps
from dreamr.config.training import Awq, Sapo


class Statistics(Spec):
    """How intervals and tests are made."""

    resamples: int = Field(ge=100, description="Resamples of each bootstrap.")
    confidence: Fraction = Field(description="Level of all intervals, between 0 and 1, such as 0.95.")
    seed: int = Field(description="Seed of resampling, and of tests that draw exchanges of answers.")
    margin: Fraction = Field(
        description="Largest loss of accuracy against the target that counts as non-inferior, as a share of 1."
    )


class Folders(Spec):
    """Where a scale keeps its files, relative to the working folder (Snakemake's pathvars)."""

    results: str = Field(description="Folder of models, answers, tables and the page.")
    logs: str = Field(description="Folder of the jobs' logs.")
    benchmarks: str = Field(description="Folder of the time and memory of each finished job.")


class Config(Spec):
    """All settings of an experiment."""

    title: str = Field(description="Title of the page.")
    scale: Name = Field(
        description="What this experiment is called. Only `paper` has a meaning: it demands commits of all models and "
        "data of the hub, and its numbers are held against the paper's."
    )
    environments: Literal["venv", "conda", "active"] = Field(
        description="Where the models' packages are from. venv: the workflow makes environments; conda: "
        "--sdm conda makes them of envs/*.yaml; active: the Python that runs Snakemake has all of them."
    )
    device: Literal["cpu", "cuda"] = Field(description="What models run on.")
    pathvars: Folders = Field(description="Where this scale keeps its files.")
    micro: Micro | None = Field(description="The data sets that are generated here; null: none.")
    benchmarks: dict[Name, DataSpec] = Field(description="Benchmarks by name.")
    training_sets: dict[Name, DataSpec] = Field(description="Data sets for trainings and quantizations, by name.")
    images: ImageSize = Field(description="Smallest and largest image, the same for targets, drafts and training.")
    models: dict[Name, Model] = Field(
        description="Targets and plain drafts by name. SAPO drafts are not listed: a method names their recipe."
    )
    stands_for: dict[Name, str] = Field(description="Which of the paper's models a model stands for; the page says so.")
    # Before methods and runs, which they are part of.
    sweeps: dict[Name, Sweep] = Field(
        default={}, description="Sweeps by name: grids of settings. A run names them among its methods."
    )
    methods: dict[Name, Method] = Field(description="Methods by name. An ablation is one more of them.")
    suites: dict[Name, Suite] = Field(description="Suites by name: the questions of one job each.")
    runs: dict[Name, Run] = Field(description="Runs by name. An overlay drops one by null.")
    calibration: Calibration | None = Field(
        description="How thresholds are calibrated where a method's `alpha` is a guarantee; null: no method has one."
    )
    display: Display = Field(description="What methods and data sets are called, and which methods are the main ones.")
    generation: Sampling = Field(description="How answers are sampled, and how long they may be.")
    context_tokens: Count = Field(description="Most tokens of a prompt with its answer that an engine takes.")
    sapo: Sapo = Field(description="How drafts are trained.")
    awq: Awq = Field(description="How targets are quantized.")
    statistics: Statistics = Field(description="Level, resamples and margin of intervals and tests.")
    resources: dict[Literal["fetch", "train", "quantize", "generate"], Resources] = Field(
        description="What a job of each rule needs beyond cores; `generate` is also for rule `answer`."
    )
    estimates: Estimates = Field(description="What `dreamr plan` estimates time and memory from. No job reads it.")

    @field_validator("runs", mode="before")
    @classmethod
    def _dropped(cls, runs: Any) -> Any:
        """An overlay cannot take a key away, so a run that it sets to null is dropped."""
        return {name: run for name, run in runs.items() if run is not None} if isinstance(runs, dict) else runs

    @field_validator("methods")
    @classmethod
    def _swept(cls, methods: dict[str, Method], info: ValidationInfo) -> dict[str, Method]:
        """The methods of sweeps are methods."""
        return with_sweeps(info.data.get("sweeps", {}), methods)

    @field_validator("runs")
    @classmethod
    def _run_by_sweep(cls, runs: dict[str, Run], info: ValidationInfo) -> dict[str, Run]:
        """A sweep among the methods of a run stands for all of its methods."""
        grids = {name: tuple(sweep.grid(name)) for name, sweep in info.data.get("sweeps", {}).items()}
        return {name: run.with_methods(grids) for name, run in runs.items()}

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
        """Every model that is not made here from another has a size, every benchmark a number of questions.

        Those of files on this machine are read from them.
        """
        sized = {name for name, model in self.models.items() if model.maker not in ("awq", "local")}
        counted = {name for name in self.asked if not (self.is_micro(name) or self.benchmarks[name].is_local)}
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
        named = {part.benchmark for part in self.asked_slices}
        return tuple(name for name in self.benchmarks if name in named)

    @property
    def asked_slices(self) -> list[Slice]:
        """The slices of all suites that some run asks."""
        suites = {suite for run in self.runs.values() for suite in run.suites}
        return [part for suite in sorted(suites) for part in self.suites[suite].slices]

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

    @model_validator(mode="after")
    def _tokens_can_be_checked(self) -> Self:
        """Where a target checks a draft's tokens, sampling is greedy and both have one tokenizer."""
        for name, run in self.runs.items():
            asked = [method for method in run.methods if self.methods[method].declared.by_token]
            if asked and self.generation.temperature > 0:
                raise ValueError(
                    f"runs.{name}.methods: {asked[0]!r} keeps what is the target's likeliest token, and "
                    f"generation.temperature is {self.generation.temperature}; allowed: 0"
                )
            for method, target, draft in product(asked, run.targets, run.drafts):
                if self._other_tokenizer(target, draft):
                    fitting = [model for model in self.models if not self._other_tokenizer(target, model)]
                    raise ValueError(
                        f"runs.{name}.methods: {method!r} goes token by token, and {draft!r} has another tokenizer "
                        f"than {target!r}; it takes {', '.join(sorted({*fitting} - {target}))}"
                    )
        return self

    def _other_tokenizer(self, target: str, draft: str) -> bool:
        """Whether two models are known not to share a tokenizer; of those of the hub it shows in the job."""
        digests = {self._tokenizer(target), self._tokenizer(draft)} - {None}
        return len(digests) > 1

    def _tokenizer(self, name: str) -> str | None:
        model = self.models[name]
        if model.maker == "awq":
            return self._tokenizer(model.base)
        return None if isinstance(model, HubModel) else folder_tokenizer(model.path)

    def is_micro(self, name: str) -> bool:
        """Whether a data set is made by the micro world, which alone knows the truth of its questions."""
        data = {**self.benchmarks, **self.training_sets}[name]
        return self.micro is not None and name in GENERATED and data.path == f"{self.micro.folder}/{name}"

    def is_calibration(self, name: str) -> bool:
        """Whether a benchmark is made by the micro world to calibrate on."""
        data, made = self.benchmarks.get(name), self.calibration
        return bool(data and made and made.generated and data.path == f"{made.generated}/{data.adapter}")

    @property
    def guarantees(self) -> dict[str, Guarantee]:
        """What is promised of the methods that some run asks for and whose threshold is calibrated."""
        asked = dict.fromkeys(method for run in self.runs.values() for method in run.methods)
        found = {name: self.methods[name].guarantee for name in asked}
        return {name: promised for name, promised in found.items() if promised}

    @property
    def calibrated_on(self) -> tuple[Slice, ...]:
        """The slices that thresholds are calibrated on; none where no method asks for that."""
        return self.suites[self.calibration.suite].slices if self.calibration and self.guarantees else ()

    @model_validator(mode="after")
    def _calibrated_by_itself(self) -> Self:
        """Calibration problems are neither asked by a run nor drawn by a training: else the promise is void."""
        if not self.guarantees:
            return self
        name = next(iter(self.guarantees))
        if self.calibration is None:
            raise ValueError(
                f"methods.{name}.alpha is a guarantee, and `calibration` is null: say on what to calibrate"
            )
        place, suite = f"suites.{self.calibration.suite}", self.suites[self.calibration.suite]
        if suite.alone or suite.load:
            raise ValueError(f"{place} is calibrated on, which times nothing; allowed: alone 0 and no load")
        for part in suite.slices:
            self._only_calibrated_on(place, part)
        return self

    def _only_calibrated_on(self, place: str, part: Slice) -> None:
        """A ValueError with who else may use problems of this slice."""
        source = self.benchmarks[part.benchmark].source
        for name in {*self.sapo.training_sets, *self.awq.training_sets}:
            if self.training_sets[name].source == source:
                raise ValueError(f"{place}: {part.benchmark} is the data of training_sets.{name}: take another split")
        for name in sorted({suite for run in self.runs.values() for suite in run.suites}):
            for other in self.suites[name].slices:
                if self.benchmarks[other.benchmark].source == source and part.meets(other):
                    raise ValueError(
                        f"{place}: problems of {part.benchmark} are asked in suites.{name} too; give both slices a "
                        "share, such as share: [0, 0.5] here and share: [0.5, 1] there"
                    )

    @model_validator(mode="after")
    def _trained_as_judged(self) -> Self:
        """Drafts are trained by the threshold that judges them: else the alignment reward is not acceptance."""
        method = self.methods.get(REFERENCE)
        if method and method.verifier == "cpn" and method.alpha != self.sapo.alpha:
            raise ValueError(
                f"sapo.alpha is {self.sapo.alpha}, methods.{REFERENCE}.alpha is {method.alpha}: set both alike"
            )
        return self

    @model_validator(mode="after")
    def _files_are_there(self) -> Self:
        """Local data that are used have files, unless the workflow makes them."""
        trained = {*self.sapo.training_sets, *self.awq.training_sets}
        calibrated = [part.benchmark for part in self.calibrated_on if not self.is_calibration(part.benchmark)]
        used = {"benchmarks": [*self.asked, *calibrated], "training_sets": sorted(trained)}
        for part, name in ((part, name) for part, names in used.items() for name in names):
            data: DataSpec = getattr(self, part)[name]
            if data.is_local and not data.files and not self.is_micro(name):
                there = "nothing in it fits" if Path(data.path).exists() else f"no such file or folder in {Path.cwd()}"
                whose = f" whose name begins with {data.split}" if data.split else ""
                raise ValueError(f"{part}.{name}.path: {data.path!r}: {there}; wanted: {', '.join(FILES)}{whose}")
        return self

    @model_validator(mode="after")
    def _folders_hold_models(self) -> Self:
        """A local model has a configuration and weights that can be read without running its code."""
        for name, model in self.models.items():
            if not isinstance(model, LocalModel):
                continue
            names = [file.name for file in model.files]
            if "config.json" not in names or not any(file.endswith(".safetensors") for file in names):
                raise ValueError(
                    f"models.{name}.path: expected a folder with config.json and *.safetensors, found "
                    f"{', '.join(names) or 'no file of a model'} in {model.path!r}"
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
        yield "calibration.suite", [self.calibration.suite] if self.calibration else [], self.suites
        for name, method in self.methods.items():
            yield f"methods.{name}.draft", [method.draft], {PLAIN, *self.sapo.recipes}
        for name, model in self.models.items():
            yield f"models.{name}.base", [model.base] if model.maker == "awq" else [], whole
        yield "display.main", self.display.main, self.methods
        yield "display.labels", self.display.labels, {*self.methods, *self.benchmarks, *self.training_sets}
        yield "display.colours", self.display.colours, self.methods
        yield "sapo.training_sets", self.sapo.training_sets, self.training_sets
        yield "stands_for", self.stands_for, models
        yield "awq.training_sets", self.awq.training_sets, self.training_sets
        yield "estimates.rules", self.estimates.rules.values(), self.estimates.devices
