"""Names, specs and digests of the jobs, from the shipped configurations."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config

from dreamr.config import Config, Method, sapo_model
from dreamr.errors import UserError
from dreamr.planning import plan as planning
from dreamr.planning.jobs import GenerateJob, SummariseJob, TrainJob, VerifyJob
from dreamr.planning.pins import refuse_unpinned, unpinned
from dreamr.planning.plan import Group, Plan, as_json, command_digest
from dreamr.planning.reading import load

ROOT = Path(__file__).parent.parent
ABLATION = Group("ablation", "q3vl-deep-awq", "q3vl-2l", "all")
PAIR = ("q3vl-deep-awq", "q3vl-2l")
MAIN = Group("main", "q3vl-deep-awq", "q3vl-2l", "all")


@cache
def shipped(path: str) -> dict[str, Any]:
    """A configuration file. Reading it takes longer than all that is done with it."""
    return yaml.safe_load((ROOT / path).read_text())


def merged(*overlays: Any) -> Config:
    """The default configuration with overlays, merged as Snakemake merges them."""
    tree = deepcopy(shipped("config/config.yaml"))
    for overlay in overlays:
        update_config(tree, deepcopy(shipped(overlay)) if isinstance(overlay, str) else overlay)
    return load(tree)


def scaled(name: str, *overlays: Any) -> Config:
    """A shipped scale by its file's name, with overlays; `config` is the default one."""
    files = {"config": [], "lab": ["config/paper.yaml", "config/lab.yaml"]}.get(name, [f"config/{name}.yaml"])
    return merged(*files, *overlays)


def digests(config: Config) -> dict[tuple[Group, str], str]:
    plan = Plan(config)
    return {(group, name): plan.cell(group, name).digest for group in plan.groups for name in plan.methods(group)}


def changed(before: dict, after: dict) -> set[Any]:
    return {key for key in before | after if before.get(key) != after.get(key)}


def test_micro_scale_has_eight_pairs_and_twelve_trainings() -> None:
    plan = Plan(merged())
    assert len({(group.target, group.draft) for group in plan.groups if group.run == "main"}) == 8
    assert len(plan.trainings) == 12
    assert plan.models["awq"] == ["q3vl-deep-awq", "q3vl-moe-awq"]
    assert plan.models["fetch"] == ["mimo-3l", "q3vl-2l", "q3vl-3l", "q3vl-deep", "q3vl-moe", "r4b-2l"]
    assert len(plan.datasets) == len(plan.micro_files) == 7


MINE = {
    "benchmarks": {"mine": {"adapter": "realworldqa", "path": "my/folder", "split": "test"}},
    "suites": {"all": {"slices": [{"benchmark": name} for name in ("mathverse", "realworldqa", "mine")]}},
    "estimates": {"questions": {"mine": 30}},
}
REPLACED = {"benchmarks": {"realworldqa": {"path": "my/folder"}}, "estimates": {"questions": {"realworldqa": 30}}}


@pytest.mark.parametrize(
    ("overlay", "generated", "foreign"),
    [
        (MINE, ("mathverse", "realworldqa"), "mine"),
        (REPLACED, ("mathverse", "mmbench", "mmmu"), "realworldqa"),
        ({}, ("mathverse", "mmbench", "realworldqa", "mmmu"), None),
    ],
    ids=["beside", "in place of", "none"],
)
def test_a_benchmark_of_one_s_own_is_asked_and_not_judged(
    overlay: dict[str, Any], generated: tuple[str, ...], foreign: str | None
) -> None:
    """Neither the step oracle nor the list of planted questions knows anything of it."""
    config = merged(overlay)
    plan, audit = Plan(config), Plan(config).audit()
    assert VerifyJob.of(config).benchmarks == generated
    assert audit.benchmarks == tuple(name for name in config.benchmarks if name in (*generated, foreign))
    assert set(audit.generated) == {*generated, "geometry3k", "ocr_vqa", "scienceqa"}
    if foreign:
        assert foreign in plan.benchmarks(MAIN) and not plan.is_micro(foreign)
        assert foreign not in plan.micro_files
        assert plan.data_digest(foreign) == Plan(merged(overlay, {"micro": {"seed": 1}})).data_digest(foreign)


def test_verdicts_are_held_against_the_oracle_where_there_are_any() -> None:
    """Answers under load are not read, nor those of further trainings."""
    methods = {"main": ["draft_only"], "ablation": None, "quantization": None}
    runs = {name: given and {"methods": given} for name, given in methods.items()}
    assert VerifyJob.of(merged({"runs": runs})).benchmarks == ()
    again = runs | {"main": {"methods": ["dreamr"], "replicate": 1}}
    assert VerifyJob.of(merged({"runs": again})).benchmarks == ()
    plain = runs | {"main": {"methods": ["dreamr_ns"], "replicate": 1}}
    assert len(VerifyJob.of(merged({"runs": plain})).benchmarks) == 4
    loaded = {"suites": {"all": {"alone": 0, "load": {"sizes": [1], "blocks": 2}}}}
    assert VerifyJob.of(merged(loaded)).benchmarks == ()
    assert VerifyJob.of(merged("config/paper.yaml")).benchmarks == ()


def test_paper_scale_has_the_papers_pairs_and_nothing_micro() -> None:
    plan = Plan(merged("config/paper.yaml"))
    pairs = {(group.target, group.draft) for group in plan.groups if group.run == "main"}
    targets, drafts = zip(*sorted(pairs), strict=True)
    assert len(pairs) == 8
    assert set(targets) == {"qwen3-vl-32b-awq", "qwen3-vl-235b-awq"}
    assert set(drafts) == {"qwen3-vl-2b", "qwen3-vl-4b", "r-4b", "mimo-vl-7b-rl"}
    assert not plan.micro_files
    assert not [name for name in plan.models["fetch"] if plan.config.models[name].maker == "zoo"]


def test_paper_scale_covers_every_benchmark_once() -> None:
    config = merged("config/paper.yaml")
    for run in ("baseline", "ngram", "main"):
        slices = [part for suite in config.runs[run].suites for part in config.suites[suite].slices]
        for benchmark in config.benchmarks:
            shards = [part.shard for part in slices if part.benchmark == benchmark]
            assert sorted(shards) == [(i + 1, len(shards)) for i in range(len(shards))]


def test_engines_of_one_job_share_the_gpus() -> None:
    """On no GPU do the engines of a job ask for more than its memory, n-gram's second target engine included."""
    plan = Plan(merged("config/paper.yaml"))
    for group in plan.groups:
        engines = [plan.ref(name).engine for name in plan.models_of(group)]
        if any(method.loop == "spec_decoding" for method in plan.methods(group).values()):
            engines.append(plan.ref(group.target).engine)
        assert all(len(engine.devices) == engine.tensor_parallel for engine in engines)
        for gpu in range(plan.gpus(group)):
            assert sum(engine.memory or 0 for engine in engines if gpu in engine.devices) <= 0.95, group


def test_a_job_asks_for_the_gpus_that_its_engines_hold() -> None:
    plan = Plan(merged("config/paper.yaml"))
    assert {plan.gpus(group) for group in plan.groups if group.draft == "none"} == {4}
    assert {plan.gpus(group) for group in plan.groups if group.draft != "none"} == {6}
    assert {Plan(merged()).gpus(group) for group in Plan(merged()).groups} == {0}


def test_specs_are_read_back_and_always_written_alike() -> None:
    plan = Plan(merged())
    for group in plan.groups:
        text = as_json(plan.generate(group))
        assert as_json(GenerateJob.model_validate_json(text)) == text == as_json(Plan(merged()).generate(group))
        assert list(json.loads(text)) == sorted(json.loads(text))
    for name in plan.trainings:
        assert TrainJob.model_validate_json(as_json(plan.train(name))) == plan.train(name)


def test_a_control_uses_the_drafts_of_the_named_target() -> None:
    plan = Plan(merged())
    drafts = plan.drafts(Group("quantization", "q3vl-deep", "q3vl-2l", "all"))
    assert drafts == {"balanced": "q3vl-2l.balanced.q3vl-deep-awq"}


def test_another_seed_is_another_training_of_the_same_recipe() -> None:
    again = {
        "targets": ["q3vl-deep-awq"],
        "drafts": ["q3vl-2l"],
        "methods": ["dreamr"],
        "suites": ["all"],
        "replicate": 2,
    }
    plan = Plan(merged({"runs": {"again": again}}))
    group = Group("again", "q3vl-deep-awq", "q3vl-2l", "all")
    usual, other = (plan.train(plan.drafts(each)["balanced"]) for each in (MAIN, group))
    assert (usual.name, other.name) == ("q3vl-2l.balanced.q3vl-deep-awq", "q3vl-2l.balanced.q3vl-deep-awq.2")
    assert other.generation.seed == usual.generation.seed + 2
    assert other.model_copy(update={"name": usual.name, "generation": usual.generation}) == usual
    assert plan.generate(group).replicate == 2 and plan.generate(MAIN).replicate == 0
    assert digests(merged()).items() <= digests(plan.config).items(), "the usual answers are as they were"


def test_only_jobs_that_ask_the_step_oracle_are_told_the_truth() -> None:
    plan = Plan(merged("config/depth.yaml"))
    told = {group.run: plan.generate(group).truth for group in plan.groups}
    assert told.pop("dose") == plan.config.micro.folder and set(told.values()) == {None}


def test_an_alpha_changes_only_its_own_cell() -> None:
    after = digests(merged({"methods": {"alpha_05": {"alpha": 0.4}}}))
    assert changed(digests(merged()), after) == {(ABLATION, "alpha_05")}


def test_a_recipe_changes_only_the_cells_that_draft_with_it() -> None:
    after = digests(merged({"sapo": {"recipes": {"length_heavy": {"weights": {"length": 3}}}}}))
    assert changed(digests(merged()), after) == {(ABLATION, "length_heavy")}


COPIED = {
    "sapo": {"recipes": {"copied": {"weights": {"outcome": 1, "alignment": 1, "length": 1}, "planted": True}}},
    "methods": {"copied": {"loop": "draft_only", "draft": "copied"}},
    "runs": {
        "copied": {"targets": PAIR[:1], "drafts": PAIR[1:], "methods": ["copied"], "suites": ["all"], "replicate": 2}
    },
}


def test_a_training_on_planted_copies_differs_by_what_it_asks() -> None:
    plan = Plan(merged(COPIED))
    copied, usual = (
        plan.train(sapo_model(recipe, *PAIR, replicate)) for recipe, replicate in (("copied", 2), ("balanced", 0))
    )
    assert copied.planted == "resources/micro/planted.csv" and usual.planted is None
    assert copied.drawing.planted and copied.recipe.weights == usual.recipe.weights
    other = Plan(merged(COPIED, {"micro": {"clusters": {"mmbench": 13}}}))
    assert other.ref(copied.name).digest != plan.ref(copied.name).digest, "other copies, another draft"
    assert changed(digests(merged()), digests(merged(COPIED))) == {(Group("copied", *PAIR, "all"), "copied")}


def test_the_audit_knows_what_every_training_draws() -> None:
    """Trainings of one recipe and replicate draw the same, whatever the pair, and as the training itself does."""
    plan = Plan(merged(COPIED))
    job = plan.audit()
    draws = {(draw.recipe, draw.replicate): draw.drawing for draw in job.draws}
    assert len(draws) == len(job.draws) == len(plan.config.sapo.recipes)
    for name, training in plan.trainings.items():
        assert draws[training.recipe, training.replicate] == plan.train(name).drawing
    assert (job.planted, len(job.benchmarks), len(job.training_sets)) == ("resources/micro/planted.csv", 4, 3)
    assert Plan(merged("config/paper.yaml")).audit().planted is None


@pytest.mark.parametrize(
    ("overlay", "affects"),
    [
        ({"statistics": {"resamples": 100}}, lambda group, name: False),
        ({"title": "another"}, lambda group, name: False),
        ({"generation": {"step_tokens": 41}}, lambda group, name: True),
        ({"awq": {"samples": 63}}, lambda group, name: group.target.endswith("awq") or group.run == "quantization"),
        ({"models": {"r4b-2l": {"path": "elsewhere"}}}, lambda group, name: group.draft == "r4b-2l"),
        ({"micro": {"seed": 1}}, lambda group, name: True),
    ],
)
def test_a_setting_changes_the_cells_that_depend_on_it(overlay: dict, affects: Callable[[Group, str], bool]) -> None:
    before = digests(merged())
    assert changed(before, digests(merged(overlay))) == {cell for cell in before if affects(*cell)}


def test_an_edited_loop_changes_only_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(merged())
    monkeypatch.setattr(planning, "command_digest", edited("dreamr.methods.lookahead"))
    methods = merged().methods
    assert changed(before, digests(merged())) == {cell for cell in before if methods[cell[1]].loop == "lookahead"}


def edited(module: str) -> Callable[..., str]:
    """`command_digest` as it would be after an edit of one module that is loaded by name."""

    def digest(command: str, *modules: str, leave_out: tuple[str, ...] = ()) -> str:
        return command_digest(command, *modules, leave_out=leave_out) + ("edited" if module in modules else "")

    return digest


def test_everything_of_the_hub_needs_a_commit_at_the_papers_scale() -> None:
    """All at once, as a file to fill in; a branch is no commit, and what lies here already needs none."""
    with pytest.raises(UserError) as refused:
        refuse_unpinned(Plan(merged("config/paper.yaml")))
    told = str(refused.value)
    asked = yaml.safe_load(told.partition("\n\n")[2].partition("\nWhat these print")[0])
    pins = yaml.safe_load((ROOT / "tests/pins.yaml").read_text())
    assert {part: set(names) for part, names in asked.items()} == {part: set(names) for part, names in pins.items()}
    assert "\ngit ls-remote https://huggingface.co/datasets/AI4Math/MathVerse HEAD\n" in told
    refuse_unpinned(Plan(merged("config/paper.yaml", "tests/pins.yaml")))
    refuse_unpinned(Plan(merged()))


@pytest.mark.parametrize("revision", ["main", "v1.0", "", "0" * 39])
def test_what_may_move_is_no_commit(revision: str) -> None:
    moved = {"models": {"r-4b": {"revision": revision}}}
    assert unpinned(Plan(merged("config/paper.yaml", "tests/pins.yaml", moved))).keys() == {("models", "r-4b")}


def test_what_a_template_is_told_changes_the_answers_of_its_model_alone() -> None:
    """Nothing told is in no digest; what is told is no part of what the model's files are."""
    told = {"models": {"q3vl-2l": {"chat_template_kwargs": {"thinking_mode": "long"}}}}
    changes = changed(digests(merged()), digests(merged(told)))
    assert changes and all(group.draft == "q3vl-2l" for group, _ in changes)
    assert "chat_template_kwargs" not in as_json(Plan(merged()).ref("q3vl-2l"))
    models = [Plan(merged(*overlays))._model_digest("q3vl-2l") for overlays in ((), (told,))]
    assert models[0] == models[1]


def test_pairs_whose_engines_share_a_gpu_are_told() -> None:
    one, two = merged("config/gpu.yaml"), merged("config/gpu.yaml", "config/two_gpus.yaml")
    assert SummariseJob.of(one).sharing == (("qwen3-vl-8b-awq", "qwen3-vl-2b"),)
    assert SummariseJob.of(two).sharing == SummariseJob.of(merged("config/paper.yaml")).sharing == ()
    assert "sharing" not in as_json(SummariseJob.of(merged())), "on a CPU nothing is said of it"


def test_who_serves_a_model_changes_no_cell() -> None:
    """The same weights behind a server give the same answers: kept ones are taken up."""
    served = {"models": {"q3vl-deep-awq": {"engine": {"url": "unix:/run/target"}}}}
    assert changed(digests(merged()), digests(merged(served))) == set()


def test_an_experiment_has_any_name_and_what_its_drafts_were_taught_is_not_read_off_it() -> None:
    own = merged({"scale": "my-first"})
    assert (own.scale, SummariseJob.of(own).taught) == ("my-first", True)
    assert not SummariseJob.of(merged("config/gpu.yaml", {"scale": "my-gpus"})).taught


GRID = {"sweeps": {"grid": {"of": "dreamr", "vary": {"alpha": [0.5, 0.95], "window": [2, 4]}}}}
GRID_RUN = {"targets": ["q3vl-deep-awq"], "drafts": ["q3vl-2l"], "methods": ["grid", "alpha_05"], "suites": ["all"]}


def test_a_sweep_is_all_combinations_around_its_method() -> None:
    config = merged(GRID, {"runs": {"grid": GRID_RUN, "ablation": None}})
    names = [f"grid_alpha_0-{alpha}_window_{window}" for alpha in (5, 95) for window in (2, 4)]
    assert config.runs["grid"].methods == (*names, "alpha_05")
    own = config.methods[names[2]]
    assert own == config.methods["dreamr"].model_copy(update={"alpha": 0.95, "window": 2})
    assert Config.model_validate_json(as_json(config)) == config
    assert {*digests(merged())} - {*digests(merged(GRID))} == set(), "no run names it, so nothing is answered"


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        ({"of": "dream", "vary": {"alpha": [0.5]}}, r"sweeps\.grid\.of: unknown name 'dream'; allowed: .*dreamr"),
        ({"of": "dreamr", "vary": {"alpha": [5]}}, r"sweeps\.grid\.vary\.alpha: .*less than 1 \(found: 5\)"),
        ({"of": "dreamr", "vary": {"alhpa": [0.5]}}, r"unknown setting 'alhpa'; known: acceptance, alpha, "),
        ({"of": "dreamr", "vary": {"threshold": [5]}}, r"sweeps\.grid\.vary: loop 'fpsr' .* does not take threshold"),
        ({"of": "dreamr", "vary": {"own": [{"a": 1}]}}, r"unknown setting 'own'"),
        ({"of": "dreamr", "vary": {"window": [2, 2]}}, r"two of its methods would have one name"),
        ({"of": "dreamr", "vary": {"alpha": []}}, r"sweeps\.grid\.vary\.alpha: .*at least 1"),
    ],
)
def test_a_sweep_that_cannot_be_is_told_where_it_is_wrong(sweep: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        merged({"sweeps": {"grid": sweep}, "runs": {"grid": GRID_RUN}})


def test_a_sweep_has_a_name_of_its_own() -> None:
    with pytest.raises(UserError, match=r"sweeps\.dreamr: a method has this name already"):
        merged({"sweeps": {"dreamr": GRID["sweeps"]["grid"]}})


CERTIFIED = {
    "methods": {
        "certified": {
            **{"loop": "fpsr", "draft": "balanced", "verifier": "cpn", "window": 4, "target_speculation": "all"},
            **{"continues": True, "alpha": {"risk": 0.03, "confidence": 0.95, "problems": 400}},
        }
    },
    "runs": {
        "certified": {
            **{"targets": ["q3vl-deep-awq", "q3vl-moe-awq"], "drafts": ["q3vl-2l", "r4b-2l"]},
            **{"methods": ["certified", "alpha_05"], "suites": ["all"]},
        },
        "ablation": None,
    },
}


def test_a_threshold_is_calibrated_once_for_the_models_of_a_pair() -> None:
    """Whatever runs and suites ask for it; a draft of another training has its own."""
    again = {**CERTIFIED["runs"]["certified"], "methods": ["certified"], "replicate": 1}
    later = {**again, "suites": ["later"], "replicate": 0}
    suites = {"later": {"slices": [{"benchmark": "mmmu"}], "alone": 0}}
    plan = Plan(merged(CERTIFIED, {"runs": {"later": later, "again": again}, "suites": suites}))
    drafters = [(target, f"{draft}.balanced.{target}{end}") for target in ("q3vl-deep-awq", "q3vl-moe-awq")
                for draft in ("q3vl-2l", "r4b-2l") for end in ("", ".1")]  # fmt: skip
    assert {one[:2] for one in plan.calibrations} == {*drafters} and len(plan.calibrations) == 8
    of_main, of_later = (
        plan.calibrated(Group(run, *PAIR, suite)) for run, suite in (("certified", "all"), ("later", "later"))
    )
    assert of_main == of_later and plan.calibrated(MAIN) == []
    paths = plan.outputs()
    assert "results/calibration/q3vl-moe-awq/r4b-2l.balanced.q3vl-moe-awq.1/certified.json" in paths["calibrate"]
    assert len(paths["ask_target"]) == 2 and {*plan.datasets} >= {"mathverse_apart", "mmmu_apart"}


def test_without_a_guarantee_nothing_is_calibrated() -> None:
    plan = Plan(merged())
    assert not plan.calibrations and not plan.calibration_files and plan.outputs()["ask_target"] == []


def test_a_guarantee_changes_no_other_cell_and_its_risk_no_answer() -> None:
    """The value of a threshold is added to the digest by the job that knows it."""
    before, after = digests(merged({"runs": {"ablation": None}})), digests(merged(CERTIFIED))
    assert {cell[0].run for cell in changed(before, after)} == {"certified"}
    riskier = deepcopy(CERTIFIED)
    riskier["methods"]["certified"]["alpha"] |= {"risk": 0.05, "confidence": 0.9}
    assert not changed(after, digests(merged(riskier)))
    plans = [Plan(merged(tree)) for tree in (CERTIFIED, riskier)]
    jobs = [plan.calibrate(next(iter(plan.calibrations))) for plan in plans]
    assert jobs[0].answers == jobs[1].answers and jobs[0] != jobs[1]


def test_every_candidate_is_the_method_with_its_threshold() -> None:
    plan = Plan(merged(CERTIFIED))
    job = plan.calibrate(next(iter(plan.calibrations)))
    whole = plan.config.methods["dreamr"]
    assert [cell.method for cell in job.answers.cells.values()] == [
        whole.model_copy(update={"alpha": alpha}) for alpha in plan.config.calibration.candidates
    ]
    assert len({cell.digest for cell in job.answers.cells.values()}) == 6
    assert (job.answers.suite.alone, job.answers.sample.problems, job.answers.drafts["balanced"].name) == (
        0,
        400,
        job.drafter,
    )
    (alone,) = plan.ask_target("q3vl-moe-awq").cells.values()
    assert alone.method == Method(loop="target_only")


@pytest.mark.parametrize(
    ("overlay", "affects"),
    [
        ({"calibration": {"seed": 1}}, True),
        ({"methods": {"certified": {"alpha": {"problems": 500}}}}, True),
        ({"calibration": {"candidates": [0.9, 0.8]}}, False),
        ({"micro": {"seed": 1}}, False),
    ],
)
def test_what_is_asked_of_the_target_to_calibrate(overlay: dict, affects: bool) -> None:
    """Other questions of the benchmarks are another quantized target, and the problems stay what they are."""
    names = ("mathverse_apart", "mmmu_apart")
    before, after = (
        [Plan(merged(*trees)).data_digest(name) for name in names] for trees in ([CERTIFIED], [CERTIFIED, overlay])
    )
    assert (before != after) == affects


def test_pools_are_over_the_pairs_of_the_main_run() -> None:
    """A run of one's own on another pair takes no method out of the pools."""
    own = {"targets": ["q3vl-moe"], "drafts": ["q3vl-2l"], "methods": ["dreamr_ns"], "suites": ["all"]}
    pairs = SummariseJob.of(merged()).pairs
    assert len(pairs) == 8 and SummariseJob.of(merged({"runs": {"own": own}})).pairs == pairs
    without = dict.fromkeys(("main", "ablation", "quantization"))
    assert SummariseJob.of(merged({"runs": {"own": own, **without}})).pairs == (("q3vl-moe", "q3vl-2l"),)
