"""DREAM-R: multimodal speculative reasoning, reproduced with intervals on every number."""
