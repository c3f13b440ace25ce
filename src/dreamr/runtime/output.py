"""Where what a process and its children print goes."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dreamr.errors import UserError


@contextmanager
def output_to(log: Path) -> Iterator[TextIO]:
    """Send what this process and those that it starts print to `log`; what is written to the yielded file is seen.

    Libraries and engines print by themselves, so the descriptors are changed, not Python's streams. A failure that has
    no words of its own leaves its traceback in the log, and is a UserError that names it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    own = [os.dup(1), os.dup(2)]
    try:
        with log.open("w", encoding="utf-8") as file, os.fdopen(os.dup(1), "w") as terminal:
            _lead_to([file.fileno(), file.fileno()])
            yield terminal
    except UserError:
        raise
    except Exception as error:
        traceback.print_exc()
        raise UserError(f"{type(error).__name__}: {error}; more is told in {log}") from error
    finally:
        _lead_to(own)
        for descriptor in own:
            os.close(descriptor)


def _lead_to(descriptors: list[int]) -> None:
    """Let stdout and stderr be these, and nothing that was printed before be sent there."""
    for stream, descriptor, number in zip((sys.stdout, sys.stderr), descriptors, (1, 2), strict=True):
        stream.flush()
        os.dup2(descriptor, number)
