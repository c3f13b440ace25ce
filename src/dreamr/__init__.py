"""A reproduction kit for DREAM-R, multimodal speculative reasoning, with confidence intervals."""
