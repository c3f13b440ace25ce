"""List the benchmark items that also stand in a training set, with the evidence, and which of them SAPO drew.

Compares the prepared questions of all benchmarks with those of all training sets: images by perceptual hashes,
wording, and the benchmarks' own source columns. OUT/overlaps.csv gets one row per pair: benchmark, question, cluster,
training_set, training_question, image_bits, text_share, by_image, by_text, by_source. An empty training_question means
that the source column alone names the training set. OUT/exposures.csv gets one row for each of them that the trainings
of a recipe and replicate drew: recipe, replicate, benchmark, question, cluster, training_set, training_question.
OUT/planted.csv lists what the audit should find in generated data sets, and is empty for others.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from dreamr.cli.common import read_spec
from dreamr.data.contamination import (
    Exposure,
    Hashes,
    Overlap,
    Side,
    audit,
    exposed,
    held,
    side,
    summary,
)
from dreamr.data.plants import Plant, read_plants
from dreamr.data.sampling import asked
from dreamr.files import write_atomically
from dreamr.planning.jobs import AuditJob
from dreamr.records import Question, Record, read_rows
from dreamr.runtime.endings import exit_on_user_error


@exit_on_user_error()
def main(*, spec: str, data: Path, out: Path) -> None:
    """Write the three tables, and print a line for each data set.

    Args:
        spec: JSON of an AuditJob: data sets, and what SAPO draws
        data: folder of prepared questions and images
        out: folder for the CSV files
    """
    job = read_spec(AuditJob, spec)
    known: dict[str, Hashes] = {}
    sides = {
        name: side(name, list(read_rows(data / f"{name}.jsonl", Question)), data, known)
        for name in [*job.benchmarks, *job.training_sets]
    }
    training_sets = [sides[name] for name in job.training_sets]
    found = audit([sides[name] for name in job.benchmarks], training_sets)
    seen = list(exposures(job, data, training_sets, found))
    made = {name: one for name, one in sides.items() if name in job.generated}
    plants = held(read_plants(Path(job.planted)), made) if job.planted else []
    write(out, found, seen, plants)
    for row in summary(found, {name: len(each.questions) for name, each in sides.items()}):
        print(" ".join(f"{key}={value}" for key, value in row.items()))


def exposures(job: AuditJob, data: Path, training_sets: Sequence[Side], found: Sequence[Overlap]) -> Iterator[Exposure]:
    """What each recipe and replicate drew of the overlaps."""
    shared = ("benchmark", "question", "cluster", "training_set", "training_question")
    for draw in job.draws:
        for one in exposed(found, training_sets, asked(data, draw.drawing)):
            yield Exposure(recipe=draw.recipe, replicate=draw.replicate, **one.model_dump(include=set(shared)))


def write(folder: Path, found: Sequence[Overlap], seen: Sequence[Exposure], plants: Sequence[Plant]) -> None:
    """The three tables, each in one atomic move."""
    overlaps = _table(found, Overlap).astype({"image_bits": "Int64"})
    tables = {"overlaps": overlaps, "exposures": _table(seen, Exposure), "planted": _table(plants, Plant)}
    for name, table in tables.items():
        write_atomically(folder / f"{name}.csv", table.to_csv(index=False))


def _table(rows: Sequence[Record], kind: type[Record]) -> pd.DataFrame:
    return pd.DataFrame([row.model_dump() for row in rows], columns=list(kind.model_fields))
