"""A reproduction kit for DREAM-R, multimodal speculative reasoning, with intervals on every number."""
