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


def loop_colour(loop: str, job: SummariseJob) -> str:
    """A loop's colour where lines are schedules or kinds of methods: that of the last main method that runs it.

    A loop that no main method runs has a spare colour.
    """
    of_main = {job.methods[name].loop: name for name in job.display.main}
    if loop in of_main:
        return colour(of_main[loop], job)
    others = sorted({method.loop for method in job.methods.values()} - of_main.keys())
    taken = len([name for name in job.display.main if name not in job.display.colours])
    return SPARE[(taken + others.index(loop)) % len(SPARE)]
