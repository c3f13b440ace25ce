"""Ask one question and watch how draft and target answer it together.

Each step is shown once it is committed: seconds since the question began, who wrote it, the verdict (rho, score or
p(aligned), by the method's verifier) and, where the target overruled the draft, what the draft had written. Where an
engine refuses to go on, the last lines say which, and why. Several methods answer one after the other on the same
engines and are shown side by side. The models are those that the workflow has made; one that is missing is named with
the command that makes it. A Python without vLLM hands the question on to that of the models environment. What the
engines print goes to <logs>/ask.log.

    .venv/bin/dreamr ask --benchmark mathverse --question 1
    .venv/bin/dreamr ask --image grid.png --ask "What is the sum of row 1?" --method target_only dreamr
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import ArgumentCollection, Group, Parameter
from rich.console import Console, RenderableType
from rich.console import Group as Lines
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from dreamr.answering.engines import EngineKey
from dreamr.cli.common import BASE, Overlays
from dreamr.cli.live import (
    USUAL,
    Choice,
    LiveMethod,
    known,
    live_methods,
    reexec_in_models_env,
    result_file,
    start_engines,
)
from dreamr.config import Config, ImageSize
from dreamr.data.rows import option_lines
from dreamr.engines.images import load_image
from dreamr.engines.protocol import Refused
from dreamr.methods import protocol as methods
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import WATCHER
from dreamr.planning.reading import read
from dreamr.prompts import Prompt, question_prompt
from dreamr.records import IMAGE_MARK, Question, read_rows
from dreamr.runtime.endings import exit_on_user_error
from dreamr.runtime.output import output_to
from dreamr.traces import Step

if TYPE_CHECKING:
    from dreamr.engines.vllm.engine import VllmEngine

COLOURS = {"draft": "green", "target": "magenta"}


def _one_question(given: ArgumentCollection) -> None:
    named = {argument.name for argument in given.filter_by(value_set=True)} - {"--options"}
    if named not in ({"--image", "--ask"}, {"--benchmark", "--question"}):
        raise ValueError("--image goes with --ask, --benchmark with --question; one of both is needed")


QUESTION = Parameter(group=Group("Question", validator=_one_question))


@exit_on_user_error()
def main(
    *,
    image: Annotated[Path | None, QUESTION] = None,
    ask: Annotated[str | None, QUESTION] = None,
    options: Annotated[tuple[str, ...], QUESTION] = (),
    benchmark: Annotated[str | None, QUESTION] = None,
    question: Annotated[str | None, QUESTION] = None,
    chosen: Choice = USUAL,
    configfile: Overlays = (),
) -> None:
    """Show how the question is answered.

    Args:
        image: file of an image of your own, with --ask
        ask: the question about --image
        options: its options, if it has some
        benchmark: name of a benchmark that is prepared already, with --question
        question: id of an item of --benchmark
    """
    config = read([BASE, *configfile])
    live = live_methods(config, chosen, configfile)
    if image:
        prompt, gold = own_question(image, ask or "", options), ""
    else:
        prompt, gold = prepared_question(config, benchmark or "", question or "", configfile)
    if find_spec("vllm") is None:
        reexec_in_models_env(config, configfile)
    with output_to(Path(config.pathvars.logs) / "ask.log") as terminal:
        console = Console(file=terminal, highlight=False)
        console.print(Text(prompt.user))
        asyncio.run(answer(config, live, prompt, console, gold))


def own_question(image: Path, words: str, options: tuple[str, ...]) -> Prompt:
    """The prompt of a question about an image."""
    question = Question(
        id="0",
        dataset="asked",
        prompt=IMAGE_MARK + "\n".join([words, *option_lines(options)]),
        images=(image.name,),
        options=options,
        gold=(),
        cluster="0",
    )
    return question_prompt(question, str(image.resolve().parent))


def prepared_question(config: Config, benchmark: str, name: str, overlays: Sequence[Path]) -> tuple[Prompt, str]:
    """The prompt of a benchmark's question, and the right answer."""
    known(config.benchmarks, benchmark, "benchmark")
    path = result_file(config, f"data/{benchmark}.jsonl", overlays)
    rows = {row.id: row for row in read_rows(path, Question)}
    question = known(rows, name, f"question of {benchmark}")
    return question_prompt(question, str(path.parent.resolve())), " or ".join(question.gold)


async def answer(config: Config, live: Mapping[str, LiveMethod], prompt: Prompt, console: Console, gold: str) -> None:
    """Show the answer of each, on engines that are warm where they take the question."""
    limits = Limits(config.generation.step_tokens, config.generation.answer_tokens)
    async with AsyncExitStack() as stack:
        with console.status("starting the engines"):
            engines = await start_engines(config, live.values(), stack)
            console.print(await sizes(engines, prompt, config.images))
            for engine in engines.values():
                with suppress(Refused):  # told by the answer itself, with the steps before it
                    await engine.warm_up(prompt)
        with printing(live.keys(), console) as add_line:
            for name, (method, roles, certificate) in live.items():
                for engine in engines.values():
                    await engine.reset()
                if certificate:
                    add_line(name, Text(str(certificate), style="dim"))
                WATCHER.set(lambda *step, name=name: add_line(name, line(*step)))
                own = Engines(**{role: engines[key] for role, key in roles.items()})
                add_line(
                    name, summary(await methods.load(method.loop)(prompt, own, method, limits.under(method)), gold)
                )


async def sizes(engines: Mapping[EngineKey, "VllmEngine"], prompt: Prompt, images: ImageSize) -> Text:
    """What the models read: pixels of each image within the caps, and tokens."""
    seen = (load_image(path, images).size for path in prompt.images)
    lines = [f"image of {width} x {height} pixels" for width, height in seen]
    words = replace(prompt, user=prompt.user.replace(IMAGE_MARK, ""), images=())
    for name, engine in {key.model.name: engine for key, engine in engines.items()}.items():
        with suppress(Refused):
            whole, rest = [len(await engine.prompt_tokens(text)) for text in (prompt, words)]
            lines.append(f"{name} reads {whole} tokens, {whole - rest} of them for images")
    return Text("\n".join(lines), style="dim")


@contextmanager
def printing(names: Collection[str], console: Console) -> Iterator[Callable[[str, RenderableType], None]]:
    """A function that shows a line of a method: below each other, or in a column for each of several."""
    lines: dict[str, list[RenderableType]] = {name: [] for name in names}
    if len(names) == 1:
        yield lambda name, added: console.print(added)
        return
    with Live(console=console, auto_refresh=False) as live:

        def add_line(name: str, added: RenderableType) -> None:
            lines[name].append(added)
            live.update(side_by_side(lines), refresh=True)

        yield add_line


def side_by_side(lines: Mapping[str, Sequence[RenderableType]]) -> Table:
    """The lines of each method in a column of its own."""
    table = Table(*(Column(name, ratio=1) for name in lines), expand=True)
    table.add_row(*(Lines(*own) for own in lines.values()))
    return table


def line(step: Step, seconds: float) -> Text:
    """A committed step."""
    verdict = "" if step.verdict is None else f"{step.verdict:.2f}"
    text = Text(f"{seconds:7.2f} s  {step.writer:6}  {verdict:>5}  ")
    text.append(step.text, style=COLOURS[step.writer])
    if step.rejected is not None:
        text.append(f"\n{'':25}instead of: {step.rejected}", style="dim")
    return text


def summary(outcome: Outcome, gold: str) -> Table:
    """What the answer cost, work that was thrown away included."""
    dropped = [span.tokens for span in outcome.spans if span.cancelled]
    facts = {
        "right answer": gold or "not known",
        "seconds": f"{max(span.end for span in outcome.spans):.2f}",
        "ended by": f"model {outcome.refused_by}: {outcome.refusal}" if outcome.refusal else outcome.finish,
        "draft steps accepted": f"{outcome.accepted} of {outcome.verified} verified, {outcome.drafted} written",
        "tokens": f"{outcome.tokens} committed; draft wrote {outcome.draft_tokens}, target {outcome.target_tokens}",
        "cancelled": f"{len(dropped)} of {len(outcome.spans)} steps and verdicts, {sum(dropped)} tokens",
    }
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, value)
    return table
