"""Two methods, drafts or targets side by side on the same questions: SAPO, ablations."""

from collections.abc import Mapping

import pandas as pd

from dreamr.config import PLAIN, Method, TargetSpeculation
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import CELL, KEYS, alone, answered, batched, tabulate
from dreamr.statistics.intervals import Quantity, difference, ratio

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

    `others` is matched on target, draft, method, mode and question; rename its keys first. Acceptance and tokens are of
    questions that were answered on both sides, times of those that were timed on both; a refused one counts as wrong.
    """
    kinds = (COMPARED_BATCHED, COMPARED_ANSWERED, COMPARED_ALONE)
    columns = sorted({name for pairs in kinds for pair in pairs.values() for name in pair} | {"refused", "untimed"})
    paired = rows.merge(others[CELL + columns], on=CELL, suffixes=("", "_other"), validate="many_to_one")
    views = (batched(paired), answered(batched(paired)), alone(paired))
    accuracy_part, answered_part, time_part = (
        tabulate(view, job, _compared(pairs, suffix), keys) for view, pairs in zip(views, kinds, strict=True)
    )
    table = accuracy_part.merge(answered_part.drop(columns=["n", "clusters"]), how="left", on=keys)
    return table.merge(time_part.drop(columns="clusters").rename(columns={"n": "n_alone"}), how="left", on=keys)


def _compared(pairs: Mapping[str, tuple[str, str]], suffix: str) -> dict[str, Quantity]:
    quantities: dict[str, Quantity] = {}
    for name, (above, below) in pairs.items():
        here, there = ratio(above, below), ratio(f"{above}_other", f"{below}_other")
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
    """What `ablated` finds among the configured methods; a draft of planted questions is a control and no ablation."""
    methods = {name: method for name, method in job.methods.items() if method.draft not in job.planted}
    return ablated(methods, job.reference)


def ablated(methods: Mapping[str, Method], reference: str) -> pd.DataFrame:
    """Methods that differ from the reference in the settings of one kind only; columns kind, setting, method."""
    base, written = methods[reference].model_dump(), methods[reference].batched.loop
    lines = []
    for name, method in methods.items():
        varied = {key for key, value in method.model_dump().items() if value != base[key]}
        kind = next((kind for kind, settings in KINDS.items() if varied and varied <= settings), None)
        # A loop of another text is no schedule of the reference; the plain draft is the SAPO table's matter.
        if kind and method.batched.loop == written and method.draft != PLAIN:
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
