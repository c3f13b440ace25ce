from transformers import LlavaOnevisionProcessor


class RProcessor(LlavaOnevisionProcessor):
    pass
