"""A configuration as R-4B's, in the style of transformers 4: the image's token is an index, and has no other name."""

from transformers import AutoConfig, PretrainedConfig


class RConfig(PretrainedConfig):
    model_type = "R"
    sub_configs = {"text_config": AutoConfig, "vision_config": AutoConfig}  # noqa: RUF012

    def __init__(
        self,
        vision_config=None,
        text_config=None,
        image_token_index=151655,
        projector_hidden_act="gelu",
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        vision_aspect_ratio="anyres_max_9",
        image_grid_pinpoints=None,
        tie_word_embeddings=True,
        multimodal_projector_bias=True,
        **kwargs,
    ):
        self.image_token_index = image_token_index
        self.projector_hidden_act = projector_hidden_act
        self.vision_feature_select_strategy = vision_feature_select_strategy
        self.vision_feature_layer = vision_feature_layer
        self.vision_aspect_ratio = vision_aspect_ratio
        self.image_grid_pinpoints = image_grid_pinpoints
        self.multimodal_projector_bias = multimodal_projector_bias
        self.vision_config = made(vision_config)
        self.text_config = made(text_config)
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)


def made(part):
    """A part's configuration, of whatever class its type has."""
    return AutoConfig.for_model(**part) if isinstance(part, dict) else part
