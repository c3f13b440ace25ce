"""How a command ends that cannot go on.

What would repeat itself (a damaged file, a wrong setting or value, a full disk) ends the job for good, with words that
say what to mend. What need not (a dead engine, an error of a device or a network) puts the job of a cluster back into
the queue. So no failure is tried again in vain.
"""

import errno
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from dreamr.errors import Died, Interrupted, UserError
from dreamr.runtime.causes import TO_GO_ON, note, noted
from dreamr.runtime.processes import first_rank
from dreamr.runtime.slurm import requeue
from dreamr.runtime.stops import Stops, stop_signals

NOT_TO_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
MAY_PASS = (RuntimeError, OSError, EOFError, MemoryError)  # what devices, networks and dead processes raise
PROBE_BYTES = 1 << 20


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Around a whole command: what a user can mend, and Ctrl-C, end it with words instead of a traceback.

    Serves as decorator.
    """
    try:
        with noted():
            yield
    except UserError as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt as cut:
        raise SystemExit("told to stop by Ctrl-C") from cut


@contextmanager
def exit_or_requeue(folder: Path) -> Iterator[None]:
    """Around what writes into `folder`, within `exit_on_user_error`.

    A request to stop (SIGTERM, Ctrl-C) interrupts it.
    """
    before = {number: signal.getsignal(number) for number in stop_signals()}
    Stops(_interrupt, _interrupt).hear()
    try:
        yield
    except Interrupted as cut:
        note(cut)
        if first_rank():  # another rank may be told because the first one has ended, perhaps for good
            requeue(folder)
        raise UserError(f"{cut}: {TO_GO_ON}") from cut
    except UserError:
        raise
    except Exception as error:
        if why := _unwritable(error, folder):
            raise UserError(
                f"{folder} cannot be written: {why}. What is finished is kept: make room, make it writable (chown, "
                "chmod) or name another folder (pathvars.results in the configuration), then run the same command again"
            ) from error
        traceback.print_exc()
        if isinstance(error, Died):
            print(error.words, file=sys.stderr, flush=True)  # the last line, where people look first
        note(error)
        if isinstance(error, MAY_PASS):
            requeue(folder)
        raise SystemExit(1) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt() -> None:
    raise Interrupted("told to stop; what is finished is kept")


def _unwritable(error: BaseException | None, folder: Path) -> str | None:
    """Why nothing can be written, if that is what ended the command; libraries hide it in errors of their own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NOT_TO_BE_WRITTEN:
            return error.strerror
        error = error.__cause__ or error.__context__
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
    except OSError as refused:
        return refused.strerror
    return None
