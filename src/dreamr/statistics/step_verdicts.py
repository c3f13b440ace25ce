"""CPN under the lens: the target's verdicts against the micro world's step oracle.

Only the micro world knows whether a single reasoning step is right, so these tables exist at its scales alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.records import Question, Trace
from dreamr.statistics.frame import ALL, as_cells, complete, sampling, tabulate
from dreamr.statistics.intervals import Array, Bootstrap, Interval, Quantity, mean, ratio, resampling_weights

StepOracle = Callable[[str, str, str, Sequence[str]], bool]  # benchmark, question, step, steps before -> right?
BINS = 10
CPN_KEYS = ["target", "draft", "method", "benchmark"]
VERIFICATION: dict[str, Quantity] = {
    "right": mean("right"),  # of the draft's verified steps
    "accepted": mean("accepted"),
    "false_accept": ratio("wrong_accepted", "wrong"),  # of the wrong steps
    "false_reject": ratio("right_rejected", "right"),  # of the right steps
    "right_if_accepted": ratio("right_accepted", "accepted"),
}


def verified_steps(
    traces: Iterable[Trace], questions: Mapping[tuple[str, str], Question], judge: StepOracle
) -> pd.DataFrame:
    """One row per verified draft step of the batched traces: verdict, accepted, and what the oracle says."""
    rows = pd.DataFrame([row for trace in traces for row in _steps(trace, questions, judge)])
    if rows.empty:
        return rows
    rows["cluster"] = pd.factorize(rows.benchmark + "/" + rows.group, sort=True)[0]
    rows["n"] = 1.0
    return _judged(rows)


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    wrong, rejected = 1 - rows.right, 1 - rows.accepted
    return rows.assign(
        wrong=wrong,
        wrong_accepted=wrong * rows.accepted,
        right_rejected=rows.right * rejected,
        right_accepted=rows.right * rows.accepted,
    )


def _steps(trace: Trace, questions: Mapping[tuple[str, str], Question], judge: StepOracle) -> Iterator[dict[str, Any]]:
    if trace.mode != "batched":
        return
    before: list[str] = []
    for number, step in enumerate(trace.steps):
        if step.verdict is not None and step.accepted is not None:
            text = step.text if step.accepted else step.rejected or ""
            yield {
                "target": trace.target,
                "draft": trace.draft,
                "method": trace.method,
                "benchmark": trace.benchmark,
                "question": trace.question,
                "group": questions[trace.benchmark, trace.question].cluster,
                "step": number,
                "text": text,
                "verdict": step.verdict,
                "accepted": float(step.accepted),
                "right": float(judge(trace.benchmark, trace.question, text, before)),
            }
        before.append(step.text)


def verification(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Error rates of the verdicts, and the area under their ROC curve, per method with a verifier."""
    table = tabulate(steps, job, VERIFICATION)
    areas = []
    for key, part in _methods(steps, job):
        found = area(part.verdict.to_numpy(), part.right.to_numpy(), part.cluster.to_numpy(), job)
        areas.append(key | as_cells({"auc": found}))
    return table.merge(pd.DataFrame(areas), how="left", on=CPN_KEYS)


def _methods(steps: pd.DataFrame, job: SummariseJob) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Steps of each method on each single pair, then on all main pairs together; all benchmarks."""
    for view in (steps, complete(steps, job).assign(target=ALL, draft=ALL)):
        for key, part in view.assign(benchmark=ALL).groupby(CPN_KEYS):
            yield dict(zip(CPN_KEYS, key, strict=True)), part


def area(verdicts: Array, right: Array, clusters: Array, job: SummariseJob) -> Interval:
    """Area under the ROC curve: how often a right step has the higher verdict than a wrong one (ties count half).

    The interval resamples clusters: a resample's area is the weighted mean over pairs of clusters.
    """
    names, place = np.unique(clusters, return_inverse=True)
    good, bad = right > 0.5, right < 0.5
    if not good.any() or not bad.any():
        return Interval(nan)
    wins = np.sign(verdicts[good][:, None] - verdicts[bad][None, :]) / 2 + 0.5
    belongs = np.eye(len(names))[place]
    between = belongs[good].T @ wins @ belongs[bad]
    goods, bads = belongs[good].sum(axis=0), belongs[bad].sum(axis=0)
    return sampling(job).interval(*_areas(between, goods, bads, sampling(job)))


def _areas(between: Array, goods: Array, bads: Array, bootstrap: Bootstrap) -> tuple[float, Array, Array]:
    """The area, in every resample, and without each cluster."""
    clusters = len(goods)
    weights = resampling_weights(clusters, bootstrap.resamples, bootstrap.seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(between.sum() / (goods.sum() * bads.sum()))
        resampled = ((weights @ between) * weights).sum(axis=1) / ((weights @ goods) * (weights @ bads))
        kept = between.sum() - between.sum(axis=0) - between.sum(axis=1) + np.diag(between)
        left_out = kept / ((goods.sum() - goods) * (bads.sum() - bads))
    return value, resampled, left_out


def calibration(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Share of right steps by verdict, in ten bins of equal width; scores from 0 to 9 are put on the same scale."""
    scaled = steps.verdict / steps.method.map(lambda name: 9 if job.methods[name].verifier == "score" else 1)
    binned = steps.assign(bin=np.minimum((scaled * BINS).astype(int), BINS - 1).astype(str), scaled=scaled)
    quantities = {"right": mean("right"), "verdict": mean("scaled")}
    table = tabulate(binned, job, quantities, [*CPN_KEYS, "bin"])
    return table[table.benchmark == ALL].reset_index(drop=True)


def thresholds(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Error rates that the same verdicts would have at every CPN threshold of the configuration, as column `alpha`.

    The steps are those that were verified at the method's own threshold; another one would have led to other steps.
    """
    cpn = {name: method.alpha for name, method in job.methods.items() if method.verifier == "cpn" and method.alpha}
    own = steps[steps.method.isin(cpn)]
    if own.empty:
        return pd.DataFrame(columns=[*CPN_KEYS, "alpha"])
    parts = [
        _judged(own.assign(accepted=(own.verdict > alpha).astype(float), alpha=f"{alpha:g}"))
        for alpha in sorted(set(cpn.values()))
    ]
    return tabulate(pd.concat(parts), job, VERIFICATION, [*CPN_KEYS, "alpha"])


def roc(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Shares of wrong and of right steps whose verdict exceeds a threshold, per method, all main pairs together."""
    lines = []
    for method, part in complete(steps, job).groupby("method"):
        for threshold in [-1.0, *np.unique(part.verdict.round(3))]:
            above = part.verdict.round(3) > threshold
            shares = {"false_accept": above[part.right == 0].mean(), "true_accept": above[part.right == 1].mean()}
            lines.append({"method": method, "threshold": threshold, "n": len(part)} | shares)
    return pd.DataFrame(lines, columns=["method", "threshold", "n", "false_accept", "true_accept"])
