"""What a cluster's partitions allow: how long a job may run, when it is warned, and how many GPUs a node has.

These are facts of a site, not of the experiment. The Slurm profile's form says them once and gives them to each rule as
resources (`set-resources`): Snakemake hands those to the workflow, and `read_site` finds them in the profile's file.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from dreamr.config import Config, Count, Planned, Spec
from dreamr.errors import UserError

HOUR = 3600
# The rules that are planned, as `resources` names them.
LIMITED: dict[str, Planned] = {
    "train_sapo": "train",
    "quantize": "quantize",
    "ask_target": "generate",
    "calibrate": "generate",
    "answer": "generate",
    "generate": "generate",
}
WITHOUT_CHECKPOINTS = "quantize"  # it keeps nothing before its end, so a warning would be of no use


class Partition(Spec):
    """What the jobs of a rule are given."""

    site_minutes: Count  # most that a job may ask for
    site_warning: Annotated[int, Field(ge=60)]  # seconds from the warning to that; Slurm may be a minute late
    site_gpus: Count  # of a node


Site = Mapping[str, Partition]  # by rule; one that is not in it has no limit but the configuration's


def site_of(resources: Mapping[str, Mapping[str, object]], source: str) -> Site:
    """The partitions in resources by rule and name; UserError where a rule has them in part or with wrong values."""
    return dict(_partitions(resources, source))


def _partitions(resources: Mapping[str, Mapping[str, object]], source: str) -> Iterable[tuple[str, Partition]]:
    for rule, named in resources.items():
        values = {name: value for name, value in named.items() if name.startswith("site_")}
        if rule not in LIMITED or not values:
            continue
        try:
            yield rule, Partition.model_validate(values)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
            raise UserError(f"{source}: set-resources.{rule} is {values}: {wrong}") from None


def read_site(profile: Path) -> Site:
    """The partitions of a Snakemake profile's folder, as Snakemake itself reads it."""
    file = profile / "config.yaml"
    if not file.is_file():
        raise UserError(f"{file}: no such file; a profile is a folder with a config.yaml, such as profiles/slurm")
    import yte  # the environments of the models have none, and read no profile

    with file.open(encoding="utf-8") as stream:
        tree = yte.process_yaml(stream, require_use_yte=True)
    return site_of(tree.get("set-resources", {}), str(file))


class Limit(Spec):
    """When a job is ended, and warned before that."""

    seconds: float
    warning: float = 0  # seconds before the end; 0: not at all
    goes_on: bool = False  # a job that is warned goes back into the queue, and on from what it has kept
    of_site: bool = False  # it is the partition's, else resources.*.hours

    @property
    def useful(self) -> float:
        """Seconds until the warning."""
        return self.seconds - self.warning


def limit_of(config: Config, site: Site, rule: str) -> Limit:
    """The time limit of a rule's jobs: the smaller of the configuration's and the partition's.

    No job is warned in the first half of its time, however short that is.
    """
    own = config.resources[LIMITED[rule]].hours * HOUR
    if (partition := site.get(rule)) is None:
        return Limit(seconds=own)
    given = partition.site_minutes * 60
    seconds, of_site = min(own, given), given < own
    if rule == WITHOUT_CHECKPOINTS:
        return Limit(seconds=seconds, of_site=of_site)
    warning = min(partition.site_warning, math.floor(seconds / 2))
    return Limit(seconds=seconds, warning=warning, goes_on=True, of_site=of_site)
