"""Which methods stand in the main tables and figures, and which colour they have in all of them."""

from math import inf

MAIN = ("target_only", "ngram", "draft_only", "draft_only_sapo", "specreason", "lookahead", "dreamr_ns", "dreamr")
ORDER = MAIN[::-1]  # of tables: the method that the page is about stands first
COMPARED = ("specreason", "lookahead", "dreamr_ns", "dreamr")  # in which the target judges
# Okabe and Ito's colours: told apart by colour-blind readers, legible on white and on black.
COLOURS = {
    "target_only": "#888888",
    "draft_only": "#a6761d",
    "draft_only_sapo": "#d55e00",
    "ngram": "#cc79a7",
    "specreason": "#009e73",
    "lookahead": "#e69f00",
    "dreamr_ns": "#56b4e9",
    "dreamr": "#0072b2",
}
# What a model does, in colours that no method has; as in reports/page.css.
ACTIVITIES = {"draft": "#9467bd", "verify": "#8a9a1f", "target": "#d1495b"}


def colour(method: str) -> str:
    """A method's colour in figures."""
    return COLOURS.get(method, "#777777")


def value_of(words: object) -> tuple[float, str]:
    """By which settings are put in order: numbers by their value, before words."""
    text = str(words)
    return (float(text) if text.replace(".", "", 1).isdigit() else inf), text
