"""Two methods, drafts or targets side by side on the same questions: SAPO, ablations."""

from collections.abc import Callable, Collection, Mapping

import pandas as pd

from dreamr.config import PLAIN, Method, TargetSpeculation
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import CELL, KEYS, alone, answered, batched, weights
from dreamr.statistics.intervals import Quantity, difference, mean, ratio, share, times
from dreamr.statistics.pooling import SIZES, tabulate, without_one_training
from dreamr.statistics.shares import Exact, exact_change, exact_share

# What two methods, drafts or targets are compared by, on the same questions.
COMPARED_BATCHED: dict[str, tuple[str, str]] = {"accuracy": ("correct", "n")}
COMPARED_ANSWERED: dict[str, tuple[str, str]] = {
    "acceptance": ("accepted", "verified"),
    "tokens": ("tokens_by_target", "n"),
}
COMPARED_ALONE: dict[str, tuple[str, str]] = {
    "speedup": ("baseline_seconds", "seconds"),
    "seconds": ("seconds", "n"),
    "tokens_alone": ("tokens_by_target", "n"),
    "target_tokens": ("target_tokens", "n"),
}
ACCURACY_CHANGE: Quantity = difference(mean("correct"), mean("target_correct"))  # against the target alone
IDENTICAL = "identical"  # answers to the target's, where a method might be inferior
# What several methods are set beside each other by: of all answers, of those that no engine refused, of timed ones.
BESIDE: tuple[dict[str, Quantity], ...] = (
    {"accuracy": share("correct"), "accuracy_change": ACCURACY_CHANGE},
    {"acceptance": share("accepted", "verified"), "tokens": mean("tokens_by_target")},
    {"speedup": times("baseline_seconds", "seconds")},
)
# Limits of the first two where too few clusters differ for a bootstrap.
EXACT: dict[str, Exact] = {"accuracy": exact_share("correct"), "accuracy_change": exact_change}
# How these are made of the two; the others are plain ratios.
MADE: dict[str, Callable[[str, str], Quantity]] = {"accuracy": share, "acceptance": share, "speedup": times}
# An ablation varies some settings of the reference method and leaves the others alone; the narrowest kind is named.
KINDS: dict[str, set[str]] = {
    "window": {"window"},
    "schedule": {"loop", "window", "target_speculation", "continues"},
    "alpha": {"alpha"},
    "verifier": {"verifier", "alpha", "threshold"},
    "rewards": {"draft"},
}
# Schedules of FPSR with a name of their own, by target speculation and whether the target writes on.
SCHEDULES: dict[tuple[TargetSpeculation | None, bool | None], str] = {
    ("none", False): "pipelined",
    ("all", True): "fully parallel",
}


def compare(
    rows: pd.DataFrame, others: pd.DataFrame, job: SummariseJob, suffix: str, keys: list[str] = KEYS
) -> pd.DataFrame:
    """Each quantity of `rows`, of `others` (X_<suffix>) and the change between them on the same questions.

    `others` is as `opposite` makes it. Acceptance and tokens are of questions that were answered on both sides, times
    of those that were timed on both; a refused one counts as wrong. A change that rests on one training of a recipe has
    no interval.
    """
    kinds = (COMPARED_BATCHED, COMPARED_ANSWERED, COMPARED_ALONE)
    columns = sorted({name for pairs in kinds for pair in pairs.values() for name in pair} | {"refused", "untimed"})
    paired = beside(rows, others, columns, job)
    views = (batched(paired), answered(batched(paired)), alone(paired))
    accuracy_part, answered_part, time_part = (
        tabulate(view, job, _compared(pairs, suffix), keys) for view, pairs in zip(views, kinds, strict=True)
    )
    table = accuracy_part.merge(answered_part.drop(columns=SIZES), how="left", on=keys)
    timed = time_part.drop(columns=SIZES[1:]).rename(columns={"n": "n_alone"})
    return without_one_training(table.merge(timed, how="left", on=keys), "_change")


def outcomes(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy, its change against the target, acceptance, tokens and speed-up of methods; `n_alone` were timed."""
    asked = with_lost_and_won(batched(rows))
    whole, read, timed = (
        tabulate(view, job, quantities, exact=EXACT)
        for view, quantities in zip((asked, answered(asked), alone(rows)), BESIDE, strict=True)
    )
    timed = timed.drop(columns=SIZES[1:]).rename(columns={"n": "n_alone"})
    return whole.merge(read.drop(columns=SIZES), how="left", on=KEYS).merge(timed, how="left", on=KEYS)


def with_lost_and_won(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds whether the target alone was right (`lost`) or the method alone (`won`); NaN without the target."""
    apart = rows.correct - rows.target_correct
    lost, won = ((side * apart > 0).astype(float).where(apart.notna()) for side in (-1, 1))
    return rows.assign(lost=lost, won=won)


def with_texts(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Adds which texts were `compared` and which of these are the `same`.

    An untimed text is held against the target's of the same job, a timed one against the untimed. Of a lossless method
    some untimed texts have none beside them: the target wrote it in another job, or an engine refused the question.
    These count as the target's where both were graded alike.
    """
    untimed = rows["mode"] == "batched"
    told = rows.target_text.where(untimed, rows.same_text).astype(object)
    lossless = [name for name, one in job.methods.items() if one.declared.lossless]
    alike = rows.correct.eq(rows.target_correct).astype(object).where(rows.target_correct.notna())
    told = told.where(~(untimed & rows.method.isin(lossless) & told.isna()), alike)
    return rows.assign(compared=told.notna().astype(float), same=told.eq(True).astype(float))


def on_the_same_questions(rows: pd.DataFrame, by: str = "method") -> pd.DataFrame:
    """Of each pair the questions that all of its methods (or trainings, by `replicate`) here answered, in each mode.

    Each weighs as in the frame.
    """
    place = [rows[name] for name in ("target", "draft", "mode")]
    had = rows.groupby([*place, rows.item])[by].transform("nunique")
    kept = rows[had == rows.groupby(place)[by].transform("nunique")]
    return kept.assign(weight=weights(kept))


def opposite(rows: pd.DataFrame, methods: Mapping[str, str]) -> pd.DataFrame:
    """Answers that methods are held to, by the method that each stands beside: `methods` has the other of each."""
    parts = [rows[rows.method == other].assign(method=name, against=other) for name, other in methods.items()]
    return pd.concat([rows.iloc[:0].assign(against=""), *parts])


def beside(rows: pd.DataFrame, others: pd.DataFrame, columns: Collection[str], job: SummariseJob) -> pd.DataFrame:
    """Each answer with `columns` of the other one (X_other) to the same question, on the same target and draft.

    Of two trained drafts those of the same replicate stand beside each other; where one of both was not trained, it
    stands beside each training of the other. `recipe`: the drafts differ, so that the comparison speaks of a recipe.
    `weight` is that among these answers: one side may have other trainings or questions than the other.
    """
    recipes = {name: method.draft for name, method in job.methods.items()}
    draft, other = (others[name].map(recipes) for name in ("method", "against"))
    both = (draft != PLAIN) & (other != PLAIN)
    others = others[[*CELL, *columns, "against"]]
    alike = rows.merge(others[both], on=CELL, suffixes=("", "_other"), validate="many_to_one")
    on = [name for name in CELL if name != "replicate"]
    each = rows.merge(others[~both], on=on, suffixes=("", "_other"))
    each = each.assign(replicate=each[["replicate", "replicate_other"]].max(axis=1)).drop(columns="replicate_other")
    paired = pd.concat([alike, each])
    recipe = paired.method.map(recipes) != paired.against.map(recipes)
    return paired.assign(weight=weights(paired), recipe=recipe)


def _compared(pairs: Mapping[str, tuple[str, str]], suffix: str) -> dict[str, Quantity]:
    quantities: dict[str, Quantity] = {}
    for name, (above, below) in pairs.items():
        made = MADE.get(name, ratio)
        here, there = made(above, below), made(f"{above}_other", f"{below}_other")
        quantities |= {name: here, f"{name}_{suffix}": there, f"{name}_change": difference(here, there)}
    return quantities


def trained_twins(methods: Mapping[str, Method], reference: str) -> dict[str, str]:
    """Methods with the reference's SAPO draft, each with the method that is the same but for its plain draft."""
    plain = twins(methods, PLAIN).items()
    return {name: other for name, other in plain if methods[name].draft == methods[reference].draft}


def twins(methods: Mapping[str, Method], draft: str) -> dict[str, str]:
    """Methods with another draft than this (a recipe's, or `plain`), each with the one that is the same with it."""
    others = {method: name for name, method in methods.items() if method.draft == draft}
    changed = {name: method.model_copy(update={"draft": draft}) for name, method in methods.items()}
    return {name: others[method] for name, method in changed.items() if method in others and others[method] != name}


def ablations(job: SummariseJob) -> pd.DataFrame:
    """What `ablated` finds among the configured methods.

    A draft of planted questions, or of another target, is a control and no ablation, and a calibrated threshold is no
    single one.
    """
    own = job.own | {job.reference: job.methods[job.reference]}
    usual = {name: method for name, method in own.items() if not method.guarantee}
    methods = {name: method for name, method in usual.items() if method.draft not in job.planted}
    return ablated(methods, job.reference)


def ablated(methods: Mapping[str, Method], reference: str) -> pd.DataFrame:
    """Methods that differ from the reference in the settings of one kind only; columns kind, setting, method."""
    base, written = methods[reference].model_dump(), methods[reference].batched.loop
    lines = []
    for name, method in methods.items():
        varied = {key for key, value in method.model_dump().items() if value != base[key]}
        kind = next((kind for kind, settings in KINDS.items() if varied and varied <= settings), None)
        # A loop of another text is no schedule of the reference; the plain draft, unless it is the reference's, is the
        # SAPO table's matter.
        if kind and method.batched.loop == written and (method.draft != PLAIN or base["draft"] == PLAIN):
            lines.append((kind, setting(kind, method), name))
    return pd.DataFrame(lines, columns=["kind", "setting", "method"])


def setting(kind: str, method: Method) -> str:
    """The varied setting in words."""
    if kind != "schedule":
        return str(getattr(method, {"rewards": "draft"}.get(kind, kind))).replace("_", "-")
    if method.declared.sequential:
        return "sequential"
    return schedule(method.target_speculation, method.continues)


def schedule(target_speculation: TargetSpeculation | None, continues: bool | None) -> str:
    """What a schedule of FPSR is called; measured and computed ones alike."""
    written = f"target speculation {target_speculation}, {'writes on' if continues else 'asked anew'}"
    return SCHEDULES.get((target_speculation, continues), written)
