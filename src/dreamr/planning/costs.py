"""What a model costs on a device: memory, and seconds of forward passes. Arithmetic on sizes; nothing is measured here.

A pass takes the engine's own time, and then the longer of two: reading weights and cache, or computing.
"""

from dataclasses import dataclass

from dreamr.config import Device, EngineSpec, Planned, Size, Text
from dreamr.planning.plan import Plan, Training
from dreamr.planning.sizes import size_of

GB = 1e9
TERA = 1e12
BITS = 8
CACHE_BYTES = 2  # of a key's or value's number: caches are kept in 16 bits
SEQUENCES = 256  # most that an engine of ours takes at once
SHARE = 0.9  # of a GPU's memory: vLLM's own default
WORKSPACE_GB = 3.0  # activations, CUDA graphs and context of an engine (estimate)
TRAINED_BYTES = 16  # of a parameter in training: itself, its gradient and Adam's two moments in 32 bits
REFERENCE_BYTES = 4  # of a parameter of the plain draft, which the KL term compares with
INPUT_BYTES = 2  # of a number that a layer starts from: all that recomputation keeps of the layer
# Of an output of the layer that is computed again on the way back, in 16 bits: the output, what the layer makes of it,
# and a gradient (chosen by the four drafts of tests/test_budget.py, which a memory tracker saw). A token has a layer's
# parameters over its width of them, where head and vision tower are counted as if they were layers.
OUTPUT_BYTES = 6
# Of a number of the head, gathered whole, and of its gradient, both in 32 bits: with few tokens more than a layer.
# Logits of all tokens would be far more, and are never there: TRL makes them in tiles (trl.kernels.chunked_logprob).
HEAD_BYTES = 8
VOCABULARY = 151_936  # rows of the head, of all four drafts of the paper


def quantized(size: Size, group: int) -> Size:
    """The size of a model in AWQ's 4 bits with a 16-bit scale a group."""
    return size.model_copy(update={"bits": 4 + 16 / group})


def weights_gb(size: Size) -> float:
    """All weights of a model."""
    return (size.kept * 16 + (size.parameters - size.kept) * size.bits) / BITS / GB


@dataclass(frozen=True)
class ServedModel:
    """A model in an engine."""

    name: str
    size: Size
    spec: EngineSpec
    device: Device
    text: Text

    @property
    def weights_gb(self) -> float:
        """Weights on each of its GPUs."""
        return weights_gb(self.size) / self.spec.tensor_parallel

    @property
    def token_bytes(self) -> float:
        """Keys and values of one token on each of its GPUs, which hold one head at least."""
        heads = max(1, self.size.kv_heads / self.spec.tensor_parallel)
        return 2 * self.size.layers * heads * self.size.head_dim * CACHE_BYTES

    @property
    def share_gb(self) -> float:
        """What it may take of each GPU's memory."""
        return (self.spec.memory or SHARE) * (self.device.memory_gb or 0)

    @property
    def cache_gb(self) -> float:
        """What that leaves for keys and values."""
        return self.share_gb - self.weights_gb - WORKSPACE_GB

    @property
    def cached_tokens(self) -> float:
        """How many tokens the cache holds."""
        return max(0.0, self.cache_gb * GB / self.token_bytes)

    def at_once(self, wanted: int) -> float:
        """How many of `wanted` answers of mean length are under way at once."""
        held = self.cached_tokens / (self.text.prompt + self.text.answer) if self.device.memory_gb else SEQUENCES
        return max(1.0, min(wanted, SEQUENCES, held))

    def writing_seconds(self, answers: int, wanted: int) -> float:
        """So many answers, `wanted` of them at once; the end waits for the longest."""
        written = answers * self.text.answer
        passes = max(written / self.at_once(wanted), self.text.longest)
        return passes * self.step_seconds(written / passes)

    def step_seconds(self, sequences: float) -> float:
        """One pass that writes a token of each of the sequences, which are half written."""
        active, gpus = self.size.active or self.size.parameters, self.spec.tensor_parallel
        met = min(1.0, sequences * active / self.size.parameters)  # each sequence has experts of its own
        cache = sequences * (self.text.prompt + self.text.answer / 2) * self.token_bytes / GB
        reading = (met * self.weights_gb + cache) / self.device.bandwidth_gb
        computing = 2 * active * sequences / gpus / (self.device.compute_tflops * TERA)
        return (self.device.pass_ms + self.size.layers * self.device.layer_ms) / 1000 + max(reading, computing)

    def reading_seconds(self, tokens: float) -> float:
        """Reading so many tokens of prompts, many at a time."""
        flops = 2 * (self.size.active or self.size.parameters) * tokens
        return flops / self.spec.tensor_parallel / (self.device.compute_tflops * TERA)

    def judging_seconds(self, tokens: float, verdicts: float) -> float:
        """Reading so many tokens for so many verdicts, many at a time: as long as the slower of device and front."""
        return max(self.reading_seconds(tokens), self.front_seconds(verdicts))

    def front_seconds(self, verdicts: float) -> float:
        """What so many verdicts take of the CPU in the engine's front."""
        return verdicts * self.device.verdict_ms / 1000

    def starting_seconds(self) -> float:
        """From nothing to the first request."""
        return self.device.start_seconds + weights_gb(self.size) / self.device.loading_gb


@dataclass(frozen=True)
class TrainedModel:
    """A draft that is trained by several ranks, each of which holds its share of it."""

    size: Size
    device: Device
    ranks: int
    checkpointing: bool  # activations are computed again on the way back
    reference: bool  # the plain draft is kept beside it

    @property
    def held_gb(self) -> float:
        """Memory on each rank's GPU between passes; the frozen vision tower counts as if trained."""
        return self.size.parameters * (TRAINED_BYTES + REFERENCE_BYTES * self.reference) / self.ranks / GB

    def activations_gb(self, tokens: float) -> float:
        """What a pass over `tokens` adds: each layer's inputs, and the one layer that is computed again, or the head.

        On a CPU, where nothing is computed again, none is planned.
        """
        if not self.checkpointing:
            return 0.0
        outputs = self.size.parameters / (self.size.layers * self.size.hidden)
        layer, head = tokens * outputs * OUTPUT_BYTES, VOCABULARY * self.size.hidden * HEAD_BYTES
        return (tokens * self.size.layers * self.size.hidden * INPUT_BYTES + max(layer, head)) / GB

    def learning_seconds(self, tokens: float, updates: int) -> float:
        """`updates` on a batch of `tokens`: forward and backward each time, and what ratios compare with once."""
        each = 6 + 2 * self.checkpointing  # FLOP a parameter and token: 2 forward, 4 backward
        once = 2 + 2 * self.reference
        flops = (each * updates + once) * self.size.parameters * tokens
        return flops / self.ranks / (self.device.training_tflops * TERA)

    def handing_seconds(self) -> float:
        """Giving an engine the new weights, in 16 bits."""
        return self.size.parameters * 2 / GB / self.device.loading_gb


# -- the models of a plan


def size(plan: Plan, model: str) -> Size:
    """The size of a model. A SAPO draft has that of its plain draft, a model quantized for a CPU that of its base."""
    name = plan.trainings[model].draft if model in plan.trainings else model
    if plan.config.models[name].maker != "awq" or name in plan.config.estimates.models:
        return size_of(plan.config, name)
    base = size_of(plan.config, plan.base(name))
    return base if plan.config.device == "cpu" else quantized(base, plan.config.awq.group_size)


def text(plan: Plan) -> Text:
    """How long texts are, answers within their budget."""
    given, budget = plan.config.estimates.text, plan.config.generation.answer_tokens
    return given.model_copy(update={"answer": min(given.answer, budget), "longest": min(given.longest, budget)})


def served(plan: Plan, rule: Planned, model: str, spec: EngineSpec | None = None) -> ServedModel:
    """A model in the engine that serves it in the jobs of a rule: its own, if no other is given."""
    own = plan.config.models[plan.trainings[model].draft if model in plan.trainings else model].engine
    return ServedModel(model, size(plan, model), spec or own, plan.config.estimates.device(rule), text(plan))


def training_engines(plan: Plan, training: Training) -> tuple[ServedModel, ServedModel]:
    """The two engines of a training: the target's, and the one in which the draft writes."""
    rollouts = plan.config.sapo.rollouts
    return served(plan, "train", training.target), served(plan, "train", training.draft, rollouts)


def trained(plan: Plan, training: Training) -> TrainedModel:
    """The draft of a training on its ranks."""
    config = plan.config
    device = config.estimates.device("train")
    on_gpu = config.device == "cuda"
    return TrainedModel(size(plan, training.draft), device, config.sapo.ranks, on_gpu, config.sapo.kl > 0)
