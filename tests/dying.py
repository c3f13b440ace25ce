"""A command whose engine dies, a process that logs as vLLM's do: `dying.py FOLDER START_METHOD HOW`."""

import json
import logging.config
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from dreamr.engines.protocol import EngineDied
from dreamr.engines.vllm.logs import EngineLog
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue


def operator() -> None:
    """As where a build lacks an operator."""
    raise AttributeError("'_OpNamespace' '_C' object has no attribute 'gemm'")


def below() -> None:
    """As where a worker fails, and the engine that has it, which points to it."""
    try:
        raise RuntimeError("weights are missing:\n  layer 1")
    except RuntimeError:
        logging.getLogger("vllm.worker").exception("WorkerProc hit an exception.")
    raise RuntimeError("Worker failed, please check the stack trace above for the root cause")


def worker_killed() -> None:
    """As where a worker is killed, and the engine that has it ends."""
    logging.getLogger("vllm.executor").error(
        "Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down"
    )
    raise RuntimeError("Executor failed.")


HOW = {
    "operator": operator,
    "below": below,
    "worker_killed": worker_killed,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "instruction": lambda: os.kill(os.getpid(), signal.SIGILL),
    "exit": lambda: os._exit(3),
}


def engine(logging_configuration: str, how: str) -> None:
    """The engine's process."""
    logging.config.dictConfig(json.loads(Path(logging_configuration).read_text()))
    try:
        HOW[how]()
    except Exception:
        logging.getLogger("vllm.core").exception("EngineCore encountered a fatal error.")
        raise


@exit_on_user_error()
def main() -> None:
    folder, method, how = sys.argv[1:]
    with exit_or_requeue(Path(folder)):
        log = EngineLog.of("big")
        configuration = log.environment("WARNING")["VLLM_LOGGING_CONFIG_PATH"]
        logging.config.dictConfig(json.loads(Path(configuration).read_text()))  # vLLM is here, too
        process = multiprocessing.get_context(method).Process(target=engine, args=(configuration, how))
        process.start()
        process.join()
        try:
            raise RuntimeError("EngineCore encountered an issue.")
        except RuntimeError:
            logging.getLogger("vllm.client").exception("AsyncLLM output_handler failed.")
        cause = log.death([process.exitcode])
        assert cause
        raise EngineDied(f"the engine of big died: {cause.text}", cause)


if __name__ == "__main__":
    main()
