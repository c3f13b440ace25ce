"""On the path of a process, this takes an operator out of vLLM's library, as builds lack them for some processors."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MISSING = "cpu_attention_with_kv_cache"


class Finder(MetaPathFinder):
    """Changes torch's module of operators once it is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch._ops" or (spec := PathFinder.find_spec(fullname, path)) is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_without(module: ModuleType) -> None:
            load(module)
            module._OpNamespace.__getattr__ = without(module._OpNamespace.__getattr__)

        spec.loader.exec_module = load_without  # type: ignore[method-assign]
        return spec


def without(found: Any) -> Any:
    """torch's look-up of an operator, but for the missing one."""

    def look_up(self: Any, name: str) -> Any:
        if (self.name, name) == ("_C", MISSING):
            raise AttributeError(f"'_OpNamespace' '_C' object has no attribute '{MISSING}'")
        return found(self, name)

    return look_up


sys.meta_path.insert(0, Finder())
