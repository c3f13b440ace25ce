"""NVIDIA's GPUs, as `nvidia-smi` tells of them."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MPS = "nvidia-cuda-mps-control"
SECONDS = 15  # without its persistence mode a driver takes a second or more a GPU
MIB = 1 << 20
GB = 1e9
# What every driver of the last ten years tells; and what those before 510 do not know.
OLD_FIELDS = ("index", "uuid", "name", "driver_version", "memory.total")
FIELDS = (*OLD_FIELDS, "compute_cap", "mig.mode.current")
UNKNOWN_FIELD = "is not a valid field to query"


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a slice of one."""

    name: str
    driver: tuple[int, ...]
    memory_gb: float | None  # None where the driver does not tell
    capability: tuple[int, int] | None
    profile: str | None = None  # of a slice (MIG): 1g.10gb


@dataclass(frozen=True)
class Gpus:
    """Those that a process here would see; where there are none, why."""

    seen: tuple[Gpu, ...] = ()
    trouble: str = ""
    mps: bool = False  # whether NVIDIA's Multi-Process Service runs, by which processes use a GPU at the same time


def probed_gpus() -> Gpus:
    """What a CUDA program started here would see."""
    if shutil.which("nvidia-smi") is None:
        return Gpus(trouble="no nvidia-smi on the path")
    code, told = _asked(FIELDS)
    if UNKNOWN_FIELD in told:
        code, told = _asked(OLD_FIELDS)
    if code:
        return Gpus(trouble=f"nvidia-smi: {' '.join(told.split())}")
    rows = read_rows(told)
    slices = _called("nvidia-smi", "-L")[1] if any(row.get("mig.mode.current") == "Enabled" for row in rows) else ""
    seen = visible(rows, read_slices(slices), os.environ.get("CUDA_VISIBLE_DEVICES"))
    trouble = "" if seen else f"{len(rows)} GPUs, and CUDA_VISIBLE_DEVICES or MIG leaves none of them"
    return Gpus(tuple(seen), trouble, mps_runs())


def mps_runs() -> bool:
    """Whether the daemon of the Multi-Process Service answers; asked for its servers, it starts and ends nothing."""
    if shutil.which(MPS) is None:
        return False
    code, said = _called(MPS, told="get_server_list\n")
    return code == 0 and "Cannot find" not in said


def _asked(fields: Sequence[str]) -> tuple[int, str]:
    return _called("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,nounits")


def _called(*command: str, told: str = "") -> tuple[int, str]:
    """A command's exit status and what it printed; `told` is what it reads."""
    try:
        done = subprocess.run(
            command, input=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {SECONDS} s"
    return done.returncode, done.stdout


def read_rows(listing: str) -> list[dict[str, str]]:
    """`nvidia-smi --query-gpu=... --format=csv,nounits` by field; units in the heading are left out."""
    heading, *lines = [line.split(", ") for line in listing.strip().splitlines()]
    fields = [field.partition(" [")[0] for field in heading]
    return [dict(zip(fields, line, strict=True)) for line in lines]


def read_slices(listing: str) -> dict[str, list[tuple[str, str]]]:
    """`nvidia-smi -L`: the slices of each GPU by its UUID, as profile and UUID."""
    by_gpu: dict[str, list[tuple[str, str]]] = {}
    slices: list[tuple[str, str]] = []
    for line in listing.splitlines():
        if gpu := re.match(r"GPU \d+: .* \(UUID: (GPU-\S+)\)", line):
            slices = by_gpu.setdefault(gpu.group(1), [])
        elif part := re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-\S+)\)", line):
            slices.append((part.group(1), part.group(2)))
    return by_gpu


def visible(
    rows: Sequence[Mapping[str, str]], slices: Mapping[str, Sequence[tuple[str, str]]], names: str | None
) -> list[Gpu]:
    """GPUs, and instead of one that is divided its slices; `names` is CUDA_VISIBLE_DEVICES, None: all.

    As CUDA does: a GPU is named by its index or the beginning of its UUID, a slice by its UUID, the index of a divided
    GPU means its first slice, and what follows an unknown name is not seen.
    """
    devices: list[tuple[tuple[str, str], Gpu]] = []
    for row in rows:
        whole = _gpu(row)
        parts = [((row["index"], uuid), _slice(whole, profile)) for profile, uuid in slices.get(row["uuid"], ())]
        devices += parts if row.get("mig.mode.current") == "Enabled" else [((row["index"], row["uuid"]), whole)]
    if names is None:
        return [gpu for _, gpu in devices]
    seen: list[Gpu] = []
    for name in (part.strip() for part in names.split(",")):
        named = [gpu for (index, uuid), gpu in devices if name and (name == index or _begins(uuid, name))]
        if not named:
            break
        seen += named[:1]
    return seen


def _begins(uuid: str, name: str) -> bool:
    return name.startswith(("GPU-", "MIG-")) and uuid.startswith(name)


def _gpu(row: Mapping[str, str]) -> Gpu:
    memory, capability = row["memory.total"], re.fullmatch(r"(\d+)\.(\d+)", row.get("compute_cap", ""))
    return Gpu(
        name=row["name"],
        driver=tuple(int(part) for part in row["driver_version"].split(".") if part.isdecimal()),
        memory_gb=int(memory) * MIB / GB if memory.isdecimal() else None,
        capability=(int(capability.group(1)), int(capability.group(2))) if capability else None,
    )


def _slice(whole: Gpu, profile: str) -> Gpu:
    """A slice; its profile names its memory: 1g.10gb."""
    memory = re.search(r"\.(\d+)gb", profile)
    return Gpu(whole.name, whole.driver, float(memory.group(1)) if memory else None, whole.capability, profile)
