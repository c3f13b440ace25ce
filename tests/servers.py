"""A server of ours or of vLLM as a process of its own."""

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import psutil

ROOT = Path(__file__).parents[1]
PATIENCE = 240  # seconds until a server answers


class Server:
    """`dreamr <command>` with a free port, once it answers."""

    def __init__(self, command: str, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dreamr", command, *arguments, "--port", str(port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/health").close()
                return
            except URLError:
                time.sleep(0.5)
        raise AssertionError(self.process.communicate()[1])

    def memory(self) -> int:
        """Bytes that the server and its engines hold."""
        server = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in (server, *server.children(recursive=True)))

    def kill_engine(self) -> None:
        children = psutil.Process(self.process.pid).children(recursive=True)
        max(children, key=lambda child: child.memory_info().rss).kill()

    def end(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.terminate()
        return self.process.wait(60)
