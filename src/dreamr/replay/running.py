"""Recorded questions answered again by the real loops, on engines with given costs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dreamr.config import Method
from dreamr.engines.virtual import Machine, run
from dreamr.methods.protocol import Engines, Limits, Outcome, load
from dreamr.prompts import Prompt
from dreamr.records import Trace
from dreamr.replay.recorded import recorded
from dreamr.replay.serving import Batch, Cost, ServingEngine

QUESTION = Prompt("", ())  # the words of a question decide nothing here
NOTHING = Cost()


@dataclass(frozen=True)
class Costs:
    """What a pair's engines cost, and how much slower each is while the other works too (0: devices of their own)."""

    target: Cost = NOTHING
    draft: Cost = NOTHING
    sharing: float = 0.0


class _Server:
    """The engines of a pair, to whichever questions come."""

    def __init__(self, costs: Costs) -> None:
        machine = Machine(costs.sharing)
        self._served = [(cost, Batch(cost, machine)) for cost in (costs.target, costs.draft)]

    async def answer(self, trace: Trace, loop: str, method: Method, limits: Limits) -> Outcome:
        engines = [
            ServingEngine(model, cost, batch)
            for model, (cost, batch) in zip(recorded(trace), self._served, strict=True)
        ]
        return await load(loop)(QUESTION, Engines(*engines), method, limits.under(method))


def answered(trace: Trace, method: Method, costs: Costs, limits: Limits) -> tuple[float, Outcome]:
    """Simulated seconds and outcome of one recorded question, asked alone."""

    async def ask() -> Outcome:
        return await _Server(costs).answer(trace, method.loop, method, limits)

    return run(ask())


def seconds_in_batch(
    traces: Sequence[Trace], method: Method, costs: Costs, limits: Limits, concurrency: int
) -> list[float]:
    """Simulated seconds of each recorded question, `concurrency` of them being under way at once."""
    loop = method.batched_loop

    async def ask() -> list[float]:
        server, places = _Server(costs), asyncio.Semaphore(concurrency)

        async def one(trace: Trace) -> float:
            async with places:
                start = asyncio.get_running_loop().time()
                await server.answer(trace, loop, method, limits)
                return asyncio.get_running_loop().time() - start

        return await asyncio.gather(*map(one, traces))

    return run(ask())[1]
