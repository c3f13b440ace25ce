"""Speed and its factors against the slow definition."""

from math import isnan, prod

import pandas as pd
import pytest
from factories import calibrated, config
from sentences import said
from summarised import HIT, PAIR, cell_of, everything, hit, line, of, with_refused

from dreamr.config import Method
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import OTHER, colour
from dreamr.scores import Score
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.speed import figures
from dreamr.studies.speed.factors import sequential_twins, split
from dreamr.studies.speed.tables import background, speed
from dreamr.traces import Span, Step, Trace

DRAFTS = (PAIR["draft"], "r4b-2l")


def test_speedup_is_a_ratio_of_mean_times_of_neighbours(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["speed"], **PAIR, method="dreamr", benchmark=ALL)
    rows = of("dreamr", mode="alone", **PAIR)
    assert found.n == len(rows) == 24
    assert found.speedup == pytest.approx(
        sum(r.baseline_seconds for r in rows) / sum(r.seconds for r in rows), rel=1e-4
    )
    assert found.speedup == pytest.approx(prod([found.fewer_tokens, found.time_per_token]), rel=1e-4)
    assert found.speedup_low < found.speedup < found.speedup_high


def test_device_seconds_count_the_devices_of_each_engine() -> None:
    settings, rows = everything()
    job = SummariseJob.of(settings)
    assert job.devices["q3vl-2l"] == 1
    wide = job.model_copy(update={"devices": {**job.devices, PAIR["target"]: 4, PAIR["draft"]: 2}})
    table = speed(score_frame(rows), wide)
    found, timed = line(table, **PAIR, method="dreamr", benchmark=ALL), of("dreamr", mode="alone", **PAIR)
    spent = sum(4 * r.target_busy + 2 * r.draft_busy for r in timed)
    assert found.busy_device_seconds == pytest.approx(spent / 24)
    assert found.speedup_per_busy_device == pytest.approx(4 * sum(r.baseline_seconds for r in timed) / spent)
    held = sum((4 + 2) * r.seconds for r in timed)
    assert found.held_device_seconds == pytest.approx(held / 24)
    assert found.speedup_per_held_device == pytest.approx(found.speedup * 4 / (4 + 2))
    assert found.speedup_per_held_device_high == pytest.approx(found.speedup_high * 4 / (4 + 2))
    drafted = line(table, **PAIR, method="draft_only", benchmark=ALL)  # holds no target
    assert drafted.speedup_per_held_device == pytest.approx(drafted.speedup * 4 / 2)
    control = line(table, target=PAIR["target"], draft="none", method="target_only", benchmark=ALL)
    by_itself = of("target_only", mode="alone", target=PAIR["target"])
    assert control.busy_device_seconds == pytest.approx(4 * sum(r.target_busy for r in by_itself) / 24)
    assert control.speedup_per_held_device == pytest.approx(control.speedup)


def test_engines_on_one_gpu_mark_the_times_of_methods_that_use_both() -> None:
    settings, rows = everything()
    job = SummariseJob.of(settings)
    assert "shared_device" not in speed(score_frame(rows), job)
    table = speed(score_frame(rows), job.model_copy(update={"sharing": (tuple(PAIR.values()),)}))

    def mark(method: str, **keys: str) -> object:
        return line(table, method=method, benchmark=ALL, **keys).shared_device

    assert mark("dreamr", **PAIR) == mark("specreason", **PAIR) == "shared device"
    assert mark("dreamr", target=ALL, draft=ALL) == "shared device", "a pool holds a marked pair"
    assert pd.isna(mark("draft_only", **PAIR)) and pd.isna(mark("target_only", target=PAIR["target"], draft="none"))
    assert pd.isna(mark("dreamr", target=PAIR["target"], draft=DRAFTS[1]))


@pytest.mark.parametrize("template", ["lead", "section"])
def test_the_page_says_where_times_are_of_a_shared_device(template: str, tables: dict[str, pd.DataFrame]) -> None:
    settings, rows = everything()
    on_gpu = settings.model_copy(update={"device": "cuda"})  # of which each engine holds the first
    shared = speed(score_frame(rows), SummariseJob.of(on_gpu))
    told = said(f"studies/speed/{template}.html.j2", on_gpu, tables | {"speed": shared}, "speed")
    assert "Shared device :" in told and "on one GPU" in told and told.count(" shared device ") > 1
    assert "shared device" not in said(f"studies/speed/{template}.html.j2", settings, tables, "speed").lower()


def test_what_fell_back_to_the_target_alone_holds_no_draft() -> None:
    settings, rows = everything()
    job = calibrated(SummariseJob.of(settings), "dreamr")
    fallen = [row.model_copy(update={"drafted": 0}) if cell_of(row, "dreamr") else row for row in rows]
    table = speed(score_frame(fallen), job)
    own, other = (line(table, target=PAIR["target"], draft=draft, method="dreamr", benchmark=ALL) for draft in DRAFTS)
    assert own.speedup_per_held_device == pytest.approx(own.speedup)
    assert other.speedup_per_held_device == pytest.approx(other.speedup / 2)


def test_a_target_on_two_threads_holds_two_cores() -> None:
    settings, rows = everything()
    methods = {**settings.methods, "target_only": Method(loop="target_only", threads=2)}
    job = SummariseJob.of(settings.model_copy(update={"methods": methods}))
    found = line(
        speed(score_frame(rows), job),
        target="q3vl-deep-awq",
        draft="none",
        method="target_only",
        benchmark=ALL,
    )
    assert found.held_device_seconds == pytest.approx(2 * found.seconds)
    assert found.speedup_per_held_device == pytest.approx(found.speedup / 2)


def test_a_speedup_is_split_where_the_sequential_twin_was_timed_on_the_same_questions(
    tables: dict[str, pd.DataFrame],
) -> None:
    """Worked from the definition: what the same text gains a token, first one thing at a time, then at once."""
    found = line(tables["split"], **PAIR, method="dreamr", benchmark=ALL)
    own, sequential = of("dreamr", mode="alone", **PAIR), of("schedule_sequential", mode="alone", **PAIR)
    by_itself = {(r.benchmark, r.question): r.tokens_by_target for r in of("target_only", target=PAIR["target"])}
    tokens = sum(by_itself[r.benchmark, r.question] for r in own)

    def token(rows: list[Score]) -> float:
        seconds = sum(r.seconds for r in rows) / sum(r.tokens_by_target for r in rows)
        return sum(r.baseline_seconds for r in rows) / tokens / seconds

    assert found.n == len(own) == len(sequential)
    assert found.fewer_tokens == pytest.approx(tokens / sum(r.tokens_by_target for r in own), rel=1e-4)
    assert found.delegation == pytest.approx(token(sequential), rel=1e-4)
    assert found.overlap == pytest.approx(token(own) / token(sequential), rel=1e-4)
    assert found.speedup == pytest.approx(found.fewer_tokens * found.delegation * found.overlap, rel=1e-4)
    itself = line(tables["split"], **PAIR, method="schedule_sequential", benchmark=ALL)
    assert itself.overlap == pytest.approx(1) and isnan(itself.overlap_low)


def answered(method: str, steps: list[bool | None], drafts: list[tuple[int, float, int]], beside: float) -> Trace:
    """A timed answer of the first pair: whether each step was accepted, and step, seconds and tokens of each draft."""
    spans = [Span(engine="draft", kind="draft", step=at, start=at, end=at + s, tokens=n) for at, s, n in drafts]
    return Trace(
        question="q0", benchmark="mmmu", **PAIR, method=method, mode="alone", digest="d", text="", finish="answer",
        steps=tuple(Step(text="s", writer="draft", accepted=one) for one in steps), spans=tuple(spans), device="test",
        drafted=4, verified=4, accepted=3, tokens=40, tokens_by_target=40, draft_tokens=40, target_tokens=4,
        seconds=1.0, baseline_seconds=beside,
    )  # fmt: skip


def timed_once() -> list[Score]:
    """One question that DREAM-R and its sequential method were timed on, beside the target's batched answers."""
    quick = {"dreamr": 0.5, "schedule_sequential": 1.0}
    chosen = [row for row in everything()[1] if cell_of(row, *quick) and row.question == "q0"]
    times = [
        row.model_copy(update={"baseline_seconds": 1.0, "seconds": quick[row.method], "tokens_by_target": 40})
        for row in chosen
        if row.benchmark == "mmmu" and row.mode == "alone"
    ]
    return [*times, *of("target_only", "mmmu", target=PAIR["target"])]


def traces_of_it() -> list[Trace]:
    """Of the sequential method, and of the draft alone."""
    steps = [True, True, False, True]
    return [
        answered("schedule_sequential", steps, [(0, 9, 9), (1, 0.1, 10), (2, 0.2, 10), (3, 8, 8)], beside=1.0),
        answered("draft_only_sapo", [None, None], [(0, 7, 7), (1, 0.1, 10)], beside=2.0),
    ]


def test_an_overlap_is_fewer_starts_of_requests_and_parallel_work() -> None:
    """By hand. Alone the draft takes .1 s for 10 tokens, on a machine on which the target takes 2 s, not 1.

    Beside the sequential method's target 20 tokens behind accepted steps would take .1 s then. They took .3, so starts
    take .2 s of its second. The first step reads the question, the step behind the rejected one is asked for anew by
    every schedule, and what was cancelled is no step.
    """
    job, rows, traces = SummariseJob.of(everything()[0]), score_frame(timed_once()), traces_of_it()
    found = line(split(rows, traces, job), method="dreamr", **PAIR, benchmark=ALL)
    assert found.overlap == pytest.approx(2.0)
    assert found.starts == pytest.approx(1 / 0.8) and found.parallel == pytest.approx(1.6)
    alone = split(rows, traces[:1], job)
    assert alone.starts.isna().all() and line(alone, method="dreamr", **PAIR, benchmark=ALL).overlap == found.overlap


@pytest.mark.parametrize("method", ["schedule_sequential", "draft_only_sapo"])
def test_drafts_of_the_other_target_are_no_twin_and_no_draft_by_itself(method: str) -> None:
    """Their methods have the settings of the sequential method, or of the draft alone, and other times."""
    job, rows = SummariseJob.of(everything()[0]), score_frame(timed_once())
    other = {"methods": job.methods | {"elsewhere": job.methods[method]}, "exchanged": {"elsewhere": {}}}
    traces = [*traces_of_it(), answered("elsewhere", [None, None], [(0, 7, 7), (1, 0.2, 10)], beside=2.0)]
    expected = split(rows, traces_of_it(), job)
    assert line(expected, method="dreamr", **PAIR, benchmark=ALL).starts > 1
    pd.testing.assert_frame_equal(split(rows, traces, job.model_copy(update=other)), expected)


def test_a_sequential_method_starts_no_fewer_requests_than_itself(tables: dict[str, pd.DataFrame]) -> None:
    split = tables["split"].query("method == 'schedule_sequential'")
    assert len(split) and split[["starts", "parallel"]].isna().all(axis=None)


def test_only_a_schedule_of_the_same_text_splits_a_speedup(tables: dict[str, pd.DataFrame]) -> None:
    twins = sequential_twins(config().methods)
    assert {name: twins[name] for name in ("dreamr", "schedule_pipelined", "specreason")} == {
        "dreamr": "schedule_sequential",
        "schedule_pipelined": "schedule_sequential",
        "specreason": "specreason",
    }
    assert not {"dreamr_ns", "lookahead", "alpha_05", "target_only", "draft_only_sapo"} & twins.keys()
    dreamr = tables["split"].query("method == 'dreamr'")
    assert set(dreamr.target) == {PAIR["target"]}, "no other pair ran it, so there is no pool either"


def test_a_refused_question_is_timed_for_no_method_of_its_draft() -> None:
    job = SummariseJob.of(everything()[0])
    table, before = (speed(score_frame(rows), job) for rows in (with_refused(hit), everything()[1]))
    for method in ("dreamr", "dreamr_ns", "specreason", "draft_only", "schedule_pipelined"):
        own = line(table, method=method, benchmark="mmmu", **PAIR)
        kept = [row for row in of(method, "mmmu", "alone") if cell_of(row, method) and row.question not in HIT]
        assert (own.n, own.left_out) == (len(kept), 3) and own.n == 3
        assert own.speedup == pytest.approx(sum(r.baseline_seconds for r in kept) / sum(r.seconds for r in kept))
    other = {"target": PAIR["target"], "draft": "r4b-2l", "method": "dreamr", "benchmark": "mmmu"}
    assert line(table, **other).n == line(before, **other).n == 6 and line(table, **other).left_out == 0
    pool = {"target": ALL, "draft": ALL, "method": "dreamr", "benchmark": ALL}
    assert line(table, **pool).n == line(before, **pool).n - 3 and line(table, **pool).left_out == 3


def test_a_question_refused_to_the_target_has_no_speed_up() -> None:
    """Neither a length to compare with, wherever the target by itself was refused."""
    job = SummariseJob.of(everything()[0])
    by_itself = ("target_only", PAIR["target"], "batched")
    rows = with_refused(lambda row: (row.method, row.target, row.mode) == by_itself and row.question in HIT)
    table = speed(score_frame(rows), job)
    assert line(table, method="dreamr", benchmark="mmmu", **PAIR).left_out == 3
    assert line(table, method="dreamr", benchmark="mmmu", target="q3vl-moe-awq", draft="q3vl-2l").left_out == 0


def test_times_of_different_devices_are_refused() -> None:
    settings, rows = everything()
    mixed = [row.model_copy(update={"device": "other"}) if row.benchmark == "mmmu" else row for row in rows]
    with pytest.raises(UserError, match=r"different devices.*other, test"):
        speed(score_frame(mixed), SummariseJob.of(settings))


def test_where_nothing_was_timed_a_table_has_columns_and_no_row() -> None:
    settings, rows = everything()
    table = speed(score_frame([row for row in rows if row.mode == "batched"]), SummariseJob.of(settings))
    assert table.empty and {"speedup", "speedup_low"} <= {*table}


def test_a_loop_of_another_text_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a loop of a user's own would be whose settings happen to agree."""
    monkeypatch.setattr(Method, "batched", property(lambda method: method))
    assert "dreamr" not in sequential_twins(config().methods)


def test_a_main_method_of_ones_own_is_drawn_with_the_others_in_a_colour_of_its_own(
    tables: dict[str, pd.DataFrame],
) -> None:
    job = SummariseJob.of(everything()[0])
    display = job.display.model_copy(update={"main": (*job.display.main, "alpha_05")})
    widened = job.model_copy(update={"display": display})
    usual, wider = figures.speed(tables, job), figures.speed(tables, widened)
    assert usual and wider and {*wider.data.method} - {*usual.data.method} == {"alpha_05"}
    colours = [colour(name, widened) for name in display.main]
    assert len({*colours}) == len(colours) and OTHER not in colours and colour("alpha_05", job) == OTHER


@pytest.mark.parametrize(
    ("known", "labels"),
    [
        ({}, ["length of the answer", "delegation", "fewer starts and parallel work", "all but the length"]),
        (
            {"starts": 1.1, "parallel": 1.2},
            ["length of the answer", "delegation", "fewer starts", "parallel work", "all but the length"],
        ),
    ],
)
def test_a_speedup_is_drawn_by_the_finest_factors_that_are_known(
    known: dict[str, float], labels: list[str], tables: dict[str, pd.DataFrame]
) -> None:
    chart = figures.split(tables | {"split": tables["split"].assign(**known)}, SummariseJob.of(everything()[0]))
    assert chart and [text.get_text() for text in chart.figure.legends[0].get_texts()] == labels


def test_what_others_did_meanwhile_is_a_mean_over_timed_answers_of_a_mode() -> None:
    rows = [*of("dreamr"), *of("dreamr", mode="alone")]
    shares = iter([0.0, 0.3, *[0.1] * len(rows)])
    rows = [row.model_copy(update={"background": next(shares)}) if row.mode == "alone" else row for row in rows]
    table = background(score_frame(rows))
    timed = len(of("dreamr", mode="alone"))
    assert table.to_dict("records") == [
        {"mode": "alone", "n": timed, "share": pytest.approx((0.3 + 0.1 * (timed - 2)) / timed), "greatest": 0.3}
    ]
    unknown = background(score_frame([row.model_copy(update={"background": None}) for row in rows]))
    assert list(unknown) == list(table) and not len(unknown)


def test_one_of_several_pairs_does_not_say_why_all_are_faster(tables: dict[str, pd.DataFrame]) -> None:
    """Its sequential twin was run on one pair; had it been run on two of four, either might stand there."""
    one = tables["split"].query("method == 'dreamr'")
    two = pd.concat([one, one.assign(draft=DRAFTS[1])])
    for rows, told in ((one, True), (two, False)):
        given = tables | {"split": rows}
        lead = said("studies/speed/lead.html.j2", everything()[0], given, "speed")
        assert ("(the draft writes steps)" in lead) == told and "Why: " in lead
        assert ("FPSR, all at once" in said("glance.html.j2", everything()[0], given)) == told


@pytest.mark.parametrize(("share", "busy"), [(0.05, False), (0.38, True)])
def test_times_of_a_busy_machine_are_told_on_the_first_screen(
    share: float, busy: bool, tables: dict[str, pd.DataFrame]
) -> None:
    settings, _ = everything()
    table = pd.DataFrame([{"mode": "alone", "n": 90, "share": share, "greatest": 0.9}])
    words = f"other processes took {100 * share:.1f} % of the machine's CPU time"
    for template in ("glance.lead.html.j2", "studies/speed/section.html.j2"):
        told = said(template, settings, tables | {"background": table}, "speed")
        assert (words in told) == (busy or template.startswith("studies"))
        assert ("times of a busy machine" in told) == busy
