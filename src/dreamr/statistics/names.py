"""Which tables there are beside those of studies: what the workflow has to know of them while it plans.

No library for statistics is imported here.
"""

# Tables of cli.audit, with the columns that are read here.
AUDITED = {
    "overlaps": ("benchmark", "question", "cluster", "training_set", "by_image", "by_text", "by_source"),
    "exposures": ("recipe", "replicate", "benchmark", "question", "training_set"),
    "planted": ("benchmark", "question", "training_set"),
}
