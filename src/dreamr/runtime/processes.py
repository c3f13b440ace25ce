"""What a model process has to be told before it loads a numeric library, whoever starts it.

Snakemake exports the threads of a rule to its jobs, and the last digits of a sum depend on how many threads add it up.
On a CPU every command therefore sets them itself: weights and answers are the same under any number of threads.
"""

import os
import sys
from typing import Literal

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
# glibc gives each large tensor back to the kernel unless told otherwise, which makes training several times slower.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_TOP_PAD_": "200000000",
}
# Of a training's ranks, whose GPU memory is nearly full: pieces of it grow where they are, so that none is left between
# others. Engines start before and allocate as ever: vLLM 0.32 refuses this beside some of its parts (config/vllm.py,
# line 1202). The name is the first that torch 2.13 reads, when it first allocates.
GROWING = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
STOP_SECONDS = 3600  # a training that is told to stop finishes its batch and writes a checkpoint first


def over_ranks(ranks: int) -> list[str]:
    """Python's arguments, up to the module, that run a command in so many processes on one machine."""
    if ranks == 1:
        return ["-m"]
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return ["-m", *torchrun, f"--shutdown-timeout={STOP_SECONDS}", "-m"]


def first_rank() -> bool:
    """Whether this process is the one of its training that owns engines and files."""
    return os.environ.get("RANK", "0") == "0"


def set_threads(device: Literal["cpu", "cuda"]) -> None:
    """One thread on a CPU, where model processes share the cores, and no hub; call it before torch is imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if device == "cpu":
        os.environ.update(ONE_THREAD)


def see_at_most(gpus: int) -> None:
    """Let this job see no more than so many of its machine's GPUs, which are what the plan counted; 0: all of them.

    Where a queue has named the job's own (CUDA_VISIBLE_DEVICES), they are the first of these.
    """
    if gpus:
        given = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = given.split(",") if given else map(str, range(gpus))
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join([*names][:gpus])


def start_with_allocator() -> None:
    """Start this command again unless it has these settings: glibc reads them when a process starts."""
    if sys.platform == "linux" and not ALLOCATOR.items() <= os.environ.items():
        os.environ.update(ALLOCATOR)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
