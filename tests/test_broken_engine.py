"""A smoke run where the engine lacks a kernel: the cause is told once, and the last lines sum it up."""

import re
import shutil
from pathlib import Path

import pytest
from projects import MADE, copied, with_environments

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(Path.exists, MADE)), reason="needs: snakemake --cores all environments"),
]
MISSING = "AttributeError: '_OpNamespace' '_C' object has no attribute 'cpu_attention_with_kv_cache'"


def test_a_run_whose_engines_lack_an_operator_says_so_in_few_lines(tmp_path: Path) -> None:
    project = with_environments(copied(tmp_path, weights=True))
    stand_in = Path(__file__).with_name("without_attention") / "sitecustomize.py"
    shutil.copy(stand_in, tmp_path / "src")  # which is on the path of every job
    done = project.snakemake("--configfile", "config/smoke.yaml")
    assert done.returncode == 1
    printed = done.stderr.splitlines()
    assert len(printed) < 100 and sum(MISSING in line for line in printed) == 2, done.stderr
    first = next(line for line in printed if MISSING in line)
    engine = re.search(rf"the engine of (q3vl-\S+) died: {re.escape(MISSING)}; its log: (\S+);", first)
    assert engine and MISSING in (tmp_path / engine[2]).read_text()
    assert re.fullmatch(r"logs/smoke/\S+\.engines/q3vl-[^./]+\.log", engine[2]) and ".log." not in engine[2]
    what, why, logs, remedy, rest = printed[-5:]
    assert sorted(re.findall(r"\d \w+", what)) == ["1 train_sapo", "2 generate"]
    assert why == f"  why: {MISSING}" and f"  log: {engine[2]}, logs/smoke/" in logs
    assert ".venv/bin/dreamr check" in remedy and "remove environments/models-cpu-" in remedy
    assert re.fullmatch(r"\d+ of \d+ jobs are done; run the same command again to go on\.", rest)
