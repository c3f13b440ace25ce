"""AWQ by llm-compressor: W4A16, symmetric, the language model only.

The only file that imports llmcompressor. The paper's targets are AWQ models; AutoAWQ is archived and does not know
Qwen3-VL. llm-compressor 0.14 does the same in two modifiers and writes compressed-tensors, which vLLM serves.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modeling.moe.linearize import get_linearized_moes, linearize_moe, repack_moe
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQMapping, AWQModifier, default_mappings
from llmcompressor.pipelines.cache import IntermediatesCache
from tqdm import tqdm

from dreamr.engines.chat import Chat
from dreamr.engines.images import load_image
from dreamr.models.folders import copy_settings, name_as_engines_do, weights_type
from dreamr.models.loading import TOWERS, load_model, load_processor
from dreamr.planning.jobs import QuantizeJob
from dreamr.prompts import Prompt, question_prompt
from dreamr.records import Question

BITS = 4
ANSWERS = 16  # written at once
SEEING = [*sorted(TOWERS), "multi_modal_projector"]  # what sees, and what leads from it to the language model
NOT_QUANTIZED = ["re:.*lm_head", *(f"re:.*{part}[.].*" for part in SEEING), "re:.*mlp.gate$"]
ROUTER_NORM = "post_attention_layernorm"  # of a mixture of experts: its router reads it


def quantize(job: QuantizeJob, base: Path, questions: Sequence[Question], data: str, folder: Path) -> dict[str, Any]:
    """Write the AWQ model of `base` to `folder`, calibrated on `questions`; returns facts for its card."""
    model, processor = load(job, base)
    samples = list(calibration(model, processor, job, questions, data))
    linearize_moe(model)
    with nothing_pinned():
        oneshot(
            model=model,
            processor=processor,
            recipe=recipe(job, moe=bool(get_linearized_moes(model))),
            dataset=Dataset.from_list([{name: value.tolist() for name, value in sample.items()} for sample in samples]),
            data_collator=lambda batch: {name: torch.tensor(value) for name, value in batch[0].items()},
            max_seq_length=job.awq.sequence_tokens,
            num_calibration_samples=len(samples),
            shuffle_calibration_samples=False,
            trust_remote_code_model=job.base.trust_remote_code,  # it reads the configuration again
        )
    packed = job.device == "cuda"
    save(model, base, folder, packed)
    return {"samples": len(samples), "tokens": sum(sample["input_ids"].numel() for sample in samples), "packed": packed}


@contextmanager
def nothing_pinned() -> Iterator[None]:
    """Without an accelerator nothing is pinned: llm-compressor 0.14.0.1 does so for one that is not there, and dies."""
    pins = IntermediatesCache.pin_memory
    if not torch.accelerator.is_available():
        IntermediatesCache.pin_memory = lambda self, *arguments, **settings: None
    try:
        yield
    finally:
        IntermediatesCache.pin_memory = pins


def load(job: QuantizeJob, base: Path) -> tuple[Any, Any]:
    """The model in a type that this device computes fast in, and its processor."""
    dtype, place = (torch.bfloat16, "auto") if torch.accelerator.is_available() else (torch.float32, "cpu")
    trusted = job.base.trust_remote_code
    return load_model(base, trusted, dtype=dtype, device_map=place).eval(), load_processor(base, trusted)


def recipe(job: QuantizeJob, moe: bool) -> list[Any]:
    """AWQ's scales, then rounding to nearest.

    In a mixture of experts the router reads the same norm as the experts and cannot be rescaled with them, so that pair
    is left out, as AWQ does for Mixtral.
    """
    pairs = [in_language_model(pair) for pair in default_mappings if not (moe and ROUTER_NORM in pair.smooth_layer)]
    weights = {
        "num_bits": BITS,
        "type": "int",
        "symmetric": True,
        "strategy": "group",
        "group_size": job.awq.group_size,
    }
    scheme = {"group_0": {"targets": ["Linear"], "weights": weights}}
    return [AWQModifier(mappings=pairs), QuantizationModifier(config_groups=scheme, ignore=NOT_QUANTIZED)]


def in_language_model(pair: AWQMapping) -> AWQMapping:
    """The same pair of layers within the language model alone: Qwen2.5-VL's vision tower has layers of these names."""

    def narrowed(pattern: str) -> str:
        return pattern.replace("re:.*", "re:.*language_model.*", 1)

    return replace(
        pair, smooth_layer=narrowed(pair.smooth_layer), balance_layers=[narrowed(name) for name in pair.balance_layers]
    )


@torch.no_grad()
def calibration(
    model: Any, processor: Any, job: QuantizeJob, questions: Sequence[Question], data: str
) -> Iterator[dict[str, torch.Tensor]]:
    """Each question as the model reads it in use, with the model's own greedy answer behind it."""
    chat = Chat(processor, job.base.thinking, job.base.chat_template_kwargs)
    for start in tqdm(range(0, len(questions), ANSWERS), desc="answers to calibrate on"):
        prompts = [question_prompt(question, data) for question in questions[start : start + ANSWERS]]
        read = tokens(processor, chat, job, prompts).to(model.device)
        length = read["input_ids"].shape[1]
        written = model.generate(**read, max_new_tokens=job.awq.sequence_tokens - length, do_sample=False)
        answers = processor.batch_decode(written[:, length:], skip_special_tokens=True)
        for prompt, answer in zip(prompts, answers, strict=True):
            yield tokens(processor, chat, job, [replace(prompt, answer=answer)])


def tokens(processor: Any, chat: Chat, job: QuantizeJob, prompts: Sequence[Prompt]) -> Any:
    """Prompts with their images as the processor's tensors, padded on the left."""
    images = [[load_image(path, job.images) for path in prompt.images] for prompt in prompts]
    texts = [chat.text(prompt) for prompt in prompts]
    return processor(text=texts, images=images, padding=True, return_tensors="pt", add_special_tokens=False)


def save(model: Any, base: Path, folder: Path, packed: bool) -> None:
    """Write the weights packed in 4 bits, or as floats that hold the 4-bit values.

    A CPU is given floats: vLLM 0.32 multiplies packed weights only with AVX-512, and packed experts only with AMX. So
    every processor serves the same numbers by the same operators.
    """
    model.to(weights_type(base))
    if not packed:
        unpack(model)
    copy_settings(base, folder)
    model.save_pretrained(folder, save_compressed=packed)
    if not packed:
        name_as_engines_do(model, folder)


def unpack(model: Any) -> None:
    """Round all quantized weights as packing would, and make the model one that was never quantized."""
    for layer in model.modules():
        scheme = getattr(layer, "quantization_scheme", None)
        if scheme is not None:
            layer.weight.data = fake_quantize(layer.weight, layer.weight_scale, layer.weight_zero_point, scheme.weights)
            del layer.weight_scale, layer.weight_zero_point, layer.quantization_scheme
    repack_moe(model)
