"""Which colours methods and activities have in all figures."""

from dreamr.planning.jobs import SummariseJob

# Of main methods without a colour of their own, in their order: unlike those of config.yaml, with a contrast of
# 3 to 1 and more on white and on the dark page (our decision).
SPARE = ("#aa4499", "#999933", "#7a68a6", "#b15928", "#cc6677", "#117733")
OTHER = "#777777"  # of methods that are no main ones
# What a model does, in colours that no method has; as in reports/page.css.
ACTIVITIES = {"draft": "#9467bd", "verify": "#8a9a1f", "target": "#d1495b"}


def colour(method: str, job: SummariseJob) -> str:
    """A method's colour in figures."""
    spare = [name for name in job.display.main if name not in job.display.colours]
    if method in spare:
        return SPARE[spare.index(method) % len(SPARE)]
    return job.display.colours.get(method, OTHER)
