"""What a target writes and judges on this machine, as JSON: 48 greedy answers, and CPN's log-probabilities on each.

Run it twice, with `tests/avx2` on the path and without, and compare: see test_instructions.py.
"""

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engines import engine_of
from micro_questions import read_prompts, write_benchmarks

from dreamr.cpn import KEYWORDS
from dreamr.engines.protocol import Meter
from dreamr.prompts import VERIFY, Prompt, verdict_prompt

ZOO = Path(__file__).parents[1] / "workflow/resources/zoo"
NUMBER = 48


async def answers(prompts: list[Prompt], models: Path, name: str) -> dict[str, Any]:
    async with engine_of(models, name) as engine:
        asked = [engine.generate(prompt, stop="", max_tokens=96, meter=Meter()) for prompt in prompts]
        texts = [answer.text for answer in await asyncio.gather(*asked)]
        steps = [verdict_prompt(prompt, ("Row 1 column 1 is 3.",), VERIFY) for prompt in prompts]
        logprobs = await asyncio.gather(*(engine.keyword_logprobs(step, KEYWORDS) for step in steps))
    return {"texts": texts, "logprobs": logprobs, "library": library()}


def library() -> str:
    """Which of its libraries vLLM has loaded."""
    mapped = {Path(line.split()[-1]).name for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    (found,) = {name.removesuffix(".abi3.so") for name in mapped if name.startswith("_C") and name.endswith(".abi3.so")}
    return found


def main() -> None:
    models, name = Path(sys.argv[1]) if len(sys.argv) > 1 else ZOO, sys.argv[2] if len(sys.argv) > 2 else "q3vl-deep"
    with TemporaryDirectory() as folder:
        write_benchmarks(Path(folder))
        found = asyncio.run(answers(read_prompts(Path(folder))[:NUMBER], models, name))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
