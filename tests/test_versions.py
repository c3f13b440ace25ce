"""Slices that ask each problem in one version: which, and how many of them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from micro_questions import SPLITS, write_benchmarks
from micro_sizes import micro_size
from test_plan import merged

from dreamr.answering.questions import Asked, one_version, sampled, suite_questions
from dreamr.config import Slice, Suite
from dreamr.planning.budget import questions
from dreamr.planning.jobs import Sample
from dreamr.planning.plan import Plan
from dreamr.records import Question, read_rows, write_rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_benchmarks(folder)
    return folder


def asked(data: Path, **part: Any) -> list[Asked]:
    """The questions of a slice of each benchmark, one behind the other."""
    slices = [{"benchmark": name, "versions": "one", **part} for name in SPLITS]
    found = suite_questions(Suite.model_validate({"slices": slices, "alone": 0}), data)
    return [question for part in found for question in part]


def test_each_problem_is_asked_in_one_version(data: Path) -> None:
    rows = [(name, row) for name in SPLITS for row in read_rows(data / f"{name}.jsonl", Question)]
    problems = [(one.benchmark, one.cluster) for one in asked(data)]
    assert problems == [*dict.fromkeys((name, row.cluster) for name, row in rows)] and len(problems) < len(rows)
    kinds = {row.id: row.version for name, row in rows if name == "mathverse"}
    assert len({kinds[one.question] for one in asked(data) if one.benchmark == "mathverse"}) > 1, "not always the first"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty problems of each benchmark in up to five versions."""
    folder = tmp_path_factory.mktemp("many")
    for name in SPLITS:
        ids = [(problem, version) for problem in range(40) for version in range(1 + (problem + len(name)) % 5)]
        rows = [
            Question(id=f"{one}-{k}", dataset=name, prompt="?", images=(), gold=("1",), cluster=str(one))
            for one, k in ids
        ]
        write_rows(folder / f"{name}.jsonl", rows)
    return folder


@given(shards=st.integers(1, 9), cut=st.sampled_from([0.3, 0.5, 0.7]))
def test_it_is_the_same_version_in_every_shard_and_share(many: Path, shards: int, cut: float) -> None:
    whole = asked(many)
    divided = [one for number in range(shards) for one in asked(many, shard=[number + 1, shards])]
    assert sorted(divided) == sorted(whole) and len(whole) == 4 * 40
    assert sorted(asked(many, share=[0, cut]) + asked(many, share=[cut, 1])) == sorted(whole)


def test_a_calibration_asks_the_same_version(data: Path) -> None:
    slices = [[one] for one in asked(data, versions="all")]
    chosen = sampled(slices, Sample(problems=len(asked(data)), seed=3))
    assert sorted(chosen) == sorted(asked(data)) and chosen != asked(data)


def test_no_other_question_changes_which_version_is_asked(data: Path) -> None:
    """So a limit, or a problem more, moves none of the others."""
    every = asked(data, versions="all")
    kept = [one for one in every if one.cluster != every[0].cluster]
    assert [*one_version(reversed(kept)).values()][::-1] == [*one_version(kept).values()]
    assert {*one_version(kept).values()} < {*one_version(every).values()}


def test_the_plan_counts_what_is_prepared(data: Path) -> None:
    """Of the generated benchmarks, as `write_benchmarks` makes them."""
    clusters = micro_size(7, 16, 16).clusters.model_dump()
    slices = [{"benchmark": name, "versions": "one"} for name in SPLITS]
    changes = {"micro": {"clusters": clusters}, "suites": {"all": {"slices": slices}}}
    plan = Plan(merged(changes))
    group = next(group for group in plan.groups if group.run == "main")
    assert questions(plan, group)[0] == len(asked(data)) == sum(clusters.values())


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ({"shard": [1, 2]}, {"shard": [2, 2]}, False),
        ({"shard": [1, 2]}, {"shard": [1, 2]}, True),
        ({"shard": [1, 2]}, {"shard": [2, 3]}, True),
        ({"shard": [1, 2], "share": [0, 0.5]}, {"shard": [2, 2]}, True),
        ({"share": [0, 0.5]}, {"share": [0.5, 1]}, False),
        ({"shard": [1, 2]}, {"shard": [2, 2], "versions": "all"}, True),
    ],
)
def test_shards_have_no_problem_in_common_where_each_is_asked_once(one: Any, other: Any, meet: bool) -> None:
    parts = [Slice.model_validate({"benchmark": "mmbench", "versions": "one", **part}) for part in (one, other)]
    assert parts[0].meets(parts[1]) is parts[1].meets(parts[0]) is meet
