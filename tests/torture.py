"""Kill a run at random moments, start it again until it is done, and compare it with one that nobody touched.

Run by hand and nightly; tests.test_torture has a short form.

    python tests/torture.py --mode snakemake --kills 20 --seed 1
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from projects import Project, answers, copied, other_models, run_smoke, with_environments

from dreamr.records import read_rows
from dreamr.traces import Trace

SMOKE = ("--configfile", "config/smoke.yaml")
PATIENCE = 40  # runs without a kill after which a run that is not done never will be


def kill_group(snakemake: subprocess.Popen[str], dice: random.Random) -> str:
    """As a dying terminal or machine does: everything at once."""
    os.killpg(snakemake.pid, signal.SIGKILL)
    return "all"


def kill_snakemake(snakemake: subprocess.Popen[str], dice: random.Random) -> str:
    """Its jobs run on without it."""
    snakemake.kill()
    return "Snakemake alone"


def kill_child(snakemake: subprocess.Popen[str], dice: random.Random) -> str:
    """A shell, a command or an engine."""
    children = psutil.Process(snakemake.pid).children(recursive=True)
    if not children:
        return "nobody"
    child = dice.choice(sorted(children, key=lambda process: process.pid))
    try:
        name = " ".join(child.cmdline()[:3])
        child.kill()
    except psutil.NoSuchProcess:  # it ended by itself meanwhile
        return "nobody"
    return f"child {name!r}"


def kill_any(snakemake: subprocess.Popen[str], dice: random.Random) -> str:
    return dice.choice([kill_group, kill_snakemake, kill_child])(snakemake, dice)


MODES: dict[str, Callable[[subprocess.Popen[str], random.Random], str]] = {
    "group": kill_group,
    "snakemake": kill_snakemake,
    "child": kill_child,
    "any": kill_any,
}


@dataclass
class Torture:
    """A run that is killed `left` times."""

    project: Project
    mode: str
    dice: random.Random
    left: int
    arguments: tuple[str, ...] = SMOKE
    longest: float = 40.0  # seconds before a kill; an engine of the smoke run starts in ten to thirty
    told: list[str] = field(default_factory=list)  # one line a kill
    refused: int = 0  # times a second writer was turned away

    def until_done(self) -> None:
        """Start Snakemake again and again; the last starts are left alone."""
        for _ in range(self.left + PATIENCE):
            if self._once():
                return
            self.project.succeed("--unlock", *self.arguments)
        raise AssertionError(f"not done after {self.left + PATIENCE} starts; the last one's log: {self._log}")

    @property
    def _log(self) -> Path:
        return self.project.folder / "run.log"

    def _once(self) -> bool:
        """Whether this start reached the end."""
        moment = self.dice.uniform(1, self.longest)
        with self._log.open("w") as log:
            snakemake = self.project.start(
                "--cores", "all", *self.arguments, stdout=log, stderr=log, start_new_session=True
            )
            code = self._killed(snakemake, moment) if self.left else snakemake.wait()
        refused = "has one writer at a time" in self._log.read_text(errors="replace")
        self.refused += refused
        if refused:
            time.sleep(2)  # the one that writes needs its time
        return code == 0

    def _killed(self, snakemake: subprocess.Popen[str], moment: float) -> int:
        """How a start ended of which something was killed, unless it ended before; later where nobody was there yet."""
        while True:
            try:
                return snakemake.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                whom = MODES[self.mode](snakemake, self.dice)
            if whom != "nobody":
                self.left -= 1
                self.told.append(f"{len(self.told) + 1}. after {moment:.1f} s: {whom}")
                print(self.told[-1], flush=True)
                return snakemake.wait()
            moment = 0.5


def differences(results: Path, reference: Path) -> list[str]:
    """What is not as in the reference: answers by what was asked, weights by model."""
    found, wanted = answers(results), answers(reference)
    lines = [f"answer {key}" for key in found if found[key] != wanted.get(key)]
    lines += [] if found else ["no answer at all"]
    return [*lines, *(f"model {name}" for name in other_models(results, reference)), *twice(results)]


def twice(results: Path) -> list[str]:
    """Answers that are kept more than once."""
    lines = []
    for path in results.glob("cells/*.jsonl"):
        keys = [(row.mode, row.benchmark, row.question) for row in read_rows(path, Trace)]
        lines += [f"{path.name} holds {key} twice" for key in set(keys) if keys.count(key) > 1]
    return lines


def main() -> None:
    options = parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture"))
    reference = options.reference or folder / "reference/results"
    if not options.reference:
        reference.parent.mkdir()
        run_smoke(reference.parent)
    dice, kills = random.Random(options.seed), 0
    while kills < options.kills:  # a run that is done before its last kill is followed by a new one
        project = with_environments(copied(folder / "run", weights=True))
        torture = Torture(project, options.mode, dice, options.kills - kills)
        torture.until_done()
        kills = options.kills - torture.left
        found = differences(project.folder / "results/smoke", reference)
        print(f"done: {kills} kills so far, {torture.refused} second writers refused", flush=True)
        if found:
            raise SystemExit("\n".join(["not as undisturbed:", *found, f"see {folder}"]))
        shutil.rmtree(project.folder)
    print(f"mode {options.mode}, seed {options.seed}: {kills} kills, every answer once, all as undisturbed")
    shutil.rmtree(folder)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--mode", choices=MODES, required=True, help="whom to kill")
    described.add_argument("--kills", type=int, default=20, help="default: %(default)s")
    described.add_argument("--seed", type=int, default=0, help="of moments and victims (default: %(default)s)")
    described.add_argument("--reference", type=Path, help="results of an undisturbed smoke run; default: make them")
    return described


if __name__ == "__main__":
    main()
