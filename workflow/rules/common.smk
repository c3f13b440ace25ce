# What all rules share: the checked configuration, the plan, and the environment of every job.
import os
import re
import sys
from importlib.util import find_spec
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(workflow.basedir)
SOURCES = str(ROOT / "src")
sys.path.insert(0, SOURCES)

from dreamr.config import NO_DRAFT
from dreamr.machine.needed import needs_here
from dreamr.machine.telling import announced
from dreamr.planning.doubts import doubts
from dreamr.planning.jobs import SummariseJob, VerifyJob
from dreamr.planning.limits import refuse_excess
from dreamr.planning.pins import refuse_unpinned
from dreamr.planning.plan import Calibrated, Group, Plan, as_json, command_digest
from dreamr.planning.progress import added_seconds, announcement, job_seconds
from dreamr.planning.reading import load
from dreamr.planning.site import LIMITED, site_of
from dreamr.provenance import environment_folder, file_digest
from dreamr.report.sections import captions
from dreamr.runtime.causes import new_run
from dreamr.runtime.ctrl_c import explain_ctrl_c
from dreamr.runtime.endings import exit_on_user_error
from dreamr.runtime.forecast import EXPECTED
from dreamr.runtime.locks import being_written, refuse_writers
from dreamr.runtime.processes import ALLOCATOR, ONE_THREAD, over_ranks
from dreamr.runtime.scheduling import look_when_a_job_ends
from dreamr.runtime.starts import BEGIN, RESTARTS, restarts
from dreamr.statistics.names import AUDITED
from dreamr.studies import catalogue


def site():
    """What the partitions of a cluster allow: the profile says it in resources of rules, which jobs are given again."""
    given = workflow.resource_settings.overwrite_resources
    plain = {rule: {name: one.raw for name, one in named.items()} for rule, named in given.items()}
    return site_of(plain, "the profile")


with exit_on_user_error():  # a wrong configuration ends here, with words, and so does one beyond its limits
    CONFIG = load(config, workflow.overwrite_configfiles)
    PLAN = Plan(CONFIG, site())
    refuse_excess(PLAN)
if find_spec("snakemake_executor_plugin_slurm"):
    from dreamr.runtime.executor import register

    register()
RESULTS = CONFIG.pathvars.results
CLAIMS = ["config/claims.yaml", *sorted(map(str, Path("src/dreamr/studies").glob("*/claims.yaml")))]
ALL_CORES = workflow.resource_settings.cores or os.cpu_count()  # a cluster gives no --cores; its profile sets threads

# One thread per process, so that jobs side by side do not fight over cores; the hub only where asked for; byte code kept
# even where the machine says not to, else each job compiles thousands of files of vLLM and torch anew, for ten seconds.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    PYTHONPATH=SOURCES,
    PYTHONDONTWRITEBYTECODE="",
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    **ONE_THREAD,
    **ALLOCATOR,
    **{RESTARTS: restarts(os.environ)},
)

if workflow.is_main_process:  # a job that reads the workflow again, as on a cluster, is of the run that began it
    os.environ.update(new_run(Path(CONFIG.pathvars.logs)))


def waiting_jobs():
    """The jobs that are going to run, a number by rule."""
    return Counter(job.rule.name for job in workflow.dag.needrun_jobs())


def expectation():
    """What is going to run and about how long it takes: by this machine's own earlier jobs, else by a run on two cores."""
    kept = yaml.safe_load((ROOT / "workflow/resources/seconds.yaml").read_text()).get(CONFIG.scale) or {}
    own = job_seconds(CONFIG.pathvars.benchmarks)
    EXPECTED.update(added_seconds({**kept, **own}, ALL_CORES))
    return announcement(waiting_jobs(), own, kept, ALL_CORES)


def check_claims():
    """A claim that cannot be read is told before all answers are there, and not by the job that judges it."""
    from dreamr.statistics.claims import load_claims  # which needs scipy, as parsing the workflow does not

    if "summarise" in waiting_jobs():
        load_claims(*map(Path, CLAIMS))


def running_jobs():
    """The jobs that run now, each with its log."""
    return [f"{job.name}: {', '.join(job.log)}" for job in list(workflow.scheduler.running)]


def machine_words():
    """What this machine lacks for the jobs that are going to run; stops where one of them would fail for certain."""
    shared = workflow.global_resources
    limits = {name: shared[name].value for name in ("gpu", "mem_mb") if name in shared}
    waiting = {} if workflow.touch else waiting_jobs()
    needed = needs_here(PLAN, waiting, ALL_CORES, limits, submitted=workflow.non_local_exec)
    return announced(needed, [str(path) for path in workflow.overwrite_configfiles])


def lock(name):
    """The lock of a model environment."""
    return ROOT / f"envs/{name}-{CONFIG.device}.txt"


def environment(name):
    """The file that marks a model environment as made; nothing where conda or the running Python is it."""
    return f"{environment_folder(lock(name))}/ready.txt" if CONFIG.environments == "venv" else []


def python(name):
    """The Python of a model environment."""
    return f"{environment_folder(lock(name))}/bin/python" if CONFIG.environments == "venv" else "python"


def lock_digest(name):
    """A changed lock reruns what depends on its environment."""
    return file_digest(lock(name))


LOCKS = [lock(name).stem for name in ("models", "quantize")]
ENVIRONMENTS = [made for made in map(environment, ("models", "quantize")) if made]


def card(model):
    """The file that marks a model folder as finished."""
    return f"<results>/models/{model}/card.json"


def cards(models):
    return [card(model) for model in models]


PLANTED = [PLAN.planted] if PLAN.planted else []


def data(names):
    return [f"<results>/data/{name}.jsonl" for name in names]


def local_files(wildcards):
    """The files of a data set that lies on this machine, or will; none of the hub's."""
    made = PLAN.made_files.get(wildcards.dataset)
    return made or list(map(str, PLAN.datasets[wildcards.dataset].files))


def folder(name, up=1):
    """A parameter: the folder of a rule's input or output files of this name, `up` levels above them."""

    def found(wildcards, input, output):
        files = input.get(name) or output.get(name)
        return str(Path(files if isinstance(files, str) else files[0]).parents[up - 1])

    return found


def option(flag, name):
    """A parameter: `flag` with the folder of these input files, nothing where there are none."""
    return lambda wildcards, input, output: [flag, folder(name)(wildcards, input, output)] if input.get(name) else []


def option_of_files(flag, name):
    """A parameter: `flag` with these input files, nothing where there are none."""
    return lambda wildcards, input: [flag, *input.get(name)] if input.get(name) else []


def one_of(names):
    """A wildcard pattern that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


def group(wildcards):
    return Group(wildcards.run, wildcards.target, wildcards.draft, wildcards.suite)


def certificates(wildcards):
    """The thresholds that a group's job has to know."""
    return list(map(PLAN.certificate, PLAN.calibrated(group(wildcards))))


def per_group(pattern):
    """The files of all generate jobs, one per group."""
    return [pattern.format(**cells._asdict()) for cells in PLAN.groups]


def needs(rule, gpus=None, alone=lambda wildcards: False):
    """A rule's resources in the units that Snakemake's executors read; `alone`: whether a job has a machine to itself."""
    wanted = CONFIG.resources[LIMITED.get(rule, rule)]
    gpus = gpus if wanted.gpus is None else wanted.gpus
    asked = {"gpu": gpus, "mem_mb": 1000 * wanted.memory_gb, "runtime": round(60 * wanted.hours)}
    if PLAN.site.get(rule):
        limit = PLAN.limit(rule)
        asked["runtime"] = round(limit.seconds / 60)
        asked["slurm_extra"] = lambda wildcards: sbatch_options(limit, alone(wildcards))
    return asked


def sbatch_options(limit, alone):
    """A log that grows over restarts, the warning ahead of the time limit, nobody else on the node."""
    warned = [f"--signal=TERM@{limit.warning:.0f}"] if limit.goes_on else []
    return " ".join(["--open-mode=append", *warned, *(["--exclusive"] if alone else [])])
