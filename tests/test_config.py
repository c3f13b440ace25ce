"""What the configuration accepts, and what it says when it does not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from snakemake.utils import update_config

from dreamr.config import Config, EngineSpec, Guarantee
from dreamr.errors import UserError
from dreamr.planning.plan import Plan
from dreamr.planning.reading import load, read

ROOT = Path(__file__).parent.parent
STATEMENTS = {"claims.yaml", "published.yaml"}  # of the paper, not settings
# What a scale lies over, beside the default one.
BELOW = {"lab.yaml": ["paper.yaml"], "two_gpus.yaml": ["gpu.yaml"]}
CONFIGS = sorted({path.name for path in (ROOT / "config").glob("*.yaml")} - STATEMENTS)


def tree(*overlays: Any) -> dict[str, Any]:
    merged = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for overlay in overlays:
        update_config(merged, overlay)
    return merged


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configurations_are_right(name: str) -> None:
    files = [*BELOW.get(name, []), name]
    config = load(tree(*(yaml.safe_load((ROOT / "config" / file).read_text()) for file in files)))
    assert Config.model_validate(config.model_dump(mode="json", by_alias=True)) == config


def test_an_overlay_drops_a_run() -> None:
    assert "ablation" not in load(tree({"runs": {"ablation": None}})).runs


@pytest.mark.parametrize(
    ("engine", "left"),
    [
        ({"tensor_parallel": 2, "devices": (1, 3)}, ["a", "c"]),
        ({"tensor_parallel": 2}, ["c", "d"]),
        ({}, ["b", "c", "d"]),
        ({"tensor_parallel": 4}, []),
    ],
)
def test_an_engine_leaves_the_gpus_that_it_does_not_hold(engine: dict[str, Any], left: list[str]) -> None:
    assert EngineSpec(dtype="bfloat16", **engine).leaves(["a", "b", "c", "d"]) == left


def test_no_model_of_the_papers_computes_in_a_type_that_overflows() -> None:
    """Else verdicts of a large target can be no numbers."""
    config = load(tree(yaml.safe_load((ROOT / "config/paper.yaml").read_text())))
    here = [model.engine for model in config.models.values() if model.maker != "zoo" and model.engine.devices]
    assert len(here) == 7 and {engine.dtype for engine in here} == {"bfloat16"}


def test_trainings_at_paper_scale_have_gpus_for_the_draft() -> None:
    config = load(tree(yaml.safe_load((ROOT / "config/paper.yaml").read_text())))
    gpus = [str(number) for number in range(config.resources["train"].gpus)]
    targets = {training.target for training in Plan(config).trainings.values()}
    assert targets and all(len(config.models[name].engine.leaves(gpus)) == 4 for name in targets)


MINE = {"adapter": "realworldqa", "path": "my/folder", "split": "test"}
CERTIFIED = {
    "methods": {
        "certified": {
            "loop": "specreason",
            "verifier": "cpn",
            "alpha": {"risk": 0.03, "confidence": 0.95, "problems": 9},
        }
    },
    "runs": {
        "certified": {
            "targets": ["q3vl-deep-awq"],
            "drafts": ["q3vl-2l"],
            "methods": ["certified"],
            "suites": ["all"],
        }
    },
}
WRONG = {
    "unknown key": ({"statistics": {"sampels": 10}}, ["statistics.sampels", "unknown key", "resamples"]),
    "unknown top key": ({"benchmark": {}}, ["benchmark", "unknown key", "benchmarks, calibration, context_tokens"]),
    "unknown key of a model": (
        {"models": {"q3vl-2l": {"pth": "x"}}},
        ["pth", "here: chat_template_kwargs, engine, from, path"],
    ),
    "unknown key of a slice": ({"suites": {"all": {"slices": [{"bench": 1}]}}}, ["bench", "benchmark, shard"]),
    "unknown main method": ({"display": {"main": ["gated"]}}, ["display.main", "'gated'", "dreamr_ns"]),
    "name of what is not there": ({"display": {"labels": {"gated": "Gate"}}}, ["display.labels", "'gated'", "mmmu"]),
    "colour": ({"display": {"colours": {"dreamr": "blue"}}}, ["display.colours.dreamr", "'blue'", "#"]),
    "alpha": ({"methods": {"dreamr": {"alpha": 1.3}}}, ["methods.dreamr.alpha", "1.3", "less than 1"]),
    "a guarantee in part": (
        {"methods": {"dreamr": {"alpha": {"risk": 3, "confidence": 0.95, "promise": 1}}}},
        [
            "methods.dreamr.alpha.risk: Input should be less than 1 (found: 3)",
            "methods.dreamr.alpha.problems: Field required",
            "methods.dreamr.alpha.promise: unknown key; known here: confidence, problems, risk",
        ],
    ),
    "a guarantee without alpha's verifier": (
        {"methods": {"target_only": {"alpha": {"risk": 0.03, "confidence": 0.95, "problems": 20}}}},
        ["methods.target_only", "does not take alpha"],
    ),
    "candidates from loose to strict": (
        {"calibration": {"candidates": [0.5, 0.7]}},
        ["calibration.candidates", "[0.5, 0.7]", "must fall"],
    ),
    "a guarantee without problems": (CERTIFIED | {"calibration": None}, ["methods.certified.alpha", "null"]),
    "calibrated on what a run asks": (
        CERTIFIED | {"suites": {"calibration": {"slices": [{"benchmark": "mmmu", "shard": [1, 2]}]}}},
        ["suites.calibration: problems of mmmu are asked in suites.all too", "share: [0.5, 1]"],
    ),
    "calibrated on the data of a training": (
        CERTIFIED
        | {
            "training_sets": {"ocr_vqa": {"path": "my/books"}},
            "benchmarks": {"books": {"adapter": "ocr_vqa", "path": "my/books", "split": "train"}},
            "suites": {"calibration": {"slices": [{"benchmark": "books", "share": [0, 0.5]}]}},
        },
        ["suites.calibration: books is the data of training_sets.ocr_vqa", "another split"],
    ),
    "calibrated on the clock": (
        CERTIFIED | {"suites": {"calibration": {"alone": 1}}},
        ["suites.calibration", "alone 0"],
    ),
    "calibrated on what is not there": (
        CERTIFIED
        | {
            "benchmarks": {"mine": MINE | {"path": "my/own/folder"}},
            "suites": {"calibration": {"slices": [{"benchmark": "mine"}]}},
        },
        ["benchmarks.mine.path", "'my/own/folder'", "no such file or folder"],
    ),
    "empty share": (
        {"suites": {"all": {"slices": [{"benchmark": "mmmu", "share": [0.5, 0.5]}]}}},
        ["suites.all.slices.0.share", "[0.5, 0.5] selects nothing", "that grow"],
    ),
    "unknown method": ({"runs": {"main": {"methods": ["dreamer"]}}}, ["runs.main.methods", "'dreamer'", "dreamr_ns"]),
    "unknown target": ({"runs": {"main": {"targets": ["q4"]}}}, ["runs.main.targets", "'q4'", "q3vl-deep-awq"]),
    "plain answers of another training": (
        {
            "runs": {
                "again": {
                    "targets": ["q3vl-deep-awq"],
                    "drafts": ["q3vl-2l"],
                    "methods": ["dreamr_ns"],
                    "suites": ["all"],
                    "replicate": 1,
                }
            }
        },
        ["runs.again", "dreamr_ns", "is in runs.main already"],
    ),
    "unknown draft": ({"runs": {"main": {"drafts": ["q4"]}}}, ["runs.main.drafts", "'q4'", "none", "q3vl-2l"]),
    "unknown benchmark": (
        {"suites": {"all": {"slices": [{"benchmark": "mmlu"}]}}},
        ["suites.all.slices", "'mmlu'", "mathverse, mathverse_apart, mmbench"],
    ),
    "unknown recipe": (
        {"methods": {"dreamr": {"draft": "best"}}},
        ["methods.dreamr.draft", "'best'", "plain", "balanced"],
    ),
    "unknown loop": (
        {"methods": {"dreamr": {"loop": "dream"}}},
        ["methods.dreamr.loop", "'dream': no such loop", "fpsr"],
    ),
    "empty suite": ({"suites": {"all": {"slices": []}}}, ["suites.all.slices", "at least 1"]),
    "empty shard": (
        {"suites": {"all": {"slices": [{"benchmark": "mmmu", "shard": [3, 2]}]}}},
        ["suites.all.slices.0.shard", "3 of 2", "1 to 2"],
    ),
    "load and answers alone": (
        {"suites": {"all": {"load": {"sizes": [1, 2], "blocks": 8}}}},
        ["suites.all", "alone is 2", "allowed: 0"],
    ),
    "loads that do not grow": (
        {"suites": {"all": {"alone": 0, "load": {"sizes": [4, 2], "blocks": 8}}}},
        ["suites.all.load.sizes", "[4, 2]", "must grow"],
    ),
    "own benchmark without its size": (
        {"benchmarks": {"mine": MINE}, "suites": {"all": {"slices": [{"benchmark": "mmmu"}, {"benchmark": "mine"}]}}},
        ["estimates.questions", "nothing is said of mine;", "how many questions"],
    ),
    "own data by the name of a generated benchmark, without its size": (
        {"benchmarks": {"realworldqa": {"path": "my/folder"}}},
        ["estimates.questions", "nothing is said of realworldqa;"],
    ),
    "own data among the generated": (
        {"benchmarks": {"mine": MINE | {"path": "resources/micro/mine"}}},
        ["benchmarks.mine.path", "'resources/micro/mine' is in micro.folder", "a folder elsewhere"],
    ),
    "generated data by another name": (
        {"benchmarks": {"again": MINE | {"path": "resources/micro/realworldqa"}}},
        ["benchmarks.again.path", "go by their own names"],
    ),
    "one name for two data sets": (
        {"benchmarks": {"scienceqa": MINE}},
        ["training_sets", "scienceqa is a benchmark's name already"],
    ),
    "oracle beyond the micro world": (
        {
            "benchmarks": {"mmmu": {"path": "MMMU/MMMU"}},
            "estimates": {"questions": {"mmmu": 900}},
            "methods": {"perfect": {"loop": "specreason", "verifier": "oracle", "false_accept": 0, "false_reject": 0}},
            "suites": {"dose": {"slices": [{"benchmark": "mathverse"}, {"benchmark": "mmmu"}], "alone": 0}},
            "runs": {
                "dose": {
                    "targets": ["q3vl-deep-awq"],
                    "drafts": ["q3vl-2l"],
                    "methods": ["perfect"],
                    "suites": ["dose"],
                }
            },
        },
        ["runs.dose.methods", "'perfect'", "generated questions alone", "not those of mmmu"],
    ),
    "oracle on a benchmark of one's own": (
        {
            "benchmarks": {"mine": MINE},
            "estimates": {"questions": {"mine": 20}},
            "methods": {"perfect": {"loop": "specreason", "verifier": "oracle", "false_accept": 0, "false_reject": 0}},
            "suites": {"dose": {"slices": [{"benchmark": "mathverse"}, {"benchmark": "mine"}], "alone": 0}},
            "runs": {
                "dose": {
                    "targets": ["q3vl-deep-awq"],
                    "drafts": ["q3vl-2l"],
                    "methods": ["perfect"],
                    "suites": ["dose"],
                }
            },
        },
        ["runs.dose.methods", "'perfect'", "generated questions alone", "not those of mine"],
    ),
    "oracle on the clock": (
        {
            "methods": {"perfect": {"loop": "specreason", "verifier": "oracle", "false_accept": 0, "false_reject": 0}},
            "runs": {"main": {"methods": ["perfect"]}},
        },
        ["runs.main.suites", "'all' is timed", "'perfect' takes no time", "alone 0"],
    ),
    "oracle without rates": (
        {"methods": {"new": {"loop": "specreason", "verifier": "oracle", "false_accept": 0.5}}},
        ["methods.new", "false_accept", "false_reject"],
    ),
    "one thread": ({"methods": {"target_only": {"threads": 1}}}, ["methods.target_only.threads", "greater than"]),
    "threads of a pair": ({"methods": {"dreamr": {"threads": 2}}}, ["methods.dreamr", "threads"]),
    "speculation of a sequence": (
        {"methods": {"specreason": {"target_speculation": "none"}}},
        ["methods.specreason", "target_speculation"],
    ),
    "old names": (
        {
            "methods": {"dreamr": {"rivals": "all"}},
            "runs": {"main": {"seed": 1}},
            "suites": {"all": {"crowds": {"sizes": [1, 2], "blocks": 8}}},
        },
        [
            "methods.dreamr.rivals: unknown key; it is called target_speculation now",
            "runs.main.seed: unknown key; it is called replicate now",
            "suites.all.crowds: unknown key; it is called load now",
        ],
    ),
    "a key that is old elsewhere": ({"awq": {"seed": 1}}, ["awq.seed: unknown key; known here: group_size"]),
    "unused setting": ({"methods": {"target_only": {"window": 4}}}, ["methods.target_only", "window"]),
    "missing setting": ({"methods": {"new": {"loop": "fpsr", "verifier": "cpn"}}}, ["methods.new", "alpha", "window"]),
    "verifier": (
        {"methods": {"new": {"loop": "fpsr", "verifier": "align", "alpha": 0.5, "window": 4}}},
        [
            "methods.new",
            "'align' judges two versions",
            "loop 'fpsr' asks about one step",
            "it takes bernoulli, cpn, oracle, score, score_mean",
        ],
    ),
    "who answers": (
        {"methods": {"lookahead": {"answers": "target"}}},
        ["methods.lookahead", "does not take answers", "it takes alpha, continues, verifier, window"],
    ),
    "room of a budget": (
        {"methods": {"dreamr": {"budget": 5}}},
        ["methods.dreamr.budget", "are 1200 tokens", "context_tokens (1024)", "less than 984"],
    ),
    "awq of awq": ({"models": {"q3vl-moe-awq": {"base": "q3vl-deep-awq"}}}, ["models.q3vl-moe-awq.base"]),
    "draft needed": ({"runs": {"baseline": {"methods": ["dreamr"]}}}, ["runs.baseline.methods", "'dreamr'", "'none'"]),
    "draft unused": ({"runs": {"main": {"methods": ["ngram"]}}}, ["runs.main.methods", "'ngram'", "'q3vl-2l'"]),
    "cell twice": ({"runs": {"ablation": {"methods": ["dreamr"]}}}, ["runs.ablation", "dreamr", "runs.main"]),
    "ranks": ({"sapo": {"ranks": 3}}, ["sapo", "32 completions", "micro_batch 32 on each of 3 ranks"]),
    "rollouts": ({"sapo": {"rollouts": {"url": "http://a:1"}}}, ["sapo", "rollouts.url", "leave it out"]),
    "alpha of the drafts": ({"sapo": {"alpha": 0.6}}, ["sapo.alpha is 0.6", "methods.dreamr.alpha is 0.7"]),
    "planted": (
        {
            "micro": None,
            "sapo": {"recipes": {"copied": {"weights": {"outcome": 1, "alignment": 1, "length": 1}, "planted": True}}},
            "estimates": {"questions": dict.fromkeys(("mathverse", "mmbench", "realworldqa", "mmmu"), 24)},
        },
        ["sapo.recipes.copied.planted", "only generated data hold planted questions"],
    ),
    "planted among own data": (
        {
            "training_sets": {"scienceqa": {"path": "my/lessons"}},
            "sapo": {"recipes": {"copied": {"weights": {"outcome": 1, "alignment": 1, "length": 1}, "planted": True}}},
        },
        ["sapo.recipes.copied.planted", "only generated data", "not sapo.training_sets scienceqa"],
    ),
    "micro batches": ({"sapo": {"micro_batch": 5}}, ["sapo", "32 completions", "micro_batch 5"]),
    "path in a name": ({"models": {"../up": {"from": "zoo"}}}, ["models", "../up"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_named(case: str) -> None:
    overlay, words = WRONG[case]
    with pytest.raises(UserError) as stop:
        load(tree(overlay))
    missing = [word for word in words if word not in str(stop.value)]
    assert not missing, f"{missing} not in {stop.value}"


def test_a_threshold_is_a_number_or_a_guarantee() -> None:
    config = load(tree(CERTIFIED))
    assert config.methods["certified"].guarantee == Guarantee(risk=0.03, confidence=0.95, problems=9)
    assert str(config.methods["certified"].alpha) == "calibrated, risk 0.03, confidence 0.95"
    assert config.methods["dreamr"].guarantee is None and list(config.guarantees) == ["certified"]
    assert not load(tree()).guarantees


def test_shares_divide_a_benchmark_between_calibration_and_runs() -> None:
    """Nothing is said of a suite that is asked by no run."""
    mmmu = {"benchmark": "mmmu", "share": [0, 0.5]}
    suites = {"calibration": {"slices": [mmmu]}, "all": {"slices": [mmmu | {"share": [0.5, 1]}]}, "old": {"alone": 0}}
    suites["old"] |= {"slices": [mmmu]}
    assert load(tree(CERTIFIED, {"suites": suites})).calibrated_on[0].width == 0.5


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(UserError) as stop:
        load(tree({"device": "tpu", "context_tokens": 0}))
    assert "device" in str(stop.value)
    assert "context_tokens" in str(stop.value)


@pytest.mark.parametrize("url", ["unix:/run/target", "http://node7:8000"])
def test_a_model_behind_a_server_holds_no_gpu(url: str) -> None:
    with pytest.raises(ValidationError):
        EngineSpec(dtype="bfloat16", url=url.partition(":")[2])
    served = EngineSpec(dtype="bfloat16", tensor_parallel=4, devices=(0, 1, 2, 3), url=url)
    assert served.gpus == 0 and served.leaves(["4", "5"]) == ["4", "5"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "mine.yaml: no such configuration file"),
        ("title: [", "mine.yaml: not YAML"),
        ("just words", "mine.yaml: found 'just words', expected keys with values"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=told):
        read([ROOT / "config/config.yaml", tmp_path / "mine.yaml"])
