"""A model as R-4B's, in the style of transformers 4, and of none of its finished classes.

As vLLM's `rvl.py` has it: a vision tower, a norm in front of the projector, a Qwen3. The head's tie is a list, and the
class inside has no name of its own (`base_model_prefix`), as LLaVA-OneVision's had in transformers 4.53.
"""

import torch
from torch import nn
from transformers import AutoModel, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.llava_onevision.modeling_llava_onevision import (
    get_anyres_image_grid_shape,
    image_size_to_num_patches,
    unpad_image,
)

from .configuration_r import RConfig


class RPreTrainedModel(PreTrainedModel):
    config_class = RConfig
    base_model_prefix = ""
    supports_gradient_checkpointing = True
    _no_split_modules = ["SiglipEncoderLayer", "Qwen3DecoderLayer"]  # noqa: RUF012
    _skip_keys_device_placement = "past_key_values"
    _supports_flash_attn_2 = True
    _supports_sdpa = True

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(mean=0.0, std=0.02)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, RModel):
            module.image_newline.data.normal_(mean=0.0, std=0.02)


class RMultiModalProjector(nn.Module):
    def __init__(self, config):
        super().__init__()
        seen, read = config.vision_config.hidden_size, config.text_config.hidden_size
        self.pre_norm = nn.LayerNorm(seen, eps=1e-06)
        self.linear_1 = nn.Linear(seen, read, bias=True)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(read, read, bias=True)

    def forward(self, image_feature):
        return self.linear_2(self.act(self.linear_1(self.pre_norm(image_feature))))


class RModel(RPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.multi_modal_projector = RMultiModalProjector(config)
        self.image_newline = nn.Parameter(torch.zeros(config.text_config.hidden_size))
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self):
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value):
        self.language_model.set_input_embeddings(value)

    def get_image_features(self, pixel_values, image_sizes, batch_num_images=None):
        """Features of each image: of one alone the whole and its parts, of several the whole of each."""
        pinpoints, side = self.config.image_grid_pinpoints, self.config.vision_config.image_size
        alone = (
            [True] * len(image_sizes)
            if batch_num_images is None
            else [n == 1 for n in batch_num_images for _ in range(n)]
        )
        counts = [
            image_size_to_num_patches(size, pinpoints, side) if one else 1
            for size, one in zip(image_sizes, alone, strict=True)
        ]
        pixels = torch.cat([image[:count] for image, count in zip(pixel_values, counts, strict=True)], dim=0)
        seen = self.vision_tower(pixels, output_hidden_states=True).hidden_states[self.config.vision_feature_layer]
        parts = torch.split(self.multi_modal_projector(seen), counts, dim=0)
        return torch.cat([self.packed(part, size) for part, size in zip(parts, image_sizes, strict=True)], dim=0)

    def packed(self, part, size):
        newline = self.image_newline
        if len(part) == 1:
            return torch.cat((part[0], newline[None]), dim=0)
        vision = self.config.vision_config
        side = vision.image_size // vision.patch_size
        rows, columns = get_anyres_image_grid_shape(size, self.config.image_grid_pinpoints, vision.image_size)
        grid = part[1:].view(rows, columns, side, side, -1).permute(4, 0, 2, 1, 3).flatten(1, 2).flatten(2, 3)
        grid = unpad_image(grid, size)
        grid = torch.cat((grid, newline[:, None, None].expand(*grid.shape[:-1], 1)), dim=-1)
        return torch.cat((part[0], grid.flatten(1, 2).transpose(0, 1)), dim=0)

    def forward(
        self,
        input_ids=None,
        pixel_values=None,
        image_sizes=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        batch_num_images=None,
        use_cache=None,
        **kwargs,
    ):
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if pixel_values is not None:
            features = self.get_image_features(pixel_values, image_sizes, batch_num_images).to(inputs_embeds)
            places = (input_ids == self.config.image_token_index).unsqueeze(-1)
            if places.sum() != len(features):
                raise ValueError(f"{int(places.sum())} image tokens, {len(features)} image features")
            inputs_embeds = inputs_embeds.masked_scatter(places.expand_as(inputs_embeds), features)
        read = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        return BaseModelOutputWithPast(last_hidden_state=read.last_hidden_state, past_key_values=read.past_key_values)


class RForConditionalGeneration(RPreTrainedModel, GenerationMixin):
    _tied_weights_keys = ["lm_head.weight"]  # noqa: RUF012

    def __init__(self, config):
        super().__init__(config)
        self.model = RModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value):
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, new_embeddings):
        self.lm_head = new_embeddings

    def forward(
        self,
        input_ids=None,
        pixel_values=None,
        image_sizes=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        batch_num_images=None,
        labels=None,
        use_cache=None,
        logits_to_keep=0,
        **kwargs,
    ):
        read = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            image_sizes=image_sizes,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            batch_num_images=batch_num_images,
            use_cache=use_cache,
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(read.last_hidden_state[:, kept, :])
        return CausalLMOutputWithPast(logits=logits, past_key_values=read.past_key_values)

    def prepare_inputs_for_generation(
        self, input_ids, past_key_values=None, pixel_values=None, image_sizes=None, batch_num_images=None, **kwargs
    ):
        inputs = super().prepare_inputs_for_generation(input_ids, past_key_values=past_key_values, **kwargs)
        if past_key_values is None or past_key_values.get_seq_length() == 0:
            inputs |= {"pixel_values": pixel_values, "image_sizes": image_sizes, "batch_num_images": batch_num_images}
        return inputs
