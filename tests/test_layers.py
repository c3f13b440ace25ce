"""Which part may import which: what a change can break stays small, and light jobs stay light."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
HEAVY = {"torch", "torchvision", "transformers", "trl", "vllm", "llmcompressor", "compressed_tensors", "accelerate"}

# What a part may import of this package. Parts not named here are held by the rules below alone.
ALLOWED = {
    "records": set(),
    "cpn": set(),
    "config": set(),
    "stats": set(),
    "prompts": {"records"},
    "steps": {"prompts"},
    "answers": {"prompts", "records", "steps", "values"},
    "engines.protocol": {"prompts"},
    "engines.scripts": {"engines.protocol", "prompts", "records", "steps"},
    "engines.virtual": {"engines.protocol", "prompts", "steps"},
    "methods": {"config", "cpn", "engines.protocol", "prompts", "records", "steps"},
}


def part(module: str) -> str:
    """`dreamr.methods.fpsr` -> `methods`; `dreamr.engines.vllm` -> `engines.vllm`."""
    names = module.split(".")[1:]
    return ".".join(names[:2]) if names[:1] == ["engines"] else ".".join(names[:1])


def modules() -> dict[str, ast.Module]:
    files = {path: ".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in SOURCE.rglob("*.py")}
    return {name.removesuffix(".__init__"): ast.parse(path.read_text("utf-8")) for path, name in files.items()}


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names that the import statements of `tree` mention."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: neither in functions nor for type checkers."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


MODULES = modules()


def own_imports(module: str) -> set[str]:
    """The package's modules that `module` imports, anywhere in it."""
    names = {name for name in imported(MODULES[module]) if name.startswith("dreamr")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names} - {"dreamr", module}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_stay_in_their_layer(module: str) -> None:
    used = {part(name) for name in own_imports(module)} - {part(module)}
    assert part(module) == "cli" or "cli" not in used, "only commands know commands"
    if part(module) in ALLOWED:
        assert used <= ALLOWED[part(module)]
    if part(module) in {"figures", "report"}:
        assert "stats" not in used, "figures and report show numbers and compute none"


def test_one_loop_does_not_know_another() -> None:
    loops = {f"dreamr.methods.{name}" for name in ("fpsr", "lookahead", "specreason", "target_only", "draft_only")}
    for module in MODULES:
        assert not own_imports(module) & loops, f"{module} imports a loop; loops are loaded by name"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_heavy_packages_are_imported_where_they_are_used(module: str) -> None:
    """A module that loads one on import is one that only jobs in the models environments import."""
    names = {name.split(".")[0] for node in at_import(MODULES[module]) for name in imported(node)}
    if names & HEAVY:
        users = {user for user in MODULES if module in {n for s in at_import(MODULES[user]) for n in imported(s)}}
        assert not users, f"{module} loads {names & HEAVY} and so does each of {users}"


def test_no_import_goes_in_a_circle() -> None:
    list(TopologicalSorter({module: own_imports(module) for module in MODULES}).static_order())


def test_only_one_file_imports_vllm() -> None:
    users = {module for module, tree in MODULES.items() if any(n.split(".")[0] == "vllm" for n in imported(tree))}
    assert users == {"dreamr.engines.vllm"}
