"""What a template says of tables that a test makes up, without the page around it."""

import re
from collections import defaultdict
from collections.abc import Mapping
from html import unescape

import pandas as pd
from factories import ROOT

from dreamr.config import Config
from dreamr.planning.jobs import SummariseJob
from dreamr.report.page import _environment, everything, records
from dreamr.statistics.frame import ALL


def said(template: str, settings: Config, tables: Mapping[str, pd.DataFrame], *studies: str) -> str:
    """Its words; `studies` are those that the run has."""
    job, rows = SummariseJob.of(settings), {name: records(table) for name, table in tables.items()}
    text = (
        _environment(settings, ROOT / "reports")
        .get_template(template)
        .render(
            config=settings,
            job=job,
            reference=job.reference,
            planted=settings.micro is not None,
            tables=rows,
            everything=everything(rows),
            in_depth={},
            judged=tuple(settings.benchmarks),
            pairs=len(job.pairs),
            margin="3",
            confidence="95",
            files=defaultdict(lambda: None),
            figures={},
            studies=defaultdict(bool, dict.fromkeys(studies, True)),
            about={},
            WHOLE=dict.fromkeys(("target", "draft", "benchmark"), ALL),
            TIMED=("n_alone", "n timed", "count"),
            LISTED=200,
        )
    )
    return " ".join(unescape(re.sub("<[^>]*>", " ", text)).split())
