"""Figure of the trainings."""

from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.lines import Line2D

from dreamr.config import sapo_recipe
from dreamr.report.drawing import GREY, INK, Chart, panels

DASHES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))  # of recipes, again from the first where there are more
CURVES = ("reward", "outcome", "alignment", "length", "acceptance", "tokens")


def sapo(trainings: Sequence[Path]) -> Chart | None:
    """Training curves: one panel a quantity; thin lines are drafts, a thick one is the mean of those of one recipe."""
    if not trainings:
        return None
    curves = _curves(trainings)
    figure, axes_list = panels(-(-len(CURVES) // 3), 3, 2.9, 2.1, sharex=True)
    recipes = list(dict.fromkeys(curves.recipe))
    dashes = dict(zip(recipes, cycle(DASHES)))  # colours are methods'
    for axes, name in zip(axes_list, CURVES, strict=False):
        for (recipe, _), part in curves.groupby(["recipe", "model"]):
            axes.plot(part.step, _smooth(part[name]), color=GREY, linestyle=dashes[recipe], linewidth=0.5)
        for recipe, part in curves.groupby("recipe"):
            mean = _smooth(part.groupby("step")[name].mean())
            axes.plot(mean.index, mean, color=INK, linestyle=dashes[recipe], linewidth=1.5)
        axes.set_title(name.replace("_", " "))
    for axes in axes_list[len(CURVES) :]:
        axes.set_axis_off()
    figure.supxlabel("training step (running means of five)", fontsize=9, color=INK)
    counts = curves.groupby("recipe").model.nunique()
    names = {recipe: f"{recipe.replace('_', '-')} ({counts[recipe]})" for recipe in recipes}
    handles = [
        Line2D([], [], color=INK, linestyle=dashes[recipe], linewidth=1.5, label=names[recipe]) for recipe in recipes
    ]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=len(handles), fontsize=8)
    alt = f"SAPO training curves of {counts.sum()} drafts by recipe: {', '.join(CURVES)}."
    return Chart(figure, curves[["recipe", "model", "step", *CURVES]], alt.replace("_", " "))


def _curves(files: Iterable[Path]) -> pd.DataFrame:
    """Training curves of all drafts with their recipes; a model is named by its folder."""
    named = {path.parent.name: pd.read_csv(path) for path in sorted(files)}
    parts = [part.assign(model=model, recipe=sapo_recipe(model)) for model, part in named.items()]
    return pd.concat(parts, ignore_index=True)


def _smooth(values: pd.Series) -> pd.Series:
    return values.rolling(5, min_periods=1, center=True).mean()
