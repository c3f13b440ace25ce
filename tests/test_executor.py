"""What the Slurm profile does where Slurm refuses, is away, or forgets. Stand-ins of Slurm's commands and of all work.

tests.test_cluster has a real Slurm.
"""

import asyncio
import os
import time
from pathlib import Path

import pytest
from projects import copied, stubbed, with_form

from dreamr.runtime.executor import WaitingExecutor, longest, may_pass

QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")
SMOKE = ("--configfile", "config/smoke.yaml")
QUANTIZED = "results/smoke/models/q3vl-deep-awq/card.json"


LIMITS = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize(
    "refusal",
    [
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "Batch job submission failed: Socket timed out on send/recv operation",
        f"QOSMaxSubmitJobPerUserLimit\n{LIMITS}",
        f"AssocMaxSubmitJobLimit\n{LIMITS}",
        LIMITS,
    ],
)
def test_what_passes_is_waited_for(refusal: str) -> None:
    assert may_pass(refusal)


@pytest.mark.parametrize(
    "refusal",
    [
        "Batch job submission failed: Invalid account or account/partition combination specified",
        "Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
        f"AssocMaxWallDurationPerJobLimit\n{LIMITS}",
    ],
)
def test_what_does_not_pass_ends_the_job(refusal: str) -> None:
    assert not may_pass(refusal)


def test_looks_at_the_queue_are_no_further_apart_than_sites_list_an_ended_job() -> None:
    """As the profile has it, and on a cluster of one's own whose first look is told to come early."""
    assert [longest(first) for first in (1, 5, 20, 40)] == [10, 50, 60, 60]


def test_a_look_that_comes_before_the_executor_is_made_finds_nothing() -> None:
    """Snakemake starts the thread that looks first; if it ended by an error, the run would wait for ever."""

    async def look() -> list[object]:
        return [job async for job in object.__new__(WaitingExecutor).check_active_jobs([])]

    assert asyncio.run(look()) == []


class Site:
    """A project at a site whose Slurm can be told what to do."""

    def __init__(self, folder: Path) -> None:
        self.project = with_form(stubbed(copied(folder)))
        self.state = folder / "slurm"
        self.state.mkdir()

    def run(self, *wanted: str) -> tuple[int, str]:
        done = self.project.on_slurm(*SMOKE, *QUICK, *wanted)
        return done.returncode, done.stdout + done.stderr

    @property
    def submitted(self) -> int:
        return len((self.state / "submitted").read_text().splitlines())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("PATH", f"{Path(__file__).with_name('fake_slurm')}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path / "site/slurm"))
    return Site(tmp_path / "site")


@pytest.mark.slow
def test_a_submission_is_tried_again_until_slurm_takes_it(site: Site) -> None:
    (site.state / "refusals").write_text("Unable to contact slurm controller (connect failure)\n")
    code, printed = site.run(QUANTIZED)
    assert code == 0, printed
    assert (
        "not submitted, next try in 10 s. SLURM sbatch failed. The error message was 'sbatch: error: Batch" in printed
    )
    assert site.submitted == 1


@pytest.mark.slow
def test_a_submission_that_is_refused_for_good_leaves_earlier_outputs_and_their_records(site: Site) -> None:
    code, printed = site.run(QUANTIZED)
    assert code == 0, printed
    card = site.project.folder / QUANTIZED
    before = card.read_text(), card.stat().st_mtime_ns
    (site.state / "refusals").write_text("Invalid account or account/partition combination specified\n")
    code, printed = site.run("--forcerun", "quantize", "--", QUANTIZED)
    assert code != 0 and "Invalid account or account/partition" in printed
    assert "Removing output files" not in printed
    assert (card.read_text(), card.stat().st_mtime_ns) == before
    assert site.project.planned(*SMOKE, "--", QUANTIZED)["quantize"] == 0


@pytest.mark.slow
def test_jobs_are_kept_in_sight_while_the_controller_is_away(site: Site) -> None:
    """Here it goes with the first submission, and comes back when all attempts of several looks have failed."""
    process = site.project.start("--profile", "profiles/slurm", *SMOKE, *QUICK, QUANTIZED)
    while not list(site.state.glob("*.state")):
        assert process.poll() is None
        time.sleep(0.1)
    (site.state / "away").touch()
    time.sleep(30)
    assert process.poll() is None and (site.state / "1.state").read_text() == "COMPLETED\n"
    (site.state / "away").unlink()
    assert process.wait(timeout=120) == 0


@pytest.mark.slow
def test_a_job_that_slurm_lists_no_more_has_ended_as_its_outputs_say(site: Site) -> None:
    (site.state / "forgets").touch()
    code, printed = site.run(QUANTIZED)
    assert code == 0, printed
    site.project.edit(
        "src/dreamr/cli/__init__.py",
        lambda text: text.replace("if command:", 'if command == "quantize":\n    os._exit(1)\nif command:'),
    )
    code, printed = site.run("--forcerun", "quantize", "--", QUANTIZED)
    assert code != 0 and "Slurm job 2 is no longer known to Slurm, and its outputs were not written" in printed
