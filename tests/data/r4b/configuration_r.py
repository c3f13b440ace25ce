"""A configuration as R-4B's: a class that transformers does not have."""

from transformers import LlavaOnevisionConfig


class RConfig(LlavaOnevisionConfig):
    model_type = "R"
