"""Models: where each comes from, and how it is served."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from dreamr.config.base import Count, Fraction, Name, Spec

FETCHED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model", "LICENSE*")
FETCHED_CODE = ("*.py",)  # of a model whose own code may run
LENGTHS = ("truncation", "padding")  # of a tokenizer's outputs: the last use of it leaves them in its file


def tokenizer_digest(told: str) -> str:
    """What tells a tokenizer from another, by the text of its tokenizer.json."""
    rules = {name: rule for name, rule in json.loads(told).items() if name not in LENGTHS}
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


@cache
def folder_tokenizer(folder: str) -> str | None:
    """That of the model in a folder; None where the folder, or its tokenizer.json, is not here."""
    file = Path(folder, "tokenizer.json")
    return tokenizer_digest(file.read_text(encoding="utf-8")) if file.is_file() else None


class EngineSpec(Spec):
    """How one model is served."""

    dtype: Literal["float32", "float16", "bfloat16"] = Field(description="The number format in which it computes.")
    tensor_parallel: Count = Field(default=1, description="How many GPUs share the weights of the model.")
    devices: tuple[int, ...] = Field(
        default=(),
        description="The GPUs it uses, counted from 0 among those of its job. Empty: the first ones, none on a CPU.",
    )
    memory: Fraction | None = Field(
        default=None,
        description="The share of each GPU's memory that it may take, between 0 and 1; null: 0.9. Not read on a CPU.",
    )
    # Left to itself vLLM takes 2,048 on GPUs, and reads a prompt of many images in several steps. There is to be at
    # least one token for each of its sequences.
    batched_tokens: int = Field(
        default=4096,
        ge=256,
        description="Most tokens of all requests in one step of the engine (vLLM's max_num_batched_tokens).",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^(unix:/|https?://)\S+$",
        description="The server that has this model already: http://host:port or unix:/socket. No engine is started "
        "for it then; see `dreamr serve-model --help`.",
    )

    @property
    def held(self) -> Sequence[int]:
        """The GPUs that it holds among those of its job: without `devices` the first ones, behind a `url` none."""
        return () if self.url else self.devices or range(self.tensor_parallel)

    @property
    def gpus(self) -> int:
        """The smallest number of GPUs in which a job has all that this engine holds."""
        return max(self.held, default=-1) + 1

    def leaves(self, gpus: Sequence[str]) -> list[str]:
        """Those of a job's GPUs that this engine does not hold."""
        return [name for number, name in enumerate(gpus) if number not in self.held]


class Served(Spec):
    """What is said of every model, wherever it comes from."""

    engine: EngineSpec = Field(description="How the model is served.")
    thinking: bool = Field(default=False, description="Whether its chat template opens a thinking block.")
    chat_template_kwargs: dict[str, str | bool | int] | None = Field(
        default=None,
        description="What its chat template is told, by the names that it reads: `thinking_mode: long` of R-4B, "
        "`enable_thinking: true` of Qwen3.",
    )
    trust_remote_code: bool = Field(
        default=False,
        description="Whether code from the model's own repository may run. Read it at the pinned revision first.",
    )


class ZooModel(Served):
    """A model that this project trained; it is in the repository."""

    maker: Literal["zoo"] = Field(default="zoo", alias="from", description="`zoo`: trained by this project.")
    path: str = Field(description="The folder with its weights and their manifest.")


class HubModel(Served):
    """A model of the hub."""

    maker: Literal["hub"] = Field(default="hub", alias="from", description="`hub`: fetched from the hub.")
    id: str = Field(description="Its name on the hub: owner/name.")
    revision: str | None = Field(description="Commit on the hub; null: the newest one. `scale: paper` demands it.")

    @field_validator("id")
    @classmethod
    def _is_no_folder(cls, name: str) -> str:
        if Path(name, "config.json").is_file():
            raise ValueError(f"{name!r} is a model in a folder here: write from: local, path: {name}")
        return name


class LocalModel(Served):
    """A model in a folder on this machine, in the layout of the hub."""

    maker: Literal["local"] = Field(default="local", alias="from", description="`local`: in a folder of your own.")
    path: str = Field(
        description="The folder: config.json, weights as safetensors in one file or several, tokenizer, processor, "
        "chat template."
    )

    @property
    def files(self) -> list[Path]:
        """What a model is made of; none where there is no such folder."""
        patterns = [*FETCHED, *(FETCHED_CODE if self.trust_remote_code else ())]
        return sorted({file for pattern in patterns for file in Path(self.path).glob(pattern)})


class AwqModel(Served):
    """A model that is quantized here, to 4 bits."""

    maker: Literal["awq"] = Field(default="awq", alias="from", description="`awq`: quantized here from `base`.")
    base: Name = Field(description="The model in `models` that is quantized.")


class ModelRef(Spec):
    """A model as a job sees it. `digest` is that of its spec and of all specs and code it was made from."""

    name: str
    engine: EngineSpec
    thinking: bool
    trust_remote_code: bool
    digest: str
    chat_template_kwargs: tuple[tuple[str, str | bool | int], ...] = ()  # pairs, as a model is a key of its engines

    def wherever_served(self) -> "ModelRef":
        """The same model whoever serves it: what its answers and verdicts depend on."""
        return self.model_copy(update={"engine": self.engine.model_copy(update={"url": None})})


Model = Annotated[ZooModel | HubModel | LocalModel | AwqModel, Field(discriminator="maker")]
