"""What models are called for people."""

import pytest
from factories import ROOT, config, small
from test_config import tree

from dreamr.planning.jobs import SummariseJob
from dreamr.planning.names import model_names
from dreamr.planning.reading import load, read
from dreamr.statistics.words import pair


def test_models_made_here_are_called_by_what_is_known_of_them() -> None:
    names = model_names(config())
    assert names["q3vl-deep"] == "24-layer target"
    assert names["q3vl-deep-awq"] == "24-layer target, 4-bit"
    assert names["q3vl-moe-awq"] == "12-layer MoE target, 4-bit"
    assert names["q3vl-2l"] == "2-layer draft (Qwen3-VL-2B)", "another draft has two layers as well"


@pytest.mark.parametrize("scale", ["config", "smoke", "depth", "ablations", "accuracy", "gpu", "paper"])
def test_no_two_models_have_one_name(scale: str) -> None:
    settings = read([ROOT / "config/config.yaml", *([ROOT / f"config/{scale}.yaml"] if scale != "config" else [])])
    names = model_names(settings)
    assert names.keys() == settings.models.keys() and len({*names.values()}) == len(names)
    for name, model in settings.models.items():
        if model.maker == "hub":
            assert names[name] == model.id.split("/")[-1]


def test_a_method_that_the_step_oracle_judges_is_called_by_its_error_rates() -> None:
    names = SummariseJob.of(small()).names
    assert names["oracle_01"] == "Step oracle (0% of wrong accepted, 100% of right rejected)"


def test_a_method_of_a_sweep_is_called_by_its_settings() -> None:
    sweeps = {"grid": {"of": "dreamr", "vary": {"alpha": [0.5, 0.9], "window": [2]}}}
    label = SummariseJob.of(load(tree({"sweeps": sweeps}))).label
    assert label("grid_alpha_0-5_window_2") == "DREAM-R (alpha 0.5, window 2)"


def test_a_pair_is_told_by_these_names() -> None:
    names = {"t": "a target", "d": "a draft"}
    assert pair({"target": "t", "draft": "d"}, names) == "a target ← a draft"
    assert pair({"target": "t", "draft": "none"}, names) == "a target"
    assert pair({"target": "all", "draft": "all"}, names) == "all pairs"
    assert pair({"target": "t", "draft": "all"}, names) == "a target ← every draft"
