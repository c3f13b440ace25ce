"""Which room may import which: what a change can break stays small, and light jobs stay light."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
HEAVY = {"torch", "torchvision", "transformers", "trl", "vllm", "llmcompressor", "compressed_tensors", "accelerate"}

# What each room, a package or a module at the top, may import of the others.
ALLOWED = {
    "errors": "",
    "files": "",
    "cpn": "",
    "provenance": "",
    "components": "",
    "config": "components",
    "runtime": "errors files",
    "records": "errors files",
    "traces": "records",
    "scores": "traces",
    "certificates": "errors records",
    "spans": "traces",
    "prompts": "records",
    "steps": "prompts",
    "data": "components config errors records",
    "scoring": "errors records scores spans steps traces",
    "engines": "config cpn errors prompts records runtime steps",
    "verifiers": "components config cpn engines prompts provenance",
    "methods": "components config engines errors prompts steps traces verifiers",
    "simulation": "config engines methods prompts",
    "planning": "components config errors methods provenance",
    "machine": "config errors planning provenance",
    "models": "engines errors planning prompts provenance records",
    "sapo": "config data engines errors models planning prompts records runtime scoring steps verifiers",
    "answering": "certificates config engines errors files machine methods models planning prompts provenance records "
    "runtime traces",
    "calibration": "answering certificates models planning records scoring statistics traces",
    "endpoint": "config engines methods prompts records traces",
    "statistics": "config errors files planning records scores steps traces",
    "report": "config planning provenance records runtime statistics traces",
    "studies": "certificates components config errors planning records report spans statistics traces",
    "micro": "config data engines errors prompts provenance records steps",
    "notebook": "config errors planning records report scores statistics studies traces",
    "exports": "errors files notebook records scores statistics traces",
    "__main__": "cli",
    "cli": "answering calibration certificates config data endpoint engines errors exports files "
    "machine methods micro models notebook planning prompts provenance records report runtime sapo "
    "scoring simulation spans statistics studies traces",
}


def room(module: str) -> str:
    """`dreamr.methods.fpsr` -> `methods`, `dreamr.cpn` -> `cpn`."""
    return module.split(".")[1]


def modules() -> dict[str, ast.Module]:
    """All but the tests that lie beside what they test."""
    paths = [path for path in SOURCE.glob("dreamr/**/*.py") if not path.name.startswith("test_")]
    files = {path: ".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in paths}
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
ROOMS = sorted({room(module) for module in MODULES if module != "dreamr"})


def own(names: Iterator[str]) -> set[str]:
    """The package's modules among imported names."""
    return {name if name in MODULES else name.rpartition(".")[0] for name in names if name.startswith("dreamr.")}


def own_imports(module: str) -> set[str]:
    """The package's modules that `module` imports, anywhere in it."""
    return own(imported(MODULES[module])) - {"dreamr", module}


def test_every_room_has_its_rule() -> None:
    assert sorted(ALLOWED) == ROOMS


@pytest.mark.parametrize("name", ROOMS)
def test_imports_stay_in_their_layer(name: str) -> None:
    used = {other for module in MODULES if module != "dreamr" and room(module) == name for other in own_imports(module)}
    assert {room(other) for other in used} - {name} <= {*ALLOWED[name].split()}


def test_no_rule_allows_what_nobody_needs_or_a_circle() -> None:
    rules = {name: {*words.split()} for name, words in ALLOWED.items()}
    list(TopologicalSorter(rules).static_order())
    for name, allowed in rules.items():
        used = {
            room(other) for module in MODULES if module.startswith(f"dreamr.{name}") for other in own_imports(module)
        }
        assert allowed <= used, name


def test_loops_and_verifiers_know_the_protocol_and_no_engine() -> None:
    for module in MODULES:
        if module.startswith(("dreamr.methods", "dreamr.verifiers")):
            assert {name for name in own_imports(module) if room(name) == "engines"} <= {"dreamr.engines.protocol"}


def test_one_loop_does_not_know_another() -> None:
    loops = {name for name, tree in MODULES.items() if name.startswith("dreamr.methods.") and "answer" in defined(tree)}
    assert {name.rpartition(".")[2] for name in loops} >= {"target_only", "spec_decoding", "specreason", "fpsr"}
    for module in MODULES:
        assert not own_imports(module) & loops, f"{module} imports a loop; loops are loaded by name"


def defined(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_figures_and_page_show_numbers_and_compute_none() -> None:
    for module in MODULES:
        if module.startswith("dreamr.report") or module.endswith(".figures"):
            assert "dreamr.statistics.intervals" not in own_imports(module), module


def test_the_package_knows_nothing_of_the_training_of_the_zoo() -> None:
    """It is run by people, beside the package: no result depends on its code."""
    assert not importers("zoo")


def test_package_faces_are_empty() -> None:
    """All but that of the configuration, which no digest follows."""
    for path in {*SOURCE.glob("dreamr/**/__init__.py")} - {SOURCE / "dreamr/config/__init__.py"}:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert all(isinstance(node, ast.Expr) for node in tree.body), path


def test_the_configuration_is_imported_by_its_face() -> None:
    """A module of it that is imported by name would count in the digests of code."""
    for module in MODULES:
        if not module.startswith("dreamr.config"):
            assert not {name for name in own_imports(module) if name.startswith("dreamr.config.")}, module


@pytest.mark.parametrize("command", sorted(name for name in MODULES if name.startswith("dreamr.cli.")))
def test_commands_load_heavy_packages_where_they_use_them(command: str) -> None:
    """What importing a command imports, directly or not, holds none: planning and --help take no seconds."""
    waiting, seen = [command], set()
    while waiting:
        module = waiting.pop()
        if module in MODULES and module not in seen:
            seen.add(module)
            names = {name for node in at_import(MODULES[module]) for name in imported(node)}
            heavy = {name.split(".")[0] for name in names} & HEAVY
            assert not heavy, f"{command} loads {heavy} by way of {module}"
            waiting += own(iter(names))


def test_no_import_goes_in_a_circle() -> None:
    list(TopologicalSorter({module: own_imports(module) for module in MODULES}).static_order())


def importers(package: str) -> dict[str, set[str]]:
    """By module, what it imports of a package."""
    found = {
        module: {name for name in imported(tree) if name.split(".")[0] == package} for module, tree in MODULES.items()
    }
    return {module: names for module, names in found.items() if names}


def test_what_vllm_does_not_document_is_imported_in_three_places() -> None:
    """Beside `internals` what a server reads, and kernels of the CPU."""
    users = importers("vllm")
    documented = {"engine", "rollouts"}
    assert users.keys() == {f"dreamr.engines.vllm.{name}" for name in {*documented, "internals", "kernels", "remote"}}
    scale_out = {name for name in users["dreamr.engines.vllm.remote"] if ".scale_out." in name}
    assert len(scale_out) == 1, "what a server of this version reads"
    assert {name.rpartition(".")[0] for name in users["dreamr.engines.vllm.engine"]} == {"vllm", "vllm.sampling_params"}


@pytest.mark.parametrize(
    ("package", "rooms"), [("trl", {"sapo"}), ("llmcompressor", {"models"}), ("filelock", {"runtime"})]
)
def test_a_library_with_a_seam_is_imported_behind_it(package: str, rooms: set[str]) -> None:
    assert {room(module) for module in importers(package)} == rooms


def test_snakemake_and_the_package_know_each_other_in_the_logger_plugin_alone() -> None:
    (plugin,) = SOURCE.glob("snakemake_logger_plugin_*/*.py")
    rooms = {room(name) for name in imported(ast.parse(plugin.read_text("utf-8"))) if name.startswith("dreamr.")}
    assert rooms == {"runtime"}
    assert not importers("snakemake") and not importers("snakemake_interface_logger_plugins")
