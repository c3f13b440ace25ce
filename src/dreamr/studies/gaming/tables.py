"""What SAPO's gain in acceptance is made of: better steps, or steps that please the judge."""

from collections.abc import Mapping, Sequence

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import beside, opposite, trained_twins
from dreamr.statistics.frame import ALL_BENCHMARKS, answered, weights
from dreamr.statistics.intervals import Quantity, difference
from dreamr.statistics.pooling import tabulate, without_one_training
from dreamr.statistics.step_frame import ANSWER
from dreamr.studies.gaming.decomposition import ADDENDS, RIGHT, acceptance, addend, column, correct

SIDES = ("", "_other")  # the trained draft's steps, the plain one's
ELSEWHERE = ("_exchanged", "_exchanged_other")  # the same before the other judge
DRAFT = ["target", "draft", "replicate", "item"]  # which draft answered what; `target` is the one it was trained for


def gaming(steps: pd.DataFrame, answers: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The reference's acceptance with the trained draft against that with the plain one, in four addends.

    A kind of step is what it claims and whether all before it is right. Steps without a verdict are in neither side.
    """
    kinds = _kinds(steps)
    paired = _beside_plain(steps, answers, job, [job.reference])
    return without_one_training(tabulate(paired, job, _quantities(kinds, SIDES), ALL_BENCHMARKS))


def judges(steps: pd.DataFrame, answers: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The same drafts before the target that they were trained for (`target`) and before another (X_exchanged).

    `X_apart` is the first minus the second. Each is against the plain draft before the same judge.
    """
    kinds = _kinds(steps)
    quantities = {**_quantities(kinds, SIDES), **_named(_quantities(kinds, ELSEWHERE), "_exchanged")}
    pairs = ((name, quantities[name], quantities[f"{name}_exchanged"]) for name in ("change", *ADDENDS))
    quantities |= {f"{name}_apart": difference(own, other) for name, own, other in pairs}
    both = _before_both(steps, answers, job)
    return without_one_training(tabulate(both, job, quantities, ALL_BENCHMARKS))


def _quantities(kinds: Sequence[str], sides: tuple[str, str]) -> dict[str, Quantity]:
    own, plain = (acceptance(kinds, side) for side in sides)
    right, right_plain = (correct(kinds, side) for side in sides)
    found = {"accepted_plain": plain, "accepted": own, "change": difference(own, plain)}
    found |= {name: addend(name, kinds, *sides) for name in ADDENDS}
    return found | {"right_plain": right_plain, "right": right, "right_change": difference(right, right_plain)}


def _named(quantities: Mapping[str, Quantity], suffix: str) -> dict[str, Quantity]:
    return {f"{name}{suffix}": quantity for name, quantity in quantities.items()}


def _kinds(steps: pd.DataFrame) -> list[str]:
    return sorted({*_kind(steps)})


def _kind(steps: pd.DataFrame) -> "pd.Series[str]":
    """What a step claims and what it stands behind: what follows from a wrong step is wrong and passes more easily."""
    return steps.claim + steps.clean.map({True: "", False: ", behind a wrong step"})


def _columns(kinds: Sequence[str]) -> list[str]:
    return [column(what, right, kind) for what in ("verified", "accepted") for right in RIGHT for kind in kinds]


def _counted(steps: pd.DataFrame, answers: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The answers of these methods with how many steps of each kind were verified and accepted in each."""
    kinds, own = _kinds(steps), steps[steps.method.isin(methods)]
    place = [column("verified", bool(right), kind) for right, kind in zip(own.right, _kind(own), strict=True)]
    grouped = own.assign(column=place).groupby([*ANSWER, "column"])
    verified = grouped.n.sum().unstack("column")
    accepted = grouped.accepted.sum().unstack("column")
    accepted = accepted.rename(columns=lambda name: name.replace("verified", "accepted"))
    counts = verified.join(accepted).reindex(columns=_columns(kinds))
    found = answers[answers.method.isin(methods)].join(counts, on=ANSWER)
    return found.fillna(dict.fromkeys(counts, 0.0)).copy()  # in one piece


def _beside_plain(
    steps: pd.DataFrame, answers: pd.DataFrame, job: SummariseJob, methods: Sequence[str]
) -> pd.DataFrame:
    """Answers of these methods with trained drafts beside those with the plain one before the same judge."""
    plain = trained_twins(job.methods, job.reference)
    twins = {name: plain[name] for name in methods if name in plain}
    counted = _counted(steps, answers, [*twins, *twins.values()])
    columns = [*_columns(_kinds(steps)), "refused"]
    paired = beside(counted[counted.method.isin(twins)], opposite(counted, twins), columns, job)
    return answered(paired)


def _before_both(steps: pd.DataFrame, answers: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The reference's answers beside those of the same draft before another judge, each beside the plain draft's.

    A draft may stand before several others: then an answer has a row for each.
    """
    base = job.methods[job.reference]
    exchanged = {name: judges for name, judges in job.exchanged.items() if job.methods[name] == base}
    own = _beside_plain(steps, answers, job, [job.reference])
    columns = _columns(_kinds(steps))
    names = {name + side: name + other for side, other in zip(SIDES, ELSEWHERE, strict=True) for name in columns}
    elsewhere = _beside_plain(steps, answers, job, [*exchanged])
    # A target outside of the main ones is in no pair: what drafts of others do there is not told.
    trained_for = [exchanged[m].get(target) for m, target in zip(elsewhere.method, elsewhere.target, strict=True)]
    targets = pd.Series(trained_for, index=elsewhere.index, dtype=elsewhere.target.dtype)  # also where there is none
    elsewhere = elsewhere.assign(target=targets).dropna(subset="target")[[*DRAFT, *names]].rename(columns=names)
    both = own.merge(elsewhere, on=DRAFT, validate="one_to_many")
    return both.assign(weight=weights(both))  # another judge may not have all trainings of a pair
