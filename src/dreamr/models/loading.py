"""Models of all families for training and quantization, whichever auto class their configuration names."""

from pathlib import Path
from typing import Any

from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
)
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from dreamr.errors import UserError

# Where a model's own code may say which class it is, the most telling first. R-4B does not say it by the first.
AUTO_CLASSES = (AutoModelForImageTextToText, AutoModelForCausalLM, AutoModel)
EMBEDDING = r".*embed_tokens\.weight"  # by the name that language models of transformers give it
TOWERS = {"vision_tower", "visual", "vision_model", "vision_encoder", "image_tower"}  # transformers' own names


def load_model(folder: Path, trust_remote_code: bool, **settings: Any) -> Any:
    """The model in `folder`, ready to be trained; `settings` are those of transformers' `from_pretrained`.

    By `AutoModelForImageTextToText` where transformers knows the configuration, else by the first of `AUTO_CLASSES`
    that its `auto_map` has. UserError for code that is not trusted, for missing weights, and for a class that cannot be
    trained to write.
    """
    auto = auto_class(folder, trust_remote_code)
    if auto is not AutoModelForImageTextToText:
        bring_up_to_date(auto, folder)
    model = load_whole(auto, folder, trust_remote_code=trust_remote_code, **settings)
    if not model.can_generate() or model.base_model is model or model.get_output_embeddings() is None:
        raise UserError(
            f"model {folder.name}: {type(model).__name__}, to which {folder}/config.json maps {auto.__name__}, cannot "
            "be trained to write: it needs `generate`, a `base_model` inside and an LM head (`get_output_embeddings`)"
        )
    return model


def bring_up_to_date(auto: Any, folder: Path) -> None:
    """Say of the model's own classes, written for transformers 4, what version 5.17 and TRL 1.16 ask of them.

    A tied head was a list of names; now each has the name that it is tied to. The model inside had no name of its own
    (`base_model_prefix`) in LLaVA's classes, of which R-4B's are made. The image's token had another name in the
    configuration. transformers keeps classes of a folder that is not changed, so these are the ones that are loaded.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    own = get_class_from_dynamic_module(config.auto_map[auto.__name__], folder)
    if isinstance(ties := own._tied_weights_keys, list | tuple):
        own._tied_weights_keys = dict.fromkeys(ties, EMBEDDING)
    own.base_model_prefix = own.base_model_prefix or "model"
    if not hasattr(config, "image_token_id") and hasattr(config, "image_token_index"):
        type(config).attribute_map = {**type(config).attribute_map, "image_token_id": "image_token_index"}


def restore(model: Any, checkpoint: Path) -> None:
    """Put the weights that `model.save_pretrained` wrote to `checkpoint` back into `model`.

    transformers 5.17 writes them under the hub's names, its trainer reads them under the class's own: a Qwen2.5-VL or
    LLaVA draft would go on from the weights that it was loaded with, with a warning and no error.
    """
    saved = load_whole(type(model), checkpoint, dtype=model.dtype)
    model.load_state_dict(saved.state_dict())


def load_whole(loader: Any, folder: Path, **settings: Any) -> Any:
    """The model that `loader` finds in `folder`; weights that are not there are a UserError, else they were random."""
    model, found = loader.from_pretrained(folder, output_loading_info=True, **settings)
    if found["missing_keys"]:
        raise UserError(
            f"model {folder.name}: {type(model).__name__} finds no weights in {folder} for "
            f"{', '.join(sorted(found['missing_keys'])[:5])}, which would stay random. Its code has to fit its weights "
            "and this version of transformers"
        )
    return model


def auto_class(folder: Path, trust_remote_code: bool) -> Any:
    """The auto class by which the model in `folder` is loaded."""
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except ValueError as error:
        raise UserError(
            f"model {folder.name}: transformers cannot read {folder}/config.json; a model that brings its own code "
            f"needs `trust_remote_code: true` in the configuration. It says: {error}"
        ) from error
    mapped = getattr(config, "auto_map", None) or {}
    if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return AutoModelForImageTextToText
    for auto in AUTO_CLASSES:
        if auto.__name__ in mapped:
            return auto
    raise UserError(
        f"model {folder.name}: {folder}/config.json is a {type(config).__name__}, for which transformers has no "
        f"{AUTO_CLASSES[0].__name__}, and its auto_map names {', '.join(sorted(mapped)) or 'nothing'}; what can be "
        f"loaded is one of {', '.join(auto.__name__ for auto in AUTO_CLASSES)}"
    )


def load_processor(folder: Path, trust_remote_code: bool) -> Any:
    """Tokenizer and image processor of the model in `folder`; it pads on the left, where a text goes on behind."""
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
    processor.tokenizer.padding_side = "left"
    return processor


def vision_tower(model: Any) -> Any:
    """The module that sees images: the outermost one of a name that transformers gives towers, wherever it hangs."""
    named = dict(model.named_modules())
    inside = {name for name in named if name.rpartition(".")[2] in TOWERS}
    outermost = [name for name in inside if not any(name.startswith(f"{other}.") for other in inside)]
    if len(outermost) != 1:
        raise UserError(
            f"{type(model).__name__}: one vision tower is looked for, by the names {', '.join(sorted(TOWERS))}; found "
            f"{', '.join(sorted(outermost)) or 'none'}, so it cannot be frozen"
        )
    return named[outermost[0]]
