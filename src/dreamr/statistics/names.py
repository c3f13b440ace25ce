"""Which tables there are beside those of studies: what the workflow has to know of them while it plans.

No library for statistics is imported here.
"""

# Tables of scores, each with the module of this room whose function of that name makes it.
OF_SCORES = {
    **dict.fromkeys(("accuracy", "versions", "speed", "acceptance", "explained", "harness"), "tables"),
    **dict.fromkeys(("sapo", "ablation"), "comparisons"),
    "split": "factors",
    "contrasts": "contrasts",
    "pairs": "pairs",
}
TABLES = (*OF_SCORES, "refusals", "fitting", "claims")
# Tables of cli.audit, with the columns that are read here.
AUDITED = {
    "overlaps": ("benchmark", "question", "cluster", "training_set", "by_image", "by_text", "by_source"),
    "exposures": ("recipe", "replicate", "benchmark", "question", "training_set"),
    "planted": ("benchmark", "question", "training_set"),
}
