"""How vLLM is started: its arguments, the environment that it reads, and which GPUs it sees."""

import ctypes
import math
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from dreamr.config import EngineSpec, ModelRef
from dreamr.engines.protocol import EngineDied
from dreamr.engines.vllm import internals
from dreamr.engines.vllm.inputs import MOST_IMAGES, Settings
from dreamr.engines.vllm.logs import EngineLog
from dreamr.engines.vllm.packed import refuse_without_kernel
from dreamr.engines.vllm.remote import RemoteVllm
from dreamr.errors import Cause, UserError
from dreamr.runtime.processes import ONE_THREAD
from dreamr.runtime.stops import SIGNALS

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the runner whose log-probabilities were checked; the CPU has no other
}
ON_CPU = {
    "TORCHDYNAMO_DISABLE": "1",  # else each verdict costs a second of compiling
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # bound engines would all sit on the first core
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # no worker process beside the engine's
}
ON_GPU = {
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # forked off a process that has used CUDA, an engine cannot use it
    "VLLM_USE_FLASHINFER_SAMPLER": "0",  # would be compiled at each start, by nvcc and ninja: nodes have none
}
CPU_CACHE_BYTES = 256 << 20  # of keys and values, per engine
CPU_BLOCK_TOKENS = 32  # the kernel's smallest block: a step fills it, so the next request finds its prefix
SEQUENCES = 256
# What workers are taught (vLLM's `worker_extension_cls`); on a CPU also its kernels.
WORKERS = {"cpu": f"{__package__}.kernels.CpuWorker", "cuda": f"{__package__}.internals.NewWeights"}
END_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Ngram:
    """Token-level speculation by looking up the text's own n-grams (prompt lookup)."""

    tokens: int  # proposed a step
    shortest: int
    longest: int


def start(
    folder: str,
    model: ModelRef,
    settings: Settings,
    ngram: Ngram | None,
    cpu_threads: int,
    others: Mapping[str, Any],
) -> internals.Vllm:
    """A running vLLM with the model in `folder`, and `others` of vLLM's arguments: seconds, for large models minutes.

    Where the model's engine names a server, that one answers, and only words and images are made ready here. UserError
    where it does not start and never would, EngineDied where its process was ended.
    """
    internals.check_version()
    if ngram and model.engine.url:
        raise UserError(f"model {model.name}: its server ({model.engine.url}) cannot be told to speculate by n-grams")
    log = EngineLog.of(model.name)
    os.environ.update(environment(settings.device, cpu_threads) | {"VLLM_RPC_BASE_PATH": _socket_folder().name})
    os.environ.update(log.environment(os.environ["VLLM_LOGGING_LEVEL"]))
    if settings.device == "cpu" and not model.engine.url:
        refuse_without_kernel(Path(folder), model.name)
    with visible_devices(model.engine.devices), _start_failures_explained(model.name, folder, log):
        configuration = internals.configuration({**engine_arguments(folder, model, settings, ngram), **others})
        if settings.device == "cpu" and cpu_threads == 1:
            _fork_if_possible()
        if model.engine.url:
            return RemoteVllm(configuration, model.name, log, model.engine.url)
        with _deaf_to_stops():
            return internals.Vllm(configuration, model.name, log)


@contextmanager
def _start_failures_explained(model: str, folder: str, log: EngineLog) -> Iterator[None]:
    """Says why an engine did not start: a UserError where no other try would mend it, else it has died."""
    try:
        yield
    except Exception as error:
        cause = log.death(internals.exit_codes(error)) or Cause(f"{type(error).__name__}: {error}", certain=True)
        if not cause.certain:
            raise EngineDied(f"the engine of {model} died while it started: {cause.text}", cause) from error
        raise UserError(
            f"model {model}: vLLM could not start with {folder}. Are the weights whole, does `engine` in the "
            f"configuration fit model and device? {cause.words}",
            cause,
        ) from error


@contextmanager
def _deaf_to_stops() -> Iterator[None]:
    """Let no process that starts inside hear SIGTERM or SIGINT: a cluster, a terminal, torchrun tell every process of
    a job to stop, and the job needs its engines to finish what it is at."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environment(device: Literal["cpu", "cuda"], cpu_threads: int = 1) -> dict[str, str]:
    """What vLLM reads. What a device needs is not a matter of taste: Snakemake sets the threads to a job's cores.

    Several engines share a CPU's cores, so each has one thread: more than there are free cores stall, the n-gram
    proposer's too.
    """
    threads = dict.fromkeys(ONE_THREAD, str(cpu_threads))
    return {**QUIET, **os.environ, **({**ON_CPU, **threads} if device == "cpu" else ON_GPU)}


@cache
def _socket_folder() -> "TemporaryDirectory[str]":
    """Where engines meet this process. vLLM leaves every socket behind; the folder ends with the process.

    The path of a socket has at most 107 characters, and a cluster's TMPDIR may alone be as long.
    """
    return TemporaryDirectory(prefix="dreamr-", dir="/tmp")


def _fork_if_possible() -> None:
    """Let engines be forked, which starts them four times faster.

    A forked one would wait for ever on the OpenMP threads of a parent that has some, and has as many as its parent.
    Making the configuration sets "spawn", so this comes behind it.
    """
    import torch

    from dreamr.engines.vllm import kernels  # noqa: F401 - here, so that no fork has to import it

    if torch.get_num_threads() == 1:
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        _end_forks_with_us()


@cache
def _end_forks_with_us() -> None:
    """Let no forked engine outlive this process, even one that is killed, nor its signals pass for ours."""
    libc = ctypes.CDLL(None)

    def in_child() -> None:
        signal.set_wakeup_fd(-1)  # shared with our event loop, which would take a SIGTERM to the engine for its own
        libc.prctl(END_WITH_PARENT, signal.SIGKILL)

    os.register_at_fork(after_in_child=in_child)


def engine_arguments(folder: str, model: ModelRef, settings: Settings, ngram: Ngram | None) -> dict[str, Any]:
    """vLLM's engine arguments."""
    side = math.isqrt(settings.images.max_pixels)  # memory is set aside for images of this size
    arguments: dict[str, Any] = {
        "model": folder,
        "dtype": model.engine.dtype,
        "max_model_len": settings.context_tokens,
        "max_num_seqs": SEQUENCES,
        "max_num_batched_tokens": model.engine.batched_tokens,
        "limit_mm_per_prompt": {"image": {"count": MOST_IMAGES, "width": side, "height": side}, "video": 0},
        "enable_prefix_caching": True,
        "trust_remote_code": model.trust_remote_code,
        "seed": settings.generation.seed,
        "use_tqdm_on_load": False,
        "worker_extension_cls": WORKERS[settings.device],
    }
    if ngram:
        tokens, shortest, longest = astuple(ngram)
        lookup = {"prompt_lookup_min": shortest, "prompt_lookup_max": longest}
        arguments["speculative_config"] = {"method": "ngram", "num_speculative_tokens": tokens, **lookup}
    return arguments | (_cpu_arguments() if settings.device == "cpu" else _gpu_arguments(model.engine))


def _cpu_arguments() -> dict[str, Any]:
    return {
        "enforce_eager": True,
        "block_size": CPU_BLOCK_TOKENS,
        "kv_cache_memory_bytes": CPU_CACHE_BYTES,
    }


def _gpu_arguments(spec: EngineSpec) -> dict[str, Any]:
    """Scheduled as on a CPU and with n-gram speculation, where vLLM 0.32 schedules no step ahead (config/vllm.py, line
    1596): else what n-grams bring would be set against a baseline that has an advantage of another kind."""
    memory = {"gpu_memory_utilization": spec.memory} if spec.memory else {}
    return {"tensor_parallel_size": spec.tensor_parallel, "async_scheduling": False, **memory}


@contextmanager
def visible_devices(devices: tuple[int, ...]) -> Iterator[None]:
    """Let an engine that starts inside see only these of the job's GPUs."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if devices:
        names = given.split(",") if given else [str(number) for number in range(max(devices) + 1)]
        if max(devices) >= len(names):
            raise UserError(f"engine.devices {devices}: the job has only the GPUs {given}")
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names[number] for number in devices)
    try:
        yield
    finally:
        if devices and given is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = given
        elif devices:
            del os.environ["CUDA_VISIBLE_DEVICES"]
