"""Jobs that go on behind their time limit: how often, at what cost, what is refused; by hand and in the workflow."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects import ROOT, Project, copied, with_form
from test_plan import digests, merged

from dreamr.cli.plan import lines, main
from dreamr.errors import UserError
from dreamr.planning.budget import Estimate, answers, estimates
from dreamr.planning.limits import refuse_excess
from dreamr.planning.plan import Group, Plan
from dreamr.planning.restarts import billed_gpus, restarts, total_seconds
from dreamr.planning.site import LIMITED, Limit, Partition, limit_of, read_site, site_of

PROFILE = ROOT / "profiles/slurm"
PAIR = ("qwen3-vl-32b-awq", "qwen3-vl-2b")


def site(hours: float = 24, warning: int = 1800, gpus: int = 8) -> dict[str, Partition]:
    partition = Partition(site_minutes=round(60 * hours), site_warning=warning, site_gpus=gpus)
    return dict.fromkeys(LIMITED, partition)


def plan(hours: float = 24, warning: int = 1800, gpus: int = 8, **overlay: Any) -> Plan:
    return Plan(merged("config/paper.yaml", overlay), site(hours, warning, gpus))


def job(starting: float, working: float, unit: float | None, rule: str = "train_sapo", **more: Any) -> Estimate:
    return Estimate(rule, "a for b", starting, working, gpus=4, tokens=0, unit=unit, **more)


# -- by hand


def test_a_start_that_is_cut_off_keeps_whole_checkpoints() -> None:
    """Of an hour 10 min are its start and 10 the warning; in the 2,400 s between, one checkpoint of 2,000 s is kept.

    Four starts keep 8,000 s of the work; the fifth has time for the other 2,000.
    """
    training = job(600, 10_000, unit=2000, batches=100)
    assert restarts(training, Limit(seconds=3600, warning=600, goes_on=True)) == 4
    assert restarts(training, Limit(seconds=11_200, warning=600, goes_on=True)) == 0
    assert restarts(training, Limit(seconds=11_199, warning=600, goes_on=True)) == 1


def test_what_keeps_nothing_or_is_not_started_again_has_to_fit() -> None:
    for limit in (Limit(seconds=3600), Limit(seconds=3600, warning=600, goes_on=True)):
        assert restarts(job(600, 10_000, unit=None), limit) is None
    assert restarts(job(600, 10_000, unit=2000), Limit(seconds=3600)) is None
    assert restarts(job(600, 3000, unit=None), Limit(seconds=3600)) == 0


def test_a_checkpoint_that_does_not_fit_before_the_warning_is_no_progress() -> None:
    limit = Limit(seconds=3600, warning=600, goes_on=True)
    assert restarts(job(600, 10_000, unit=2400, batches=100), limit) is not None
    assert restarts(job(600, 10_000, unit=2401, batches=100), limit) is None


def test_a_training_has_to_end_its_batch_between_warning_and_limit() -> None:
    batches = job(600, 10_000, unit=1000, batches=10)
    assert restarts(batches, Limit(seconds=3600, warning=1000, goes_on=True)) == 4
    assert restarts(batches, Limit(seconds=3600, warning=999, goes_on=True)) is None


@given(st.floats(0, 500), st.floats(1, 50_000), st.floats(1, 3000), st.integers(60, 1800), st.integers(1800, 20_000))
def test_as_many_restarts_as_a_job_that_is_played_through(
    starting: float, working: float, unit: float, warning: int, seconds: int
) -> None:
    limit = Limit(seconds=seconds, warning=min(warning, seconds // 2), goes_on=True)
    one, left, played = job(starting, working, unit), working, 0
    while left > seconds - limit.warning - starting:
        kept = math.floor((seconds - limit.warning - starting) / unit) * unit
        if kept <= 0:
            assert restarts(one, limit) is None
            return
        left, played = left - kept, played + 1
    assert abs((restarts(one, limit) or 0) - played) <= (0 if left > 1e-6 else 1)  # sums of floats


@pytest.mark.parametrize(
    ("own", "partition", "warning", "expected"),
    [
        (120, 24, 1800, (24 * 3600, 1800, True)),  # the partition's
        (2, 24, 1800, (2 * 3600, 1800, False)),  # the configuration's
        (120, 0.5, 1800, (1800, 900, True)),  # warned half-way, not at once
        (0.5, 24, 1800, (1800, 900, False)),
        (120, 1, 1800, (3600, 1800, True)),
    ],
)
def test_the_smaller_limit_holds_and_no_job_is_warned_in_its_first_half(
    own: float, partition: float, warning: int, expected: tuple[float, float, bool]
) -> None:
    config = merged("config/paper.yaml", {"resources": {"train": {"hours": own}}})
    limit = limit_of(config, site(partition, warning), "train_sapo")
    assert (limit.seconds, limit.warning, limit.of_site) == expected


def test_a_quantization_is_not_warned_since_it_could_keep_nothing() -> None:
    limit = plan().limit("quantize")
    assert (limit.warning, limit.goes_on) == (0, False)


def test_without_a_cluster_a_job_has_its_own_hours_once() -> None:
    limit = limit_of(merged("config/paper.yaml"), {}, "train_sapo")
    assert (limit.seconds, limit.warning, limit.goes_on) == (336 * 3600, 0, False)


# -- the papers' scale


def test_the_papers_trainings_go_on_behind_a_limit_of_a_day() -> None:
    """The longest takes 303.80 h, 303.66 of them in 1,407 batches of 776.96 s.

    A day has 23.36 h of work before its warning. They keep 5 checkpoints of 20 batches, which are 21.58 h:
    (303.66 - 23.36) / 21.58 is 12.99.
    """
    day = plan()
    refuse_excess(day)
    longest = max((one for one in estimates(day) if one.batches), key=lambda one: one.seconds)
    assert longest.working / longest.batches == pytest.approx(776.96, abs=0.01)
    assert restarts(longest, day.limit("train_sapo")) == 13
    assert total_seconds(day, longest) == longest.seconds + 13 * longest.starting


def test_untimed_answers_are_billed_by_their_gpus_and_timed_ones_by_nodes() -> None:
    day, group = plan(), Group("main", *PAIR, "mathverse-1")
    untimed, timed = answers(day, group)
    assert [(one.rule, one.gpus, billed_gpus(day, one)) for one in (untimed, timed)] == [
        ("answer", 6, 6),
        ("generate", 6, 8),
    ]
    assert {billed_gpus(plan(gpus=10), one) for one in (untimed, timed)} == {6, 10}
    (whole,) = answers(Plan(merged("config/paper.yaml", {"suites": {"mathverse-1": {"alone": 0}}})), group)
    assert (whole.rule, whole.alone) == ("generate", False)
    assert whole.working == untimed.working


def test_the_two_parts_do_together_what_one_job_did(monkeypatch: pytest.MonkeyPatch) -> None:
    day, group = plan(), Group("main", *PAIR, "mathverse-1")
    untimed, timed = answers(day, group)
    monkeypatch.setattr(Plan, "apart", lambda plan, group: False)
    (whole,) = answers(day, group)
    assert untimed.working + timed.working == pytest.approx(whole.working)
    assert untimed.tokens + timed.tokens == pytest.approx(whole.tokens)
    assert timed.starting == whole.starting > untimed.starting, "the round that warms up is the timed part's"


def test_only_gpus_and_timed_suites_have_their_answers_apart() -> None:
    plans = (Plan(merged()), Plan(merged("config/smoke.yaml")))
    assert not any(on_cpus.apart(group) for on_cpus in plans for group in on_cpus.groups)
    papers = plan()
    assert all(papers.apart(group) for group in papers.groups)


def test_who_is_asked_for_time_changes_no_digest() -> None:
    config = merged("config/paper.yaml")
    for group in Plan(config).groups[::40]:
        assert Plan(config).generate(group) == Plan(config, site(3)).generate(group)
    assert digests(config)


# -- refusals

REFUSED = {
    "a checkpoint": (
        {"hours": 2},
        {},
        [
            "train_sapo (mimo-vl-7b-rl for qwen3-vl-235b-awq) makes no progress within the 2 h of its partition",
            "a checkpoint's 20 batches",
            "lower sapo.checkpoint_steps to 6",
            "or give it 5 h",
        ],
    ),
    "an answer": (
        {"hours": 0.2, "warning": 300},
        {"resources": {"train": {"hours": 120}}},
        ["answer (", "the answer that takes longest", "lower generation.answer_tokens"],
    ),
    "a batch": (
        {"warning": 200},
        {},
        ["is warned 200 s ahead of the 24 h of its partition, and a batch takes 777 s: raise the warning"],
    ),
    "a quantization": (
        {"hours": 1},
        {},
        ["quantize (qwen3-vl-32b-awq) takes about 1.2 h, 0.2 h more than", "take a partition with 2"],
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_only_what_makes_no_progress_is_refused(why: str) -> None:
    given, overlay, words = REFUSED[why]
    with pytest.raises(UserError) as refused:
        refuse_excess(plan(**given, **overlay))
    assert all(word in str(refused.value) for word in words), refused.value


def test_what_a_refusal_proposes_is_accepted() -> None:
    refuse_excess(plan(hours=2, sapo={"checkpoint_steps": 6}))
    refuse_excess(plan(hours=5))


@pytest.mark.parametrize("warning", [800, 3600, 20_000])
def test_the_proposed_hours_have_room_for_the_warning_too(warning: int) -> None:
    """Which grows with the limit, up to what the form says."""
    short = {"hours": 1.5, "warning": warning, "resources": {"quantize": {"hours": 12}}}
    with pytest.raises(UserError, match=r"train_sapo .* makes no progress") as refused:
        refuse_excess(plan(**short))
    refuse_excess(plan(**short | {"hours": float(re.findall(r"or give it ([\d.]+) h", str(refused.value))[0])}))


# -- where a site's limits are said


def test_the_profile_says_what_the_partitions_allow() -> None:
    found = read_site(PROFILE)
    assert found.keys() == LIMITED.keys()
    assert found["train_sapo"] == Partition(site_minutes=24 * 60, site_warning=1800, site_gpus=8)
    assert read_site(ROOT / "profiles/gpu") == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"site_minutes": 60, "site_gpus": 8}, "site_warning: Field required"),
        ({"site_minutes": 0, "site_warning": 300, "site_gpus": 8}, "site_minutes: Input should be greater"),
        ({"site_minutes": 60, "site_warning": 5, "site_gpus": 8}, "site_warning: Input should be greater"),
        ({"site_hours": 1, "site_minutes": 60, "site_warning": 300, "site_gpus": 8}, "site_hours: Extra inputs"),
    ],
)
def test_a_limit_in_part_or_with_wrong_values_is_named(given: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=re.escape("the profile: set-resources.generate is")) as refused:
        site_of({"generate": given}, "the profile")
    assert words in str(refused.value)


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match=r"profiles/nowhere/config\.yaml: no such file"):
        main(configfile=(Path("config/paper.yaml"),), profile=Path("profiles/nowhere"))


# -- the command and the workflow


def test_the_plan_prints_restarts_and_billed_hours() -> None:
    printed = list(lines(plan()))
    row = next(line for line in printed if line.startswith("train_sapo mimo-vl-7b-rl for qwen3-vl-32b-awq "))
    assert row.split()[-2:] == ["13", "2,441.7"]
    assert any(line.startswith("Restarts at time limits: 96 (train_sapo 96, quantize 0") for line in printed)
    assert not any("billed" in line for line in lines(Plan(merged("config/paper.yaml"))))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copied(tmp_path)


def asked(printed: str, rule: str) -> list[dict[str, str]]:
    """The resources of a rule's jobs in a dry run."""
    jobs = re.findall(rf"^rule {rule}:\n(?:    .*\n)*?    resources: (.*)$", printed, re.M)
    return [dict(part.split("=", 1) for part in one.split(", ")) for one in jobs]


def test_a_short_limit_is_asked_for_and_warned_half_way(project: Project) -> None:
    """Half an hour with a warning of as much, as it stands in the form."""
    with_form(project, train_hours=0.5, generate_hours=0.5, generate_warning=1800)
    done = project.on_slurm("-n", "--configfile", "config/smoke.yaml")
    assert done.returncode == 0, done.stderr[-3000:]
    for rule, jobs in (("train_sapo", 1), ("generate", 3)):
        found = asked(done.stdout, rule)
        assert len(found) == jobs
        for one in found:
            assert one["runtime"] == "30" and "--signal=TERM@900" in one["slurm_extra"]


def test_a_limit_without_progress_is_refused_while_parsing(project: Project) -> None:
    with_form(project, train_hours=2)
    done = project.on_slurm("-n", "--configfile", "config/paper.yaml")
    assert done.returncode != 0 and "makes no progress within" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
