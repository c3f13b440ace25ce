"""Ask one question and watch how draft and target answer it together.

    .venv/bin/python -m dreamr.cli.ask --benchmark mathverse --question 1
    .venv/bin/python -m dreamr.cli.ask --image grid.png --ask "What is the sum of row 1?" --method target_only dreamr

Each step is shown once it is committed: seconds since the question began, who wrote it, the verdict (rho, score or
p(aligned), by the method's verifier) and, where the target overruled the draft, what the draft had written. Where an
engine refuses to go on, the last lines say which, and why. Several methods answer one after the other on the same
engines and are shown side by side. The models are those that the workflow has made; one that is missing is named with
the command that makes it. A Python without vLLM hands the question on to that of the models environment. What the
engines print goes to <logs>/ask.log.
"""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

import dreamr
from dreamr.answering.work import EngineKey, ngram_of
from dreamr.cli.common import BASE, add_configfile, command_parser
from dreamr.config import PLAIN, REFERENCE, Config, ImageSize, Method, sapo_model
from dreamr.data.rows import option_lines
from dreamr.engines.images import load_image
from dreamr.engines.protocol import Refused
from dreamr.errors import UserError
from dreamr.methods import protocol as methods
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import WATCHER
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.prompts import Prompt, question_prompt
from dreamr.provenance import environment_folder
from dreamr.records import IMAGE_MARK, Question, Step, read_rows
from dreamr.runtime.endings import worded
from dreamr.runtime.output import output_to

if TYPE_CHECKING:
    from dreamr.engines.vllm.engine import VllmEngine

COLOURS = {"draft": "green", "target": "magenta"}
SHOWN = 20  # of the names that are allowed in the place of an unknown one

T = TypeVar("T")


class Contestant(NamedTuple):
    """A method that answers, and its engines by role."""

    method: Method
    engines: dict[str, EngineKey]


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if not (options.ask if options.image else options.question):
        parser().error("--image goes with --ask, --benchmark with --question")
    config = read([BASE, *options.configfile])
    pair = SummariseJob.of(config).pairs[0]
    contestants = {
        name: contestant(Plan(config), name, options.target or pair[0], options.draft or pair[1])
        for name in options.method
    }
    for name in {key.model.name for one in contestants.values() for key in one.engines.values()}:
        _made(config, f"models/{name}/card.json", options.configfile)
    prompt, gold = asked(options, config)
    if find_spec("vllm") is None:
        _hand_on(config, options.configfile, arguments if arguments is not None else sys.argv[1:])
    with output_to(Path(config.pathvars.logs) / "ask.log") as terminal:
        console = Console(file=terminal, highlight=False)
        console.print(Text(prompt.user))
        asyncio.run(answer(config, contestants, prompt, console, gold))


def contestant(plan: Plan, name: str, target: str, draft: str) -> Contestant:
    """The method of this name on the models of this pair."""
    method = _known(plan.config.methods, name, "method")
    models = model_names(plan, method, target, draft)
    return Contestant(method, {role: engine_key(plan, method, role, model) for role, model in models.items()})


def engine_key(plan: Plan, method: Method, role: str, model: str) -> EngineKey:
    """The engine that a method wants for its target or draft."""
    if role == "draft":
        return EngineKey(plan.ref(model))
    return EngineKey(plan.ref(model), ngram_of(method), method.threads or 1)


def model_names(plan: Plan, method: Method, target: str, draft: str) -> dict[str, str]:
    """The models that a method of this pair runs on, by role."""
    for name in (target, draft):
        _known(plan.config.models, name, "model")
    if method.needs_draft and method.draft != PLAIN:
        draft = sapo_model(method.draft, target, draft)
        _known(plan.trainings, draft, "SAPO draft")
    roles = {"target": target} if method.loop != "draft_only" else {}
    return roles | ({"draft": draft} if method.needs_draft else {})


def asked(options: argparse.Namespace, config: Config) -> tuple[Prompt, str]:
    """The prompt, and the right answer where it is known."""
    if options.image:
        words = IMAGE_MARK + "\n".join([options.ask, *option_lines(tuple(options.options))])
        question = Question(
            id="0",
            dataset="asked",
            prompt=words,
            images=(options.image.name,),
            options=tuple(options.options),
            gold=(),
            cluster="0",
        )
        return question_prompt(question, str(options.image.resolve().parent)), ""
    _known(config.benchmarks, options.benchmark, "benchmark")
    path = _made(config, f"data/{options.benchmark}.jsonl", options.configfile)
    rows = {row.id: row for row in read_rows(path, Question)}
    question = _known(rows, options.question, f"question of {options.benchmark}")
    return question_prompt(question, str(path.parent.resolve())), " or ".join(question.gold)


async def answer(
    config: Config, contestants: Mapping[str, Contestant], prompt: Prompt, console: Console, gold: str
) -> None:
    """Show the answer of each, on engines that are warm where they take the question."""
    limits = Limits(config.generation.step_tokens, config.generation.answer_tokens)
    async with AsyncExitStack() as stack:
        with console.status("starting the engines"):
            keys = dict.fromkeys(key for one in contestants.values() for key in one.engines.values())
            engines = {key: await stack.enter_async_context(open_engine(config, key)) for key in keys}
            console.print(await sizes(engines, prompt, config.images))
            for engine in engines.values():
                with suppress(Refused):  # told by the answer itself, with the steps before it
                    await engine.warm_up(prompt)
        with shown(contestants, console) as told:
            for name, (method, roles) in contestants.items():
                for engine in engines.values():
                    await engine.reset()
                WATCHER.set(lambda *step, name=name: told(name, line(*step)))
                served = Engines(**{role: engines[key] for role, key in roles.items()})
                told(name, summary(await methods.load(method.loop)(prompt, served, method, limits.under(method)), gold))


def open_engine(config: Config, key: EngineKey) -> "VllmEngine":
    """The engine, to be started on entering."""
    from dreamr.engines.vllm.engine import VllmEngine
    from dreamr.engines.vllm.launch import Ngram

    folder, ngram = Path(config.pathvars.results) / "models", Ngram(*key.ngram) if key.ngram else None
    return VllmEngine(folder, key.model, config, ngram, key.threads)


async def sizes(engines: Mapping[EngineKey, "VllmEngine"], prompt: Prompt, images: ImageSize) -> Text:
    """What the models read: pixels of each image within the caps, and tokens."""
    seen = (load_image(path, images).size for path in prompt.images)
    lines = [f"image of {width} x {height} pixels" for width, height in seen]
    words = replace(prompt, user=prompt.user.replace(IMAGE_MARK, ""), images=())
    for name, engine in {key.model.name: engine for key, engine in engines.items()}.items():
        with suppress(Refused):
            whole, rest = [len(await engine.prompt_tokens(one)) for one in (prompt, words)]
            lines.append(f"{name} reads {whole} tokens, {whole - rest} of them for images")
    return Text("\n".join(lines), style="dim")


@contextmanager
def shown(contestants: Mapping[str, Contestant], console: Console) -> Iterator[Callable[[str, RenderableType], None]]:
    """A function that shows a line of a method: below each other, or in a column for each of several."""
    lines: dict[str, list[RenderableType]] = {name: [] for name in contestants}
    if len(contestants) == 1:
        yield lambda name, added: console.print(added)
        return
    with Live(console=console, auto_refresh=False) as live:

        def told(name: str, added: RenderableType) -> None:
            lines[name].append(added)
            live.update(side_by_side(lines), refresh=True)

        yield told


def side_by_side(lines: Mapping[str, Sequence[RenderableType]]) -> Table:
    """The lines of each method in a column of its own."""
    table = Table(*(Column(name, ratio=1) for name in lines), expand=True)
    table.add_row(*(Group(*own) for own in lines.values()))
    return table


def line(step: Step, seconds: float) -> Text:
    """A committed step."""
    verdict = "" if step.verdict is None else f"{step.verdict:.2f}"
    shown = Text(f"{seconds:7.2f} s  {step.writer:6}  {verdict:>5}  ")
    shown.append(step.text, style=COLOURS[step.writer])
    if step.rejected is not None:
        shown.append(f"\n{'':25}instead of: {step.rejected}", style="dim")
    return shown


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


def _hand_on(config: Config, overlays: Sequence[Path], arguments: Sequence[str]) -> None:
    python = f"{environment_folder(Path(f'envs/models-{config.device}.txt'))}/bin/python"
    if not Path(python).exists():
        remedy = making("environments", overlays)
        raise UserError(f"{python}: no such file, and this Python has no vllm; make it with: {remedy}")
    environment = {**os.environ, "PYTHONPATH": str(Path(dreamr.__file__).parents[1])}
    os.execve(python, [python, "-m", "dreamr.cli.ask", *arguments], environment)


def _known(among: Mapping[str, T], name: str, kind: str) -> T:
    if name not in among:
        raise UserError(f"{name!r}: no such {kind}; there are: {', '.join(list(among)[:SHOWN])}")
    return among[name]


def _made(config: Config, name: str, overlays: Sequence[Path]) -> Path:
    """A file of the workflow's results."""
    path = Path(config.pathvars.results) / name
    if not path.exists():
        raise UserError(f"{path}: no such file; make it with: {making(str(path), overlays)}")
    return path


def making(target: str, overlays: Sequence[Path]) -> str:
    """The command that makes `target`, which comes first: --configfile would take it for one more file."""
    files = ["--configfile", *map(str, overlays)] if overlays else []
    return shlex.join(["snakemake", "--cores", "all", target, *files])


def parser() -> argparse.ArgumentParser:
    described = command_parser("ask", __doc__)
    source = described.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", type=Path, metavar="FILE", help="an image of your own, with --ask")
    source.add_argument("--benchmark", metavar="NAME", help="a benchmark that is prepared already, with --question")
    described.add_argument("--ask", metavar="TEXT", help="the question about --image")
    described.add_argument("--options", nargs="+", default=[], metavar="TEXT", help="its options, if it has some")
    described.add_argument("--question", metavar="ID", help="id of an item of --benchmark")
    described.add_argument(
        "--method", nargs="+", default=[REFERENCE], metavar="NAME", help=f"of the configuration ({REFERENCE})"
    )
    described.add_argument("--target", metavar="NAME", help="model; default: the target of the first pair")
    described.add_argument("--draft", metavar="NAME", help="model before SAPO; default: the draft of the first pair")
    add_configfile(described)
    return described


if __name__ == "__main__":
    main()
