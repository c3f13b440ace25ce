"""Figure of answers by the wrong steps that were accepted in them."""

from collections.abc import Mapping

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import Chart, legend, panels, plotted_rows
from dreamr.statistics.frame import ALL

NUMBERS = ("0", "1", "2", "3 or more")  # of wrong accepted steps


def errors(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Accuracy by the number of wrong accepted steps, of all pairs; crosses: the target's on the same questions."""
    if "answers_by_errors" not in tables:
        return None
    table = tables["answers_by_errors"]
    whole = (table[["target", "draft", "benchmark"]] == ALL).all(axis=1)
    rows = table[whole & table.method.isin(job.compared) & table.errors.isin(NUMBERS) & table.accuracy.notna()]
    figure, (axes,) = panels(1, 1, 5.6, 3.4)
    for _, row in rows.iterrows():
        place, shade = job.compared.index(row.method) - (len(job.compared) - 1) / 2, colour(row.method, job)
        at = NUMBERS.index(row.errors) + place * 0.16
        axes.vlines(at, row.accuracy_low, row.accuracy_high, color=shade, linewidth=1.1)
        axes.plot(at, row.accuracy, "o", markersize=5, color=shade)
        axes.plot(at, row.target_accuracy, "x", markersize=5, color=shade)
    axes.set_xticks(range(len(NUMBERS)), NUMBERS)
    axes.set(ylim=(-0.03, 1.03), xlabel="wrong steps accepted in an answer", ylabel="accuracy")
    legend(figure, list(dict.fromkeys(rows.method)), job)
    data = plotted_rows(rows, ["share", "accuracy", "target_accuracy"], ["errors"])
    return Chart(figure, data, "Accuracy of answers by the number of wrong steps that the target accepted in them.")
