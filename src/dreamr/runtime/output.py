"""Where what a process and its children print goes."""

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dreamr.errors import UserError


@contextmanager
def output_to(log: Path) -> Iterator[TextIO]:
    """Send what this process and those that it starts print to `log`; what is written to the yielded file is seen.

    Libraries and engines print by themselves, so the descriptors are changed, not Python's streams. A failure that has
    no words of its own leaves its traceback in the log, and is a UserError that names it. Behind a good end
    stderr stays with the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    own = {number: os.dup(number) for number in (1, 2)}
    try:
        with log.open("w", encoding="utf-8") as file, os.fdopen(os.dup(1), "w") as terminal:
            _lead(dict.fromkeys(own, file.fileno()))
            yield terminal
        os.close(own.pop(2))  # engines print while Python ends, too: behind a good end that stays in the log
    except UserError:
        raise
    except Exception as error:
        traceback.print_exc()
        raise UserError(f"{type(error).__name__}: {error}; more is told in {log}") from error
    finally:
        _lead(own)
        for descriptor in own.values():
            os.close(descriptor)


def _lead(descriptors: Mapping[int, int]) -> None:
    """Let stdout (1) and stderr (2) be other descriptors, and nothing that was printed before be sent there."""
    for number, descriptor in descriptors.items():
        {1: sys.stdout, 2: sys.stderr}[number].flush()
        os.dup2(descriptor, number)
