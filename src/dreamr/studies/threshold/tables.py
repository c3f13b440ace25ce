"""What calibrations found, beside the accuracy and the speed of the same methods on the benchmarks."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import pandas as pd

from dreamr.certificates import Certificate
from dreamr.statistics.frame import ALL
from dreamr.statistics.intervals import Interval, non_inferiority

PAIR = ["target", "draft", "method"]
PLACE = [*PAIR, "replicate"]
SHOWN = {"accuracy": "accuracy_change", "speed": "speedup"}
ENDS = ("", "_low", "_high")
PROMISED = ["alpha", "risk", "confidence", "problems"]
IDENTICAL = "identical answers"


def certificates(certificates: Sequence[Certificate]) -> pd.DataFrame:
    """Every threshold that was tested, in the order of the tests: problems until the decision, lost and won ones.

    `loss` is their mean loss of accuracy against the target alone, `p` that of a true loss of the risk or more. `used`
    is the threshold that the method has on this pair.
    """
    rows = [
        _told(one, PLACE) | tested.model_dump() | {"used": tested.alpha == one.alpha}
        for one in certificates
        for tested in one.tested
    ]
    columns = [*PLACE, "alpha", "problems", "lost", "won", "loss", "p", "certified", "used"]
    return pd.DataFrame(rows, columns=columns)


def guarantee(certificates: Sequence[Certificate], written: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The threshold of each method on each pair (`alpha`; none where it is the target alone), and what is promised.

    Beside them stand the change of accuracy and the speed-up on the benchmarks, as in the tables of these: of all
    trainings of the draft together. `held`: whether that change lies above minus the risk. Where no calibration of the
    row found a threshold, answers are identical. The row over all pairs shows what became of the method as a whole.
    """
    found = {name: _whole(written, name) for name in SHOWN}
    rows = [_row(one, _alike(one, certificates, PAIR), found) | {"threshold": _in_words(one)} for one in certificates]
    pools = ((one, _alike(one, certificates, ["method"])) for one in _pools(certificates))
    rows += [
        _row(one, alike, found) | {"threshold": "each pair's own"}
        for one, alike in pools
        if any((ALL, ALL, one.method) in table.index for table in found.values())
    ]
    columns = [*PLACE, "threshold", *PROMISED, *(f"{name}{end}" for name in SHOWN.values() for end in ENDS), "held"]
    return pd.DataFrame(rows, columns=columns)


def _in_words(certificate: Certificate) -> str:
    return "none: the target alone" if certificate.alpha is None else f"{certificate.alpha:g}"


def _alike(certificate: Certificate, certificates: Sequence[Certificate], keys: Sequence[str]) -> list[Certificate]:
    return [one for one in certificates if _told(one, keys) == _told(certificate, keys)]


def _row(certificate: Certificate, pooled: Sequence[Certificate], found: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """`pooled`: all certificates that the measured answers rest on."""
    pair = _told(certificate, PAIR)
    cells = _measured(found, pair, certificate.risk)
    alone = all(one.alpha is None for one in pooled)
    return _told(certificate, [*PLACE, *PROMISED]) | (_as_the_target(cells) if alone else cells)


def _told(certificate: Certificate, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(certificate, name) for name in names}


def _pools(certificates: Sequence[Certificate]) -> list[Certificate]:
    """One of each method, for its row over all pairs."""
    each = {one.method: one for one in certificates}
    return [one.model_copy(update={"target": ALL, "draft": ALL, "alpha": None}) for one in each.values()]


def _whole(written: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """A table's rows over all benchmarks, by pair and method."""
    if name not in written:
        return pd.DataFrame(columns=[*PAIR]).set_index(PAIR)
    rows = written[name]
    return rows[rows.benchmark == ALL].set_index(PAIR)


def _measured(found: Mapping[str, pd.DataFrame], pair: Mapping[str, Any], risk: float) -> dict[str, Any]:
    cells = {f"{SHOWN[name]}{end}": nan for name in SHOWN for end in ENDS}
    for name, rows in found.items():
        if tuple(pair.values()) in rows.index:
            row = rows.loc[tuple(pair.values())]
            cells |= {f"{SHOWN[name]}{end}": row[f"{SHOWN[name]}{end}"] for end in ENDS}
    change = Interval(*(cells[f"accuracy_change{end}"] for end in ENDS))
    return cells | {"held": non_inferiority(change, risk)}


def _as_the_target(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Where the method is the target alone its answers are the target's own, so that their change has no interval."""
    return {**cells, "accuracy_change_low": nan, "accuracy_change_high": nan, "held": IDENTICAL}
