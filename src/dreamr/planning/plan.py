"""From the checked configuration to jobs: which there are, their specs, digests and what they read.

Nothing here starts or reads a result, so the workflow can plan before anything exists. A digest covers what a result
depends on and no more: that decides what an edit reruns.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dreamr import components
from dreamr.config import (
    NO_DRAFT,
    PLAIN,
    AwqModel,
    Config,
    DataSpec,
    LocalModel,
    Method,
    ModelRef,
    Name,
    Run,
    SapoSettings,
    Spec,
    Suite,
    sapo_model,
)
from dreamr.methods.protocol import ORACLE
from dreamr.planning.jobs import (
    AuditJob,
    CalibrateJob,
    Cell,
    Draw,
    FetchJob,
    GenerateJob,
    MakeCalibrationJob,
    PrepareJob,
    QuantizeJob,
    Sample,
    TrainJob,
)
from dreamr.planning.site import Limit, Site, limit_of
from dreamr.provenance import code_digest, settings_in_use, spec_digest

# SAPO's outcome reward is the scorer. Its code is left out of the digest of a training, so that a repaired scorer
# grades the traces again and trains nothing again: what a draft is, is what its training wrote. Train anew by hand
# (snakemake --forcerun train_sapo) after a change of the scorer that should move the rewards.
SCORER = ("dreamr.scoring.answers",)
# Their code counts for no digest. Settings and jobs reach a command as the values in its spec, which does count; what
# is left of those modules checks values, names models and shares out GPUs. The others word, guard, write results.
DIGEST_EXCLUDED = (
    *(
        "dreamr.components",  # what it tells of a method is in the job's specification
        "dreamr.config",
        "dreamr.planning.jobs",
        "dreamr.planning.reading",
        "dreamr.errors",
        "dreamr.files",
        "dreamr.cli.common",
    ),
    *("dreamr.runtime.causes", "dreamr.runtime.endings", "dreamr.runtime.locks", "dreamr.runtime.output"),
    *("dreamr.runtime.restarts", "dreamr.runtime.slurm", "dreamr.runtime.stops"),
    "dreamr.engines.vllm.logs",
    "dreamr.engines.vllm.packed",  # what it refuses has no answer
    "dreamr.studies.catalogue",  # it loads modules by name, which are named to the digest
)


class Group(NamedTuple):
    """The cells that one generate job answers."""

    run: Name
    target: Name
    draft: Name
    suite: Name


class Training(NamedTuple):
    """One SAPO draft: a recipe applied to a pair, its seed `replicate` behind the configuration's."""

    recipe: Name
    target: Name
    draft: Name
    replicate: int


class Calibrated(NamedTuple):
    """What a threshold is calibrated for: a method on a target and the model that drafts."""

    target: Name
    drafter: str
    method: Name


TARGET_ONLY = "target_only"  # the method against which a guarantee is given


@dataclass(frozen=True, eq=False)
class Plan:
    """All jobs of one configuration."""

    config: Config
    site: Site = field(default_factory=dict)  # no digest depends on it

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """What is answered by one job each."""
        return tuple(
            Group(name, target, draft, suite)
            for name, run in self.config.runs.items()
            for target in run.targets
            for draft in run.drafts
            for suite in run.suites
        )

    @cached_property
    def trainings(self) -> dict[str, Training]:
        """The SAPO drafts that some method names, by model name."""
        by_group = (self._trainings(group) for group in self.groups)
        return {sapo_model(*training): training for trainings in by_group for training in trainings}

    def _trainings(self, group: Group) -> list[Training]:
        run = self.run(group)
        judge = run.trained_with or group.target
        recipes = (method.draft for method in self.methods(group).values() if method.needs_draft)
        return [Training(recipe, judge, group.draft, run.replicate) for recipe in recipes if recipe != PLAIN]

    @cached_property
    def models(self) -> dict[str, list[str]]:
        """Names of the needed models by maker: fetch, awq, sapo."""
        used = {name for group in self.groups for name in (group.target, group.draft)} - {NO_DRAFT}
        used |= {name for training in self.trainings.values() for name in (training.target, training.draft)}
        awq = {name for name in used if isinstance(self.config.models[name], AwqModel)}
        fetched = (used - awq) | {self.base(name) for name in awq}
        return {"fetch": sorted(fetched), "awq": sorted(awq), "sapo": list(self.trainings)}

    @cached_property
    def datasets(self) -> dict[str, DataSpec]:
        """The needed data sets, benchmarks and training sets alike."""
        config = self.config
        names = {name for group in self.groups for name in self.benchmarks(group)}
        names |= {*config.sapo.training_sets} if self.trainings else set()
        names |= {*config.awq.training_sets} if self.models["awq"] else set()
        names |= {*self.calibrated_on}
        return {name: data for name, data in {**config.benchmarks, **config.training_sets}.items() if name in names}

    def run(self, group: Group) -> Run:
        """The run that a group is part of."""
        return self.config.runs[group.run]

    def methods(self, group: Group) -> dict[str, Method]:
        """The methods of a group by name."""
        return {name: self.config.methods[name] for name in self.run(group).methods}

    def benchmarks(self, group: Group) -> list[str]:
        """The benchmarks of a group, each once."""
        return _benchmarks(self.config.suites[group.suite])

    def base(self, model: str) -> str:
        """The model that an AWQ model is made from."""
        spec = self.config.models[model]
        assert isinstance(spec, AwqModel), model
        return spec.base

    def drafts(self, group: Group) -> dict[str, str]:
        """The models that the group's methods draft with, by `plain` or recipe."""
        trained = {training.recipe: sapo_model(*training) for training in self._trainings(group)}
        plain = {method.draft for method in self.methods(group).values() if method.needs_draft} & {PLAIN}
        return {**dict.fromkeys(plain, group.draft), **trained}

    def models_of(self, group: Group) -> list[str]:
        """The models that a group's job needs: its target and the drafts."""
        return list(dict.fromkeys([group.target, *self.drafts(group).values()]))

    def gpus(self, group: Group) -> int:
        """How many GPUs a generate job's engines hold: a baseline asks for none that only a draft would use."""
        return self.gpus_of(self.models_of(group))

    def gpus_of(self, models: Iterable[str]) -> int:
        """How many GPUs the engines of these models hold."""
        engines = [self.ref(name).engine for name in models]
        return max(engine.gpus for engine in engines) if self.config.device == "cuda" else 0

    def times(self, group: Group) -> bool:
        """Whether answers of a group are timed, for which its generate job has a whole machine."""
        suite = self.config.suites[group.suite]
        return suite.alone > 0 or suite.load is not None

    def apart(self, group: Group) -> bool:
        """Whether the answers that are not timed have a job of their own, which takes its GPUs alone of a node.

        Not on a CPU: there a second start of the engines costs more than that saves.
        """
        return self.config.device == "cuda" and self.config.suites[group.suite].alone > 0

    def limit(self, rule: str) -> Limit:
        """The time limit of a rule's jobs."""
        return limit_of(self.config, self.site, rule)

    # Thresholds that are calibrated.

    @cached_property
    def calibrations(self) -> dict[Calibrated, Group]:
        """What is calibrated, each with a group that asks for it; others of the same models share the threshold."""
        found: dict[Calibrated, Group] = {}
        for group in self.groups:
            for calibrated in self.calibrated(group):
                found.setdefault(calibrated, group)
        return found

    @property
    def calibrated_on(self) -> list[str]:
        """The benchmarks whose problems thresholds are calibrated on."""
        return list(dict.fromkeys(part.benchmark for part in self.config.calibrated_on))

    def calibrated(self, group: Group) -> list[Calibrated]:
        """What a group's job has to know the thresholds of."""
        asking = {name: method for name, method in self.methods(group).items() if method.guarantee}
        drafts = self.drafts(group)
        return [Calibrated(group.target, drafts[method.draft], name) for name, method in asking.items()]

    def certificate(self, calibrated: Calibrated) -> str:
        """The file with a threshold and how it was found."""
        return f"{self.config.pathvars.results}/calibration/{'/'.join(calibrated)}.json"

    def reference(self, target: Name) -> str:
        """The file with the target's own answers to calibration problems."""
        return f"{self.config.pathvars.results}/calibration/{target}/{NO_DRAFT}/{TARGET_ONLY}.jsonl"

    @property
    def calibration_problems(self) -> int:
        """On how many problems some threshold is tested at most."""
        return max((promised.problems for promised in self.config.guarantees.values()), default=0)

    # The specs of the jobs.

    def make_calibration(self) -> MakeCalibrationJob:
        """The spec of the calibration problems that the micro world makes."""
        made = self.config.calibration
        assert made, "asked for where there are such files"
        return MakeCalibrationJob(
            seed=made.seed,
            problems=self.calibration_problems,
            benchmarks=tuple(self.datasets[name].adapter for name in self.calibration_files),
        )

    def prepare(self, name: str) -> PrepareJob:
        """The spec of a data set's preparation."""
        return PrepareJob(name=name, data=self.datasets[name])

    def fetch(self, name: str) -> FetchJob:
        """The spec of a fetched model."""
        return FetchJob(name=name, model=self.config.models[name])

    def quantize(self, name: str) -> QuantizeJob:
        """The spec of an AWQ model."""
        config = self.config
        return QuantizeJob(
            name=name,
            made_with=spec_digest(self.code(name), self._data_digests(config.awq.training_sets)),
            base=self.ref(self.base(name)),
            awq=config.awq,
            images=config.images,
            device=config.device,
        )

    def train(self, name: str) -> TrainJob:
        """The spec of a SAPO draft's training."""
        training, config = self.trainings[name], self.config
        return TrainJob(
            name=name,
            made_with=spec_digest(self.code(name), self._data_digests(config.sapo.training_sets)),
            target=self.ref(training.target),
            draft=self.ref(training.draft),
            recipe=config.sapo.recipes[training.recipe],
            planted=self.planted if config.sapo.recipes[training.recipe].planted else None,
            sapo=SapoSettings(**config.sapo.model_dump(exclude={"recipes"})),
            generation=config.generation.model_copy(update={"seed": config.generation.seed + training.replicate}),
            context_tokens=config.context_tokens,
            images=config.images,
            device=config.device,
        )

    def audit(self) -> AuditJob:
        """The spec of the contamination audit. All pairs' trainings of one recipe and replicate ask the same."""
        config = self.config
        drawings = {
            (training.recipe, training.replicate): self.train(name) for name, training in self.trainings.items()
        }
        return AuditJob(
            benchmarks=config.asked,
            training_sets=tuple(name for name in config.training_sets if name in self.datasets),
            draws=tuple(
                Draw(recipe=recipe, replicate=replicate, drawing=job.drawing)
                for (recipe, replicate), job in drawings.items()
            ),
            planted=self.planted,
            generated=tuple(self.micro_files),
        )

    def generate(self, group: Group) -> GenerateJob:
        """The spec of a group's answers."""
        config = self.config
        return GenerateJob(
            target=self.ref(group.target),
            draft=group.draft,
            replicate=self.run(group).replicate,
            drafts={key: self.ref(name) for key, name in self.drafts(group).items()},
            cells={name: self.cell(group, name) for name in self.methods(group)},
            suite=config.suites[group.suite],
            generation=config.generation,
            context_tokens=config.context_tokens,
            images=config.images,
            device=config.device,
            truth=self._truth(group),
        )

    def ask_target(self, target: Name) -> GenerateJob:
        """The spec of the target's own answers to calibration problems: as many as its pairs' methods ask at most."""
        return self._calibration_answers(target, {TARGET_ONLY: Method(loop=TARGET_ONLY)}, self.calibration_problems)

    def calibrate(self, calibrated: Calibrated) -> CalibrateJob:
        """The spec of a calibration."""
        name, group, made = calibrated.method, self.calibrations[calibrated], self.config.calibration
        method = self.config.methods[name]
        assert method.guarantee and made, "the configuration sees to that"
        answers = self._calibration_answers(
            group.target,
            {f"{name}_{alpha}": method.model_copy(update={"alpha": alpha}) for alpha in made.candidates},
            method.guarantee.problems,
            draft=group.draft,
            drafts={method.draft: self.ref(calibrated.drafter)},
            replicate=self.run(group).replicate,
        )
        return CalibrateJob(method=name, drafter=calibrated.drafter, guarantee=method.guarantee, answers=answers)

    def _calibration_answers(
        self,
        target: Name,
        methods: dict[str, Method],
        problems: int,
        draft: Name = NO_DRAFT,
        drafts: Mapping[str, ModelRef] = MappingProxyType({}),
        replicate: int = 0,
    ) -> GenerateJob:
        config, made = self.config, self.config.calibration
        assert made, "the configuration sees to that"
        suite, sample = config.suites[made.suite], Sample(problems=problems, seed=made.seed)
        models = [self.ref(target), *drafts.values()]
        return GenerateJob(
            target=self.ref(target),
            draft=draft,
            replicate=replicate,
            drafts=dict(drafts),
            cells={name: self._cell(name, method, models, suite, sample) for name, method in methods.items()},
            suite=suite,
            generation=config.generation,
            context_tokens=config.context_tokens,
            images=config.images,
            device=config.device,
            sample=sample,
        )

    def _truth(self, group: Group) -> str | None:
        """Where the truth of a group's questions lies, if a method asks for it."""
        micro, methods = self.config.micro, self.methods(group).values()
        return micro.folder if micro and any(method.asks_oracle for method in methods) else None

    def cell(self, group: Group, name: str) -> Cell:
        """A method's cell. Of a threshold that is still to be calibrated its job adds the value to the digest."""
        method = self.config.methods[name]
        models = [group.target, *([self.drafts(group)[method.draft]] if method.needs_draft else [])]
        return self._cell(name, method, list(map(self.ref, models)), self.config.suites[group.suite])

    def _cell(self, name: str, method: Method, models: list[ModelRef], suite: Suite, *others: Spec) -> Cell:
        """A cell, with the code of all that takes part in it."""
        config = self.config
        digest = spec_digest(
            name,
            method.model_copy(update={"alpha": None}) if method.guarantee else method,
            [model.wherever_served() for model in models],
            suite,
            [self.data_digest(benchmark) for benchmark in _benchmarks(suite)],
            [config.generation, config.context_tokens, config.images, config.device],
            command_digest("generate", *_by_name(method)),
            *others,
        )
        return Cell(method=method, digest=digest)

    # Digests.

    @cache  # noqa: B019 - one plan lives as long as the workflow
    def ref(self, name: str) -> ModelRef:
        """A model as jobs see it; a SAPO draft is served like the draft it was trained from."""
        spec = self.config.models[self.trainings[name].draft if name in self.trainings else name]
        return ModelRef(
            name=name,
            engine=spec.engine,
            thinking=spec.thinking,
            trust_remote_code=spec.trust_remote_code,
            digest=self._model_digest(name),
            chat_template_kwargs=tuple(sorted((spec.chat_template_kwargs or {}).items())),
        )

    def _model_digest(self, name: str) -> str:
        """Digest of all that made a model. A fetched one is what its source says, however it was fetched."""
        if name in self.trainings:
            return spec_digest(self.train(name).wherever_served())
        if name in self.models["awq"]:
            return spec_digest(self.quantize(name))
        spec = self.config.models[name]
        files = [(file.name, *_stamp(file)) for file in spec.files] if isinstance(spec, LocalModel) else []
        return spec_digest(spec.model_dump(mode="json", exclude={"engine", "thinking", "chat_template_kwargs"}), *files)

    @cache  # noqa: B019
    def code(self, name: str) -> str:
        """Digest of the code that makes a SAPO or AWQ model."""
        if name in self.trainings:
            return command_digest("train_sapo", leave_out=SCORER)
        return command_digest("quantize")

    def _data_digests(self, names: tuple[str, ...]) -> list[str]:
        return [self.data_digest(name) for name in names]

    @cache  # noqa: B019
    def data_digest(self, name: str) -> str:
        """Digest of what a prepared data set is made from; for a micro one also the world's size, seed and code."""
        generated: list[Any] = [self.config.micro, command_digest("make_micro")] if self.is_micro(name) else []
        if name in self.calibration_files:
            generated = [self.make_calibration(), command_digest("make_calibration")]
        return spec_digest(self.datasets[name], self.adapter_digest(name), *generated)

    def adapter_digest(self, name: str) -> str:
        """Digest of the code that prepares a data set, its adapter included."""
        return command_digest("prepare", components.ADAPTERS.path(self.datasets[name].adapter))

    def outputs(self) -> dict[str, list[str]]:
        """What the jobs of the long rules write."""
        results = self.config.pathvars.results
        cards = {
            maker: [f"{results}/models/{name}/card.json" for name in names] for maker, names in self.models.items()
        }
        traces = [f"{results}/traces/{g.target}/{g.draft}/{g.run}/{g.suite}.jsonl" for g in self.groups]
        apart = [
            f"{results}/answered/{g.target}/{g.draft}/{g.run}/{g.suite}.json" for g in self.groups if self.apart(g)
        ]
        targets = dict.fromkeys(calibrated.target for calibrated in self.calibrations)
        return {
            "quantize": cards["awq"],
            "train_sapo": cards["sapo"],
            "ask_target": list(map(self.reference, targets)),
            "calibrate": list(map(self.certificate, self.calibrations)),
            "answer": apart,
            "generate": traces,
        }

    def weights(self, name: str) -> list[str]:
        """Files of a fetched model that lie on this machine."""
        model = self.config.models[name]
        if isinstance(model, LocalModel):
            return list(map(str, model.files))
        return [f"{model.path}/manifest.json", f"{model.path}/model.safetensors"] if model.maker == "zoo" else []

    def is_micro(self, name: str) -> bool:
        """Whether a data set is generated here."""
        return self.config.is_micro(name)

    @property
    def planted(self) -> str | None:
        """The list of benchmark questions that the generated training sets hold, where data sets are generated."""
        return f"{self.config.micro.folder}/planted.csv" if self.config.micro and self.micro_files else None

    @cached_property
    def micro_files(self) -> dict[str, str]:
        """The generated parquet file of each micro data set."""
        return {
            name: f"{data.path}/{data.split}.parquet" for name, data in self.datasets.items() if self.is_micro(name)
        }

    @property
    def made_files(self) -> dict[str, str]:
        """The parquet file of each data set that is generated."""
        return self.micro_files | self.calibration_files

    @cached_property
    def calibration_files(self) -> dict[str, str]:
        """The generated parquet file of each data set that the micro world makes to calibrate on."""
        data = {name: self.config.benchmarks[name] for name in self.calibrated_on if self.config.is_calibration(name)}
        return {name: f"{one.path}/{one.split}.parquet" for name, one in data.items()}


def _benchmarks(suite: Suite) -> list[str]:
    """The benchmarks of a suite, each once."""
    return list(dict.fromkeys(part.benchmark for part in suite.slices))


def _by_name(method: Method) -> list[str]:
    """Modules behind a cell that its job loads by name. Target-only is behind all: every speed-up is a ratio to it."""
    loops = {"target_only", method.loop, method.batched.loop}
    verifiers = [components.VERIFIERS.path(method.verifier)] if method.verifier else []
    return [components.LOOPS.path(loop) for loop in sorted(loops)] + verifiers + [ORACLE] * method.asks_oracle


def _stamp(file: Path) -> tuple[int, int]:
    """Size and time of a file, by which a change shows without reading it."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


@cache
def command_digest(command: str, *modules: str, leave_out: tuple[str, ...] = ()) -> str:
    """Digest of the code of a command's module and of the modules that it loads by name."""
    own = tuple({components.root(module): None for module in modules if not module.startswith("dreamr.")})
    return code_digest(f"dreamr.cli.{command}", *modules, leave_out=(*DIGEST_EXCLUDED, *leave_out), own=own)


def as_json(spec: Spec) -> str:
    """A spec as a command line takes it: one text for one content, without settings that are off, as in digests."""
    return json.dumps(spec, sort_keys=True, default=settings_in_use)
