"""Estimates with a low, a middle and a high value: how they are read, and what a plan says of its ends."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_budget import paper
from test_plan import merged, scaled

from dreamr.cli.plan import lines
from dreamr.config import Config, Range
from dreamr.errors import UserError
from dreamr.planning.budget import estimates
from dreamr.planning.ends import ends, ranges, total_hours
from dreamr.planning.limits import refuse_excess
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read

SLOW = {"devices": {"core": {"compute_tflops": [0.04, 0.084, 0.1]}}, "text": {"answer": [50, 65, 100]}}


def of(estimated: dict[str, Any], *overlays: Any) -> Plan:
    """The smoke scale with other estimates."""
    return Plan(merged("config/smoke.yaml", {"estimates": estimated}, *overlays))


# -- as they are written


def test_three_values_compute_as_the_middle_one_and_are_written_as_they_were() -> None:
    text = of(SLOW).config.estimates.text
    assert text.answer == 65 and isinstance(text.answer, Range) and text.answer.values == (50, 65, 100)
    again = Config.model_validate(of(SLOW).config.model_dump(mode="json", by_alias=True)).estimates.text
    assert isinstance(again.answer, Range) and again.answer.values == (50, 65, 100)
    assert not isinstance(again.prompt, Range)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([50, 65], r"estimates\.text\.answer: expected one number, or \[low, middle, high\] \(found: \[50, 65\]\)"),
        ([65, 50, 100], r"estimates\.text\.answer: \[65\.0, 50\.0, 100\.0\] must grow"),
        ([65, 65, 65], r"estimates\.text\.answer: .* must grow"),
        ([0, 65, 100], r"estimates\.text\.answer: .*greater than or equal to 1"),
        ("many", r"estimates\.text\.answer: .*a valid number"),
    ],
)
def test_three_values_have_to_grow_within_the_bounds_of_one(given: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        of({"text": {"answer": given}})


# -- the ends of a plan


def test_a_plan_with_three_values_is_that_of_the_middle_ones() -> None:
    middle = {"devices": {"core": {"compute_tflops": 0.084}}, "text": {"answer": 65}}
    assert list(estimates(of(SLOW))) == list(estimates(of(middle)))


def test_its_ends_are_the_plans_of_the_values_with_which_it_takes_less_and_more() -> None:
    """A fast device and short answers take less: the high value of one and the low value of the other."""
    both = ends(of(SLOW))
    least = of({"devices": {"core": {"compute_tflops": 0.1}}, "text": {"answer": 50}})
    most = of({"devices": {"core": {"compute_tflops": 0.04}}, "text": {"answer": 100}})
    assert both and [total_hours(one) for one in both.plans] == [total_hours(least), total_hours(most)]
    assert total_hours(least) < total_hours(of(SLOW)) < total_hours(most)


def test_what_moves_a_plan_most_alone_stands_first() -> None:
    both = ends(of(SLOW))
    alone = {
        ("devices", "core", "compute_tflops"): [{"devices": {"core": {"compute_tflops": one}}} for one in (0.04, 0.1)],
        ("text", "answer"): [{"text": {"answer": one}} for one in (50, 100)],
    }
    hours = {key: [total_hours(of(one)) for one in moved] for key, moved in alone.items()}
    assert both and {one.key: [one.low_hours, one.high_hours] for one in both.moved} == hours
    assert [one.width for one in both.moved] == sorted((abs(low - high) for low, high in hours.values()), reverse=True)


def test_only_estimates_of_the_devices_in_use_are_moved() -> None:
    idle = {"devices": {"idle": SLOW["devices"]["core"] | {"memory_gb": None}}}
    other = {"estimates": {"devices": {"idle": merged().estimates.devices["core"].model_dump()}}}
    assert [key for key, _ in ranges(of(idle, other))] == []
    assert [key for key, _ in ranges(Plan(paper()))][:2] == [
        ("devices", "h200", "bandwidth_gb"),
        ("devices", "h200", "compute_tflops"),
    ]


@pytest.mark.parametrize("name", ["config", "smoke", "depth", "ablations"])
def test_a_plan_of_single_numbers_has_no_ends_and_says_nothing_of_them(name: str) -> None:
    plan = Plan(scaled(name))
    assert ends(plan) is None
    assert not any(word in line for line in lines(plan) for word in (" low ", "where they take less", "low and high"))


# -- as it is printed and refused


def test_the_printed_plan_has_both_ends_and_what_moves_them() -> None:
    plan = Plan(scaled("gpu"))
    printed, both = list(lines(plan)), ends(plan)
    heads = next(line for line in printed if "Mtokens" in line)
    assert heads.split()[2:] == ["most", "h", "low", "high", "limit", "GPUs", "GPU", "h", "low", "high"]
    row = next(line for line in printed if line.startswith("train_sapo")).split()
    trained = [max(job.seconds for job in estimates(one) if job.batches) / 3600 for one in (plan, *both.plans)]
    assert [float(one) for one in row[6:9]] == pytest.approx(trained, abs=0.005)
    low, high = map(total_hours, both.plans)
    assert (
        f"GPU hours with all estimates where they take less: {low:,.1f}; where they take more: {high:,.1f}." in printed
    )
    first = printed[printed.index(next(line for line in printed if "that move them most" in line)) + 1]
    assert first.strip().startswith(f"estimates.{'.'.join(both.moved[0].key)}, ")


def test_memory_is_shown_at_both_ends_where_it_differs() -> None:
    """Passes of eight answers, whose longest is the end of what is padded; 72.1 GB are held without them."""
    longer = scaled("gpu", {"estimates": {"text": {"longest": [1500, 2500, 4096]}}, "sapo": {"micro_batch": 8}})
    of_token = 28 * 2048 * 2 + 2.128e9 / 28 / 2048 * 6
    low, middle, high = (72.1 + 8 * (900 + one) * of_token / 1e9 for one in (1500, 2500, 4096))
    row = next(line for line in lines(Plan(longer)) if line.startswith("train_sapo") and "of 80" in line)
    assert row.endswith(f" {middle:.0f} ({low:.0f} to {high:.0f}) of 80 (a100)")


def test_a_spread_with_ends_shows_them_in_the_interval_and_in_the_power() -> None:
    wide = scaled("gpu", {"estimates": {"spread": [0.1, 0.2, 0.4]}})
    printed = [line for line in lines(Plan(wide)) if "points" in line]
    assert "0.2 (an estimate, 0.1 to 0.4), its interval is +-4.0 (2.0 to 7.9) points:" in printed[0]
    assert printed[1].endswith("probability of 0.32 (0.11 to 0.84).")


def test_a_plan_is_refused_by_its_middle_and_not_by_its_end() -> None:
    hours = max(job.seconds for job in estimates(Plan(scaled("gpu"))) if job.batches) / 3600
    most = ends(Plan(scaled("gpu"))).most
    assert max(job.seconds for job in estimates(most) if job.batches) / 3600 > 1.2 * hours
    refuse_excess(Plan(scaled("gpu", {"resources": {"train": {"hours": 1.1 * hours}}})))
    with pytest.raises(UserError, match="train_sapo"):
        refuse_excess(Plan(scaled("gpu", {"resources": {"train": {"hours": 0.9 * hours}}})))


def test_three_values_in_a_file_replace_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"estimates": SLOW}))
    config = read([Path(__file__).parent.parent / "config/config.yaml", file])
    assert [key for key, _ in ranges(Plan(config))] == [("devices", "core", "compute_tflops"), ("text", "answer")]
