"""What models, methods and data sets are called for people.

A model is called by what is known of it, one of the hub by its own name; a method that the step oracle judges by the
oracle's error rates; all else as `display.labels` of the configuration says.
"""

from collections import Counter

from dreamr.config import Config
from dreamr.planning.sizes import size_of

DIFFERENCES = {"headline": "several things"}  # what differs in a contrast


def names(config: Config) -> dict[str, str]:
    """Everything that has another name for people than its own."""
    own_loops = {name: method for name, method in config.methods.items() if "." in method.loop}
    loops = {name: f"{method.declared.label} ({name})" for name, method in own_loops.items()}
    return (
        DIFFERENCES | loops | oracle_names(config) | swept_names(config) | config.display.labels | model_names(config)
    )


def model_names(config: Config) -> dict[str, str]:
    """Each configured model's name; where two would have the same, each says which of the paper's it stands for."""
    names = {name: _name(config, name) for name in config.models}
    twice = {name for name, times in Counter(names.values()).items() if times > 1}
    return {name: f"{words} ({_apart(config, name)})" if words in twice else words for name, words in names.items()}


def swept_names(config: Config) -> dict[str, str]:
    """Each method of a sweep, by the method that it varies and its settings."""
    labels = config.display.labels
    return {
        name: f"{labels.get(sweep.of, sweep.of)} ({', '.join(f'{key} {value}' for key, value in settings.items())})"
        for sweep_name, sweep in config.sweeps.items()
        for name, settings in sweep.grid(sweep_name).items()
    }


def oracle_names(config: Config) -> dict[str, str]:
    """Each method in which the step oracle judges, by the shares of steps that it misjudges on purpose."""
    judged = {name: method for name, method in config.methods.items() if method.verifier == "oracle"}
    return {
        name: f"Step oracle ({method.false_accept:.0%} of wrong accepted, {method.false_reject:.0%} of right rejected)"
        for name, method in judged.items()
    }


def _name(config: Config, name: str) -> str:
    """ "24-layer target, 4-bit"."""
    model = config.models[name]
    if model.maker == "awq":
        return f"{_name(config, model.base)}, 4-bit"
    if model.maker == "hub":
        return model.id.rpartition("/")[2]
    size = size_of(config, name)
    mixture = " MoE" if size.active else ""
    return f"{size.layers}-layer{mixture} {_part(config, name)}"


def _part(config: Config, name: str) -> str:
    """What a model, or what is quantized from it, is in the runs."""
    drafts = {draft for run in config.runs.values() for draft in run.drafts}
    return "draft" if name in drafts else "target"


def _apart(config: Config, name: str) -> str:
    model = config.models[name]
    paper = config.stands_for.get(model.base if model.maker == "awq" else name)
    return paper or name
