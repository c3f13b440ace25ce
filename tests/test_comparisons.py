"""What answers weigh where two methods stand side by side, and which methods are ablations."""

from collections.abc import Mapping

import pandas as pd
import pytest
from factories import config

from dreamr.config import PLAIN, Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablated, ablations, beside, opposite
from dreamr.statistics.frame import weights

JOB = SummariseJob.of(config())
PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


def answers(method: str, *trainings: Mapping[str, int], draft: str = PAIR["draft"]) -> pd.DataFrame:
    """Of each training so many answers of each benchmark; every second question of a training is right."""
    rows = [
        {"target": PAIR["target"], "draft": draft, "method": method, "replicate": replicate, "mode": "batched"}
        | {"at_once": 0, "item": f"{benchmark}/{number}", "benchmark": benchmark}
        | {"correct": float((number + replicate) % 2)}
        for replicate, training in enumerate(trainings)
        for benchmark, count in training.items()
        for number in range(count)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(weight=weights(frame))


def paired(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    (method,), (against,) = own.method.unique(), other.method.unique()
    return beside(own, opposite(other, {method: against}), ["correct"], JOB)


def test_of_some_trainings_the_pair_weighs_what_any_other_does() -> None:
    """Of five trainings one was held to the ablation, of the other pair's two one as well."""
    many, few = ({"mmmu": 4},) * 5, ({"mmmu": 4},) * 2
    both = pd.concat([answers("dreamr", *many), answers("dreamr", *few, draft="r4b-2l")])
    others = pd.concat([answers("alpha_05", many[0]), answers("alpha_05", few[0], draft="r4b-2l")])
    assert paired(both, others).groupby("draft").weight.sum().tolist() == pytest.approx([1, 1])


def test_benchmarks_weigh_alike_where_the_other_method_answered_half_of_one() -> None:
    found = paired(answers("dreamr_ns", {"mmmu": 4, "mmbench": 4}), answers("specreason", {"mmmu": 4, "mmbench": 2}))
    assert found.groupby("benchmark").weight.sum().tolist() == pytest.approx([0.5, 0.5])


def test_trainings_weigh_alike_beside_one_plain_draft_and_a_change_turned_round_is_its_opposite() -> None:
    """The second training answered a third of the questions."""
    plain, trained = answers("dreamr_ns", {"mmmu": 6}), answers("dreamr", {"mmmu": 6}, {"mmmu": 2})
    there, back = paired(trained, plain), paired(plain, trained)
    for found in (there, back):
        assert found.groupby("replicate").weight.sum().tolist() == pytest.approx([0.5, 0.5])
    changes = [((one.correct - one.correct_other) * one.weight).sum() for one in (there, back)]
    assert changes[0] == pytest.approx(-changes[1])


def test_a_method_with_drafts_of_the_other_target_is_no_ablation() -> None:
    """That of another alpha among them; the reference itself varies nothing."""
    methods = JOB.methods | {"elsewhere": JOB.methods["alpha_05"]}
    job = JOB.model_copy(update={"methods": methods, "exchanged": {"elsewhere": {}}})
    pd.testing.assert_frame_equal(ablations(job), ablations(JOB))


def test_a_reference_with_a_plain_draft_has_ablations_with_that_draft() -> None:
    def plain(method: Method) -> Method:
        return method.model_copy(update={"draft": PLAIN}) if method.draft == "balanced" else method

    found = ablated({name: plain(method) for name, method in JOB.methods.items()}, "dreamr")
    usual = ablated(JOB.methods, "dreamr")
    assert {*usual.method[usual.kind != "rewards"]} <= {*found.method}
