"""What methods are called and which colour they have, in figures and tables alike."""

LABELS = {
    "target_only": "Target only",
    "beside": "Target beside a busy draft",
    "target_only_two_threads": "Target only, two threads",
    "draft_only": "Draft only",
    "draft_only_sapo": "Draft only, SAPO",
    "draft_only_planted": "Draft only, planted",
    "ngram": "n-gram speculation",
    "specreason": "SpecReason",
    "lookahead": "Lookahead Reasoning",
    "lookahead_published": "Lookahead Reasoning, published depth",
    "lookahead_continues": "Lookahead Reasoning, writing on",
    "dreamr_ns": "DREAM-R-NS",
    "dreamr": "DREAM-R",
    "dreamr_planted": "DREAM-R, planted",
}
# Okabe and Ito's colours: told apart by colour-blind readers, legible on white and on black.
COLOURS = {
    "target_only": "#888888",
    "draft_only": "#a6761d",
    "draft_only_sapo": "#c9a227",
    "ngram": "#cc79a7",
    "specreason": "#009e73",
    "lookahead": "#e69f00",
    "dreamr_ns": "#56b4e9",
    "dreamr": "#0072b2",
}


def label(method: str) -> str:
    """A method's name for people."""
    return LABELS.get(method, method)


def colour(method: str) -> str:
    """A method's colour in figures."""
    return COLOURS.get(method, "#777777")
