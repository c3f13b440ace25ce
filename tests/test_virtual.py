"""The virtual clock: time, shared machines, prefix cache, meters."""

import asyncio

import pytest
from worlds import listed

from dreamr.engines.protocol import Generation, Meter
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost, VirtualEngine, run
from dreamr.prompts import STEP_BREAK, Prompt

FOUR_WORDS = Prompt("how many red dots", ())
MODEL = listed(("one two three", "four", "Answer: 5"), (0.9, 0.2, 0.8))


def generate(engine: VirtualEngine, prompt: Prompt = FOUR_WORDS, cap: int = 50, meter: Meter | None = None):
    return engine.generate(prompt, stop=STEP_BREAK, max_tokens=cap, meter=meter or Meter())


def test_hours_pass_at_once() -> None:
    assert run(asyncio.sleep(36_000, "done")) == (36_000, "done")


def test_a_deadlock_is_an_error() -> None:
    async def wait_forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="no timer is left"):
        run(wait_forever())


def test_requests_in_flight_slow_each_other() -> None:
    async def both() -> tuple[float, float]:
        engine = VirtualEngine(MODEL, Cost(decode=2.5, crowding=0.5))  # ten seconds alone

        async def timed(delay: float) -> float:
            await asyncio.sleep(delay)
            await generate(engine, cap=4)
            return engine.now()

        return await asyncio.gather(timed(0), timed(5))

    # alone to 5; together at 2/3 of the speed until the first is done at 12.5; alone again
    assert run(both())[1] == pytest.approx([12.5, 17.5])


def test_what_was_read_costs_nothing_again() -> None:
    async def ask() -> list[float]:
        engine, times = VirtualEngine(MODEL, Cost(decode=0.0, prefill=1.0, request=100.0)), []
        for answer in ("", "", "one two three\n\n", "one two three\n\nfour\n\n"):
            await generate(engine, Prompt("how many red dots", (), answer))
            times.append(engine.now())
        return times

    assert run(ask())[1] == pytest.approx([104, 204, 307, 408])


def test_a_dropped_request_counts_its_tokens() -> None:
    async def drop() -> int:
        meter = Meter()
        task = asyncio.ensure_future(generate(VirtualEngine(MODEL, Cost(decode=1.0, request=0.25)), meter=meter))
        await asyncio.sleep(2.5)
        task.cancel()
        await asyncio.wait([task])
        return meter.tokens

    assert run(drop())[1] == 2


@pytest.mark.parametrize("cap", [1, 2, 3, 50])
def test_a_stream_is_its_steps_in_one_request(cap: int) -> None:
    async def streamed() -> list[Generation]:
        engine, meter = VirtualEngine(MODEL, Cost(decode=1.0)), Meter()
        limits = {"step_tokens": cap, "max_tokens": 100, "stepwise": True}
        steps = engine.stream(FOUR_WORDS, stop=STEP_BREAK, meter=meter, **limits)
        found = [step async for step in steps]
        assert meter.tokens == sum(step.tokens for step in found) == 9
        return found

    async def asked() -> list[Generation]:
        engine, answer, found = VirtualEngine(MODEL, Cost(decode=1.0)), "", []
        while not found or found[-1].finish != "end":
            found.append(await generate(engine, Prompt(FOUR_WORDS.user, (), answer), cap))
            answer += found[-1].text + STEP_BREAK * (found[-1].finish == "stop")
        return found

    assert run(streamed())[1] == run(asked())[1]


def test_a_script_caps_ends_and_judges() -> None:
    assert MODEL.write(FOUR_WORDS, 2) == Generation("one two", 2, "length")
    assert MODEL.write(Prompt("", (), "one two"), 9) == Generation(" three", 2, "stop")
    assert MODEL.write(Prompt("", (), "x\n\ny\n\n"), 9) == Generation("Answer: 5", 3, "end")
    judged = Prompt("", (), "x\n\n", "Right?")
    assert MODEL.logprobs(judged, ("yes", "no"))[0] == pytest.approx(-0.10536, abs=1e-5)
    digits = MODEL.logprobs(judged, tuple("0123456789"))
    assert digits.index(0.0) == 9 and digits.count(float("-inf")) == 9
    assert Script(lambda done: "", lambda done: 0.0).logprobs(judged, ("a", "b")) == (float("-inf"), 0.0)
