"""A model as R-4B's: LLaVA-OneVision with a norm in front of its projector, as vLLM's `rvl.py` has it."""

from torch import nn
from transformers import LlavaOnevisionForConditionalGeneration
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionMultiModalProjector

from .configuration_r import RConfig


class RMultiModalProjector(LlavaOnevisionMultiModalProjector):
    def __init__(self, config):
        super().__init__(config)
        self.pre_norm = nn.LayerNorm(config.vision_config.hidden_size, eps=1e-6)

    def forward(self, image_features):
        return super().forward(self.pre_norm(image_features))


class RForConditionalGeneration(LlavaOnevisionForConditionalGeneration):
    config_class = RConfig

    def __init__(self, config):
        super().__init__(config)
        self.model.multi_modal_projector = RMultiModalProjector(config)
        self.post_init()
