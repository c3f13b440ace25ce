"""Write a run's results for other tools.

    .venv/bin/dreamr export --to hf --out FOLDER --configfile config/smoke.yaml

hf: a folder that `datasets.load_dataset` reads, with traces, steps, requests and scores, and a card that explains each
column. inspect: logs of all untimed answers for Inspect's viewer. latex: a table per file, pooled over all pairs, each
number with its interval.
"""

from pathlib import Path
from typing import Literal

from dreamr.cli.common import Overlays
from dreamr.exports import WRITERS
from dreamr.notebook import Results
from dreamr.runtime.endings import exit_on_user_error


@exit_on_user_error()
def main(*, to: Literal["hf", "inspect", "latex"], out: Path, configfile: Overlays = ()) -> None:
    """Write the results of a configuration.

    Args:
        to: hf, inspect or latex
        out: folder for the files
    """
    WRITERS[to](Results(*configfile), out)
    print(f"{out}: written")
