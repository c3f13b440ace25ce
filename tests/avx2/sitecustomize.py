"""On the path of a process, this makes its vLLM choose the library for AVX2, as on a processor without AVX-512.

vLLM asks torch which instructions there are. Python imports this module when it starts, long before torch is there, so
torch is answered for once it has been imported.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class WithoutAvx512(MetaPathFinder):
    """Finds torch.cpu, and has it deny AVX-512 and what needs it."""

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "torch.cpu":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        assert spec and spec.loader
        run = spec.loader.exec_module

        def denied(module: ModuleType) -> None:
            run(module)
            for feature in ("_is_avx512_supported", "_is_avx512_bf16_supported", "_is_amx_tile_supported"):
                assert hasattr(module, feature), f"torch.cpu no longer has {feature}"
                setattr(module, feature, lambda: False)

        spec.loader.exec_module = denied
        return spec


sys.meta_path.insert(0, WithoutAvx512())
