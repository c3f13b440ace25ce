"""What jobs ask of a machine, and what a plan estimates them from."""

from typing import Annotated, Any, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from dreamr.config.base import Count, Fraction, Name, NotNegative, Planned, Positive, Spec


class Range(float):
    """A number that is not sure: `low` and `high` are its ends, and it computes as its middle value."""

    low: float
    high: float

    def __new__(cls, low: float, middle: float, high: float) -> Self:
        """ValueError where the three do not grow."""
        if not low <= middle <= high or low == high:
            raise ValueError(f"{[low, middle, high]} must grow: a low, a middle and a high value")
        made = super().__new__(cls, middle)
        made.low, made.high = low, high
        return made

    def __getnewargs__(self) -> tuple[float, float, float]:  # type: ignore[override]
        return self.values

    @property
    def values(self) -> tuple[float, float, float]:
        """Low, middle and high."""
        return self.low, float(self), self.high


class Ranged:
    """An annotation: a number may be written as [low, middle, high] too, each within the number's bounds."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(_written)
        return core_schema.no_info_wrap_validator_function(_read, handler(source), serialization=written)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        one = handler(schema)
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 3, "maxItems": 3}]}


def _read(given: Any, number: core_schema.ValidatorFunctionWrapHandler) -> Any:
    if isinstance(given, Range):
        return given
    if not isinstance(given, list | tuple):
        return number(given)
    if len(given) != 3:
        raise ValueError("expected one number, or [low, middle, high]")
    return Range(*map(number, given))


def _written(number: float) -> Any:
    return list(number.values) if isinstance(number, Range) else number


AboveZero = Annotated[Positive, Ranged()]
FromZero = Annotated[NotNegative, Ranged()]
Tokens = Annotated[float, Field(ge=1), Ranged()]
Part = Annotated[Fraction, Ranged()]


class Resources(Spec):
    """Per-rule resources beyond cores; profiles translate them for a cluster."""

    gpus: int | None = Field(default=None, ge=0, description="GPUs of a job; null: those that its engines hold.")
    memory_gb: Count = Field(description="Main memory of a job, in GB.")
    hours: Positive = Field(
        description="Most hours of a job. A plan whose jobs take more is refused. On a cluster they are a job's time "
        "limit, unless the partition's is shorter, and jobs go on behind it."
    )


class Size(Spec):
    """A model's size, from which its memory and time are estimated."""

    parameters: Positive = Field(description="Number of parameters.")
    active: Positive | None = Field(
        default=None, description="Parameters that a token meets in a mixture of experts; null: all."
    )
    bits: Positive = Field(default=16, description="Bits of a stored weight.")
    kept: NotNegative = Field(default=0, description="Parameters that quantization leaves at 16 bits.")
    layers: Count = Field(description="Layers of the language model.")
    hidden: Count = Field(description="Width of a layer.")
    kv_heads: Count = Field(description="Heads of keys and values.")
    head_dim: Count = Field(description="Width of a head.")


class Device(Spec):
    """What one device does for a rule's jobs: measured, or assumed by its data sheet; the configuration says which.

    Where [low, middle, high] is said, hours are planned by the middle, and shown at the ends.
    """

    memory_gb: Positive | None = Field(description="Memory of a GPU, in GB; null: a CPU's, which is not planned.")
    bandwidth_gb: AboveZero = Field(description="GB a second of weights and cache, as an engine decodes.")
    compute_tflops: AboveZero = Field(description="TFLOP a second, as an engine reads prompts.")
    training_tflops: AboveZero = Field(description="TFLOP a second, in forward and backward passes of a training.")
    pass_ms: FromZero = Field(description="Milliseconds of each forward pass of an engine, whatever it computes.")
    layer_ms: FromZero = Field(description="Milliseconds of each layer in such a pass.")
    verdict_ms: FromZero = Field(
        default=0,
        description="Milliseconds of a CPU for each verdict, in the engine's front, which takes one after the other; "
        "meanwhile the device works on other requests.",
    )
    eager_layer_ms: FromZero = Field(description="Milliseconds of a layer outside engines, as in a quantization.")
    start_seconds: FromZero = Field(
        description="Seconds in which an engine or a trainer starts, without reading its weights."
    )
    loading_gb: AboveZero = Field(description="GB a second of weights from files, those for new rollouts included.")


class Text(Spec):
    """How long texts are on average, in tokens, and how much of them the target accepts; ranges are as of a device."""

    prompt: Tokens = Field(description="Mean tokens of a question with its images.")
    answer: Tokens = Field(description="Mean tokens of an answer.")
    longest: Tokens = Field(description="Tokens of the longest answer of a batch, for which the batch waits.")
    step: Tokens = Field(description="Mean tokens of a step.")
    verdict: Tokens = Field(
        description="Tokens that are read for a verdict beside the step: the request, and what no cache block holds."
    )
    accepted: Part = Field(description="Share of the draft's steps that are accepted, between 0 and 1.")


class Estimates(Spec):
    """What a plan is computed from. No job reads it."""

    devices: dict[Name, Device] = Field(description="Kinds of devices by name, and what each does.")
    rules: dict[Planned, Name] = Field(description="On which of `devices` the jobs of each rule run.")
    text: Text = Field(description="How long texts are.")
    spread: AboveZero = Field(
        description="Standard deviation, over problems, of DREAM-R's change of accuracy against the target, each the "
        "mean over pairs, as a share of 1: column `spread` of `accuracy.csv`, where target, draft and benchmark are "
        "`all`. The power that a plan prints rests on it, and nothing else."
    )
    questions: dict[Name, Count] = Field(
        description="Questions of each benchmark of the hub; `micro.clusters` says it of generated ones, and those of "
        "local files are counted."
    )
    models: dict[Name, Size] = Field(
        description="Sizes of models, but not of those that are quantized here or lie in a local folder, which says it."
    )

    def device(self, rule: Planned) -> Device:
        """What a rule's jobs run on."""
        return self.devices[self.rules[rule]]
