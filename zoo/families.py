"""The model families of the micro zoo: each with its own tokenizer, chat template, image token and processor.

Classes are those of the paper's models, so that the same engine, training and quantization code serves both scales.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

HIDDEN = 128
HEADS = 4
KEY_HEADS = 2
HEAD_SIZE = HIDDEN // HEADS
MIN_PIXELS, MAX_PIXELS = 28 * 28, 256 * 256
TILE = 32  # px; LLaVA-OneVision's tile, one per cell
LARGEST_GRID = 3
# Words and whole numbers with the blank before them, blank lines on their own.
_SPLIT = Regex(r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+")

_TURNS = (
    "{{% for turn in messages %}}{{{{ '{start}' + turn.role + '\\n' }}}}"
    "{{% if turn.content is string %}}{{{{ turn.content }}}}{{% else %}}{{% for part in turn.content %}}"
    "{{% if part.type == 'image' %}}{image}{{% else %}}{{{{ part.text }}}}{{% endif %}}"
    "{{% endfor %}}{{% endif %}}{{{{ '{end}\\n' }}}}{{% endfor %}}"
    "{{% if add_generation_prompt %}}{{{{ '{start}assistant\\n' }}}}{{% endif %}}"
)
_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_QWEN_TURNS = _TURNS.format(start="<|im_start|>", end="<|im_end|>", image=_QWEN_IMAGE)


@dataclass(frozen=True)
class Family:
    """What models of one family share; `specials` starts with padding, turn start and turn end."""

    name: str
    seed: int  # of the text its tokenizer is trained on
    vocabulary: int  # at most so many tokens
    specials: tuple[str, ...]
    image_token: str
    template: str
    processor: Callable[[PreTrainedTokenizerFast, str], Any]
    model: Callable[[PreTrainedTokenizerFast, int], Any]  # (tokenizer, layers) -> model with random weights
    image_tokens: Callable[[int, int], int]  # (rows, columns) of cells -> tokens

    def tokenizer(self, texts: Iterable[str]) -> PreTrainedTokenizerFast:
        """A byte-level BPE tokenizer trained on `texts`."""
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(_SPLIT, "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        core.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocabulary,
            initial_alphabet=alphabet,
            special_tokens=list(self.specials),
            show_progress=False,
        )
        core.train_from_iterator(texts, trainer)
        return PreTrainedTokenizerFast(
            tokenizer_object=core,
            pad_token=self.specials[0],
            eos_token=self.specials[2],
            additional_special_tokens=list(self.specials[3:]),
            padding_side="left",
        )


def _qwen_image_processor(patch: int) -> Any:
    from transformers import Qwen2VLImageProcessor

    size = {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}
    norm = [0.5, 0.5, 0.5]
    return Qwen2VLImageProcessor(
        patch_size=patch, merge_size=2, temporal_patch_size=2, size=size, image_mean=norm, image_std=norm
    )


def _qwen3_processor(tokenizer: PreTrainedTokenizerFast, template: str) -> Any:
    from transformers import Qwen3VLProcessor, Qwen3VLVideoProcessor

    video = Qwen3VLVideoProcessor(patch_size=16, merge_size=2, temporal_patch_size=2)
    return Qwen3VLProcessor(_qwen_image_processor(16), tokenizer, video, chat_template=template)


def _qwen25_processor(tokenizer: PreTrainedTokenizerFast, template: str) -> Any:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLVideoProcessor

    video = Qwen2VLVideoProcessor(patch_size=14, merge_size=2, temporal_patch_size=2)
    return Qwen2_5_VLProcessor(_qwen_image_processor(14), tokenizer, video, chat_template=template)


def _llava_processor(tokenizer: PreTrainedTokenizerFast, template: str) -> Any:
    from transformers import LlavaOnevisionImageProcessor, LlavaOnevisionProcessor, LlavaOnevisionVideoProcessor

    size, norm = {"height": TILE, "width": TILE}, [0.5, 0.5, 0.5]
    image = LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=tile_grids(), image_mean=norm, image_std=norm)
    return LlavaOnevisionProcessor(
        image_processor=image,
        tokenizer=tokenizer,
        video_processor=LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=1,
        vision_feature_select_strategy="full",
        chat_template=template,
    )


def tile_grids() -> list[list[int]]:
    """All (height, width) in pixels that an image may be cut from."""
    sides = range(TILE, LARGEST_GRID * TILE + 1, TILE)
    return [[height, width] for height in sides for width in sides]


def text_config(tokenizer: PreTrainedTokenizerFast, layers: int) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "head_dim": HEAD_SIZE,
        "max_position_embeddings": 2048,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def qwen_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    for edge in ("start", "end"):
        ids[f"vision_{edge}_token_id"] = tokenizer.convert_tokens_to_ids(f"<|vision_{edge}|>")
    return ids | {"tie_word_embeddings": True}


_QWEN_TOWER = {"depth": 2, "hidden_size": 64, "num_heads": 2, "spatial_merge_size": 2, "temporal_patch_size": 2}


def qwen3_vision() -> dict[str, Any]:
    return _QWEN_TOWER | {
        "intermediate_size": 192,
        "patch_size": 16,
        "out_hidden_size": HIDDEN,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }


def qwen3_rope() -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [6, 5, 5], "mrope_interleaved": True}


def _qwen3(tokenizer: PreTrainedTokenizerFast, layers: int) -> Any:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    text = text_config(tokenizer, layers) | {"rope_parameters": qwen3_rope(), "tie_word_embeddings": True}
    return Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(text_config=text, vision_config=qwen3_vision(), **qwen_ids(tokenizer))
    )


def _qwen25(tokenizer: PreTrainedTokenizerFast, layers: int) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [6, 5, 5]}
    text = text_config(tokenizer, layers) | {"rope_parameters": rope, "tie_word_embeddings": True}
    vision = _QWEN_TOWER | {
        "intermediate_size": 192,
        "patch_size": 14,
        "window_size": 56,
        "fullatt_block_indexes": [1],
        "out_hidden_size": HIDDEN,
    }
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=vision, **qwen_ids(tokenizer))
    )


def _llava(tokenizer: PreTrainedTokenizerFast, layers: int) -> Any:
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

    rope = {"rope_type": "default", "rope_theta": 1e4}
    text = text_config(tokenizer, layers) | {
        "model_type": "qwen3",
        "rope_parameters": rope,
        "tie_word_embeddings": True,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": TILE,
        "patch_size": TILE,
        "vision_use_head": False,
    }
    config = LlavaOnevisionConfig(
        text_config=text,
        vision_config=vision,
        image_grid_pinpoints=tile_grids(),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    return LlavaOnevisionForConditionalGeneration(config)


_QWEN_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def one_per_cell(rows: int, columns: int) -> int:
    return rows * columns


def tiles_and_lines(rows: int, columns: int) -> int:
    """LLaVA-OneVision: the whole image once, then one token a tile and one a line."""
    return 1 + rows * (columns + 1)


QWEN3 = Family("qwen3-vl", 1, 640, _QWEN_SPECIALS, "<|image_pad|>", _QWEN_TURNS, _qwen3_processor, _qwen3, one_per_cell)
MIMO = Family(
    "mimo-vl",
    2,
    640,
    _QWEN_SPECIALS,
    "<|image_pad|>",
    "<|im_start|>system\nMiMo<|im_end|>\n" + _QWEN_TURNS,
    _qwen25_processor,
    _qwen25,
    one_per_cell,
)
R4B = Family(
    "r4b",
    3,
    640,
    ("<|pad|>", "<|turn|>", "<|end|>", "<image>", "<video>"),
    "<image>",
    _TURNS.format(start="<|turn|>", end="<|end|>", image="<image>"),
    _llava_processor,
    _llava,
    tiles_and_lines,
)
FAMILIES = {family.name: family for family in (QWEN3, MIMO, R4B)}
