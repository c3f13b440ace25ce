"""What jobs ask of a machine, and what a plan estimates them from."""

from pydantic import Field

from dreamr.config.base import Count, Fraction, Name, NotNegative, Planned, Positive, Spec


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
    """What one device does for a rule's jobs: measured, or assumed by its data sheet; the configuration says which."""

    memory_gb: Positive | None = Field(description="Memory of a GPU, in GB; null: a CPU's, which is not planned.")
    bandwidth_gb: Positive = Field(description="GB a second of weights and cache, as an engine decodes.")
    compute_tflops: Positive = Field(description="TFLOP a second, as an engine reads prompts.")
    training_tflops: Positive = Field(description="TFLOP a second, in forward and backward passes of a training.")
    pass_ms: NotNegative = Field(description="Milliseconds of each forward pass of an engine, whatever it computes.")
    layer_ms: NotNegative = Field(description="Milliseconds of each layer in such a pass.")
    eager_layer_ms: NotNegative = Field(description="Milliseconds of a layer outside engines, as in a quantization.")
    start_seconds: NotNegative = Field(
        description="Seconds in which an engine or a trainer starts, without reading its weights."
    )
    loading_gb: Positive = Field(description="GB a second of weights from files, those for new rollouts included.")


class Text(Spec):
    """How long texts are on average, in tokens, and how much of them the target accepts."""

    prompt: Count = Field(description="Mean tokens of a question with its images.")
    answer: Count = Field(description="Mean tokens of an answer.")
    longest: Count = Field(description="Tokens of the longest answer of a batch, for which the batch waits.")
    step: Count = Field(description="Mean tokens of a step.")
    verdict: Count = Field(
        description="Tokens that are read for a verdict beside the step: the request, and what no cache block holds."
    )
    accepted: Fraction = Field(description="Share of the draft's steps that are accepted, between 0 and 1.")


class Estimates(Spec):
    """What a plan is computed from. No job reads it."""

    devices: dict[Name, Device] = Field(description="Kinds of devices by name, and what each does.")
    rules: dict[Planned, Name] = Field(description="On which of `devices` the jobs of each rule run.")
    text: Text = Field(description="How long texts are.")
    spread: Positive = Field(
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
