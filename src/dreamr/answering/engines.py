"""The engines that methods run on: which one a method wants of a model, and their start."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dreamr.config import Method, ModelRef

if TYPE_CHECKING:
    from dreamr.engines.vllm.engine import VllmEngine
    from dreamr.engines.vllm.inputs import Settings


@dataclass(frozen=True)
class EngineKey:
    """An engine of a job: a model, as it is or with n-gram speculation, on one thread of a CPU or more."""

    model: ModelRef
    ngram: tuple[int, int, int] | None = None  # tokens proposed a step, shortest and longest match
    threads: int = 1

    @classmethod
    def of(cls, model: ModelRef, method: Method, role: str) -> Self:
        """The engine that a method wants for its target or draft."""
        if role == "draft":
            return cls(model)
        proposed, lookup = method.ngram_tokens, method.ngram_lookup
        ngram = None if proposed is None or lookup is None else (proposed, *lookup)
        return cls(model, ngram, method.threads or 1)


def open_engine(models: Path, key: EngineKey, settings: "Settings") -> "VllmEngine":
    """The engine, to be started on entering."""
    from dreamr.engines.vllm.engine import VllmEngine
    from dreamr.engines.vllm.launch import Ngram

    return VllmEngine(models, key.model, settings, Ngram(*key.ngram) if key.ngram else None, key.threads)


async def started(
    keys: Iterable[EngineKey], models: Path, settings: "Settings", stack: AsyncExitStack
) -> dict[EngineKey, "VllmEngine"]:
    """The engine of each key, started once, until `stack` is left."""
    return {key: await stack.enter_async_context(open_engine(models, key, settings)) for key in dict.fromkeys(keys)}
