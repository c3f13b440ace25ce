"""Which room may import which: what a change can break stays small, and light jobs stay light."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
LAYERS = """
    errors files cpn provenance components
    config runtime records
    traces certificates prompts data
    scores spans steps
    scoring engines
    verifiers micro
    methods
    simulation planning endpoint
    machine models statistics
    sapo answering report
    calibration studies
    results notebook
    exports
    cli
    __main__
"""  # a room, a package or a module at the top, imports rooms of the lines above its own
LAYER = {room: number for number, line in enumerate(LAYERS.split("\n")) for room in line.split()}
HEAVY = {"torch", "torchvision", "transformers", "trl", "vllm", "llmcompressor", "compressed_tensors", "accelerate"}
SEAMS = {"vllm": "engines", "trl": "sapo", "llmcompressor": "models", "filelock": "runtime", "snakemake": "nowhere"}
PATHS = [path for path in SOURCE.glob("dreamr/*/**/*.py") if not path.name.startswith("test_")]
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_bytes())
    for path in PATHS + [path for path in SOURCE.glob("dreamr/*.py") if path.stem != "__init__"]
}


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Full names in import statements; of this package its modules."""
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name if name in MODULES or name[:7] != "dreamr." else name.rpartition(".")[0] for name in names)


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_lies_below_it(module: str) -> None:
    used = set(imported(ast.walk(MODULES[module])))
    own = {name for name in used if name.startswith("dreamr.") and room(name) != room(module)}
    assert not {name for name in own if LAYER[room(name)] >= LAYER[room(module)]}
    assert not {name for name in own if name.startswith("dreamr.config.")}, "it would count in the digests of code"
    if room(module) in ("methods", "verifiers"):
        assert {name for name in own if room(name) == "engines"} <= {"dreamr.engines.protocol"}
    for library in SEAMS.keys() & {name.split(".")[0] for name in used}:
        assert room(module) == SEAMS[library], library


@pytest.mark.parametrize("command", sorted(name for name in MODULES if name.startswith("dreamr.cli")))
def test_commands_load_heavy_packages_where_they_use_them(command: str) -> None:
    """What importing a command imports, directly or not, holds none: planning and --help take no seconds."""
    waiting, seen = [command], set()
    while waiting:
        module = waiting.pop()
        if module in MODULES and module not in seen:
            seen.add(module)
            names = set(imported(node for node in MODULES[module].body if not isinstance(node, ast.If)))
            assert not {name.split(".")[0] for name in names} & HEAVY, module
            waiting += names
