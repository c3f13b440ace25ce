"""Engines of the real vLLM for tests, with the micro scale's settings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dreamr.config import EngineSpec, ImageSize, ModelRef, Sampling
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.engines.vllm.launch import Ngram

SIZE = ImageSize(min_pixels=784, max_pixels=65536)
SAMPLING = Sampling(temperature=0, top_p=1, top_k=-1, seed=0, step_tokens=40, answer_tokens=240, concurrency=16)


def reference(name: str, trust_remote_code: bool = False, **engine: Any) -> ModelRef:
    spec = EngineSpec(**{"dtype": "float32", **engine})
    return ModelRef(name=name, engine=spec, thinking=False, trust_remote_code=trust_remote_code, digest=name)


def engine_of(models: Path, name: str, ngram: Ngram | None = None, context: int = 1024, **engine: Any) -> VllmEngine:
    """The model `name` among `models`; `engine` are what `reference` takes."""
    settings = SimpleNamespace(generation=SAMPLING, images=SIZE, context_tokens=context, device="cpu")
    return VllmEngine(models, reference(name, **engine), settings, ngram)
