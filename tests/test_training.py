"""SAPO on real drafts of every family: positions, resuming, what is saved. The verdicts are a function here."""

import asyncio
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from families import FAMILIES, TRUSTED, ZOO, family_folder
from trainings import Made, drawn, eight_questions, job, trainers

from dreamr.config import Config, EngineSpec
from dreamr.errors import UserError
from dreamr.planning import plan as planning
from dreamr.planning.jobs import TrainJob
from dreamr.planning.plan import Plan, command_digest
from dreamr.planning.reading import read
from dreamr.prompts import question_prompt
from dreamr.records import Question
from dreamr.runtime.processes import over_ranks
from dreamr.runtime.stops import ONE_PRESS
from dreamr.sapo.curve import write_curve

pytestmark = [pytest.mark.models, pytest.mark.slow]
ROOT = Path(__file__).parents[1]
# Nats of a log-probability, of any token and in the mean of a batch. Seen: 1.3e-3 for one rare token, as sums go in
# another order; 2.5e-6 in the mean. With former weights: more than .4, and .02.
ROUNDING, MEAN_ROUNDING = 5e-3, 1e-4
(OWN,) = TRUSTED
DRAFTS = (*FAMILIES, "mimo-3l")  # of each family one, of MiMo's also one whose head is the embedding


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    return eight_questions(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def made(questions: list[Question], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    models = tmp_path_factory.mktemp("models")
    for name in DRAFTS:
        family_folder(models, name)
    with trainers(models, questions) as made:
        yield made


@pytest.mark.parametrize("draft", DRAFTS)
def test_engine_and_trainer_are_one_model_before_and_after_every_update(made: Made, draft: str, tmp_path: Path) -> None:
    """Their log-probabilities of what was drawn agree: same images, positions and weights, though questions repeat."""
    largest, mean = gaps(made(draft, tmp_path, **REPEATED))
    assert largest < ROUNDING and mean < MEAN_ROUNDING


@pytest.mark.parametrize("draft", DRAFTS)
def test_an_engine_that_reads_other_tokens_than_the_trainer_writes_nothing(
    made: Made, draft: str, questions: list[Question], tmp_path: Path
) -> None:
    """Every prompt of every batch is held against the engine's own reading of it, image places included."""
    from trl.data_utils import prepare_multimodal_messages

    from dreamr.sapo.serving import TokenizedPrompt

    trainer = made(draft, tmp_path)
    served = trainer.vllm_generation._served
    rows = [prepare_multimodal_messages(row["prompt"], images=row["images"]) for row in trainer.train_dataset]
    prompts = [question_prompt(question, question.origin) for question in questions]
    asked = [TokenizedPrompt(*pair) for pair in zip(prompts, trainer._tokenize_prompts(rows)[0], strict=True)]
    assert len(served.complete(asked, 0)) == 32
    with pytest.raises(ValueError, match=r"the engine reads \[.*\] where the trainer reads \["):
        served.complete([asked[0]._replace(ids=asked[1].ids)], 0)


REPEATED = {"epochs": 3, "learning_rate": 1e-4}  # 12 batches of eight questions, at the micro scale's rate


@pytest.mark.instructions
@pytest.mark.parametrize("draft", ["q3vl-2l", "mimo-untied"])
def test_an_engine_that_took_up_weights_is_one_that_started_with_them(
    made: Made, draft: str, questions: list[Question], tmp_path: Path
) -> None:
    """To the last digit: what is left between engine and trainer is rounding, nothing of former weights."""
    import torch

    from dreamr.engines.vllm.rollouts import RolloutEngine
    from dreamr.models.folders import in_type, save_like
    from dreamr.sapo.trainer import full_weights

    trainer = made(draft, tmp_path / "work", **REPEATED)
    trainer.train()
    trainer.vllm_generation.sync_weights()
    served, spec = trainer.vllm_generation._served, job(draft)
    save_like(
        trainer.model, in_type(full_weights(trainer), torch.float32), Path(served._draft._folder), tmp_path / "new"
    )
    fresh = RolloutEngine(tmp_path, spec.draft.model_copy(update={"name": "new"}), spec)

    prompts = [question_prompt(question, question.origin) for question in questions]
    draws = partial(drawn, prompts=prompts)
    with served._portal.wrap_async_context_manager(fresh) as started:
        assert served._portal.call(draws, served._draft) == served._portal.call(draws, started)


@pytest.mark.parametrize("held", [True, False])
def test_an_engine_begins_a_batch_when_all_of_it_is_there(
    made: Made, held: bool, questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums are rounded by what is computed together, so a batch has the same bytes however slowly it is sent."""
    from dreamr.engines.vllm import internals

    served = made("r4b-own-code", tmp_path).vllm_generation._served
    draws = partial(drawn, served._draft, [question_prompt(question, question.origin) for question in questions])
    served._portal.call(served._draft.reset)
    undisturbed, send = served._portal.call(draws), internals.Vllm.send
    sent: list[Any] = []
    begun: list[bool] = []

    async def last_comes_late(*asked: Any) -> Any:
        for _ in range(100):
            if len(sent) == len(questions) - 1 and not sent[0].output:
                await asyncio.sleep(0.05)
        if len(sent) == len(questions) - 1:
            begun.append(sent[0].output is not None)
        sent.append(await send(*asked))
        return sent[-1]

    monkeypatch.setattr(internals.Vllm, "send", last_comes_late)
    if not held:
        monkeypatch.setattr(internals.Vllm, "held", nullcontext)
    served._portal.call(served._draft.reset)
    again = served._portal.call(draws)
    assert begun == [not held]
    assert again == undisturbed or not held


def gaps(trainer: Any) -> tuple[float, float]:
    """Train; how far engine and trainer lie apart in a token's log-probability, at most and in the mean of a batch."""
    trainer.train()
    logged = "sampling/sampling_logp_difference"
    batches = [entry for entry in trainer.state.log_history if f"{logged}/max" in entry]
    assert len(batches) == trainer.state.max_steps / 2 == 12
    return max(entry[f"{logged}/max"] for entry in batches), max(entry[f"{logged}/mean"] for entry in batches)


@pytest.mark.parametrize("left_out", ["reset", "take_weights"])
def test_what_keeps_them_one_model_is_needed(
    made: Made, left_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without new weights, or with caches of the former ones, the engine draws from another model."""
    from dreamr.engines.vllm import internals
    from dreamr.engines.vllm.rollouts import RolloutEngine

    async def nothing(*_: Any) -> None:
        pass

    trainer = made("q3vl-2l", tmp_path, **REPEATED)
    owner = {"reset": RolloutEngine, "take_weights": internals.Vllm}[left_out]
    monkeypatch.setattr(owner, left_out, nothing)
    largest, mean = gaps(trainer)
    assert largest > 10 * ROUNDING and mean > 10 * MEAN_ROUNDING


def test_questions_without_room_for_an_answer_are_left_out(
    questions: list[Question], capsys: pytest.CaptureFixture[str]
) -> None:
    """By what the trainer's processor reads: three lengths of text, two sizes of image among the eight."""
    from dreamr.models.loading import load_processor
    from dreamr.sapo.trainer import as_dataset, fitting

    spec, processor = job("q3vl-2l"), load_processor(ZOO / "q3vl-2l", False)
    rows = as_dataset(spec, questions, questions[0].origin)
    assert len(fitting(spec, processor, rows)) == 8 and not capsys.readouterr().out
    texts = [processor.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True) for row in rows]
    read = zip(texts, rows, strict=True)
    sizes = sorted(len(processor(text=[text], images=row["images"])["input_ids"][0]) for text, row in read)
    narrow = spec.model_copy(update={"context_tokens": sizes[3] + 96})
    assert len(fitting(narrow, processor, rows)) == sum(size <= sizes[3] for size in sizes) < 8
    assert "questions are of more than" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"8 of 8 questions .* too few are left for a batch of 2"):
        fitting(spec.model_copy(update={"context_tokens": 100}), processor, rows)


@pytest.mark.parametrize("draft", ["q3vl-2l", "r4b-2l", "mimo-3l"])
def test_an_untrained_draft_is_saved_as_it_was(draft: str, tmp_path: Path) -> None:
    """Same files, names, types and values as the zoo's, so that the engine loads a trained draft as it loads those."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForImageTextToText

    from dreamr.models.folders import in_type, save_like

    model = AutoModelForImageTextToText.from_pretrained(ZOO / draft, dtype=torch.float32)
    save_like(model, in_type(model.state_dict(), torch.float16), ZOO / draft, tmp_path)
    before, after = load_file(ZOO / draft / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(before[name].dtype == after[name].dtype and before[name].equal(after[name]) for name in before)
    for path in ZOO.joinpath(draft).iterdir():
        if path.suffix != ".safetensors" and path.name != "manifest.json":
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


class Interrupted(BaseException):
    pass


@pytest.fixture(scope="module")
def runs(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Path]]:
    """A training of two epochs in one go, and the same one that was cut off in the second and taken up again.

    Families differ in how a checkpoint's weights are named, which tests.test_families has for each; here is the one
    whose model is a class in its folder.
    """
    from transformers import TrainerCallback

    from dreamr.sapo.trainer import newest_checkpoint

    class Cut(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if state.global_step == 11:
                raise Interrupted

    works = [tmp_path_factory.mktemp(name) for name in ("whole", "cut")]
    whole = made(OWN, works[0], epochs=2)
    whole.train()
    cut = made(OWN, works[1], epochs=2)
    cut.add_callback(Cut())
    with pytest.raises(Interrupted):
        cut.train()
    again = made(OWN, works[1], epochs=2)
    again.train(resume_from_checkpoint=newest_checkpoint(works[1]))
    yield whole, again, works[1]


def test_a_training_that_was_cut_off_ends_the_same(runs: tuple[Any, Any, Path], tmp_path: Path) -> None:
    whole, again, _ = runs
    assert whole.state.max_steps == 16
    weights = again.model.state_dict()
    assert all(value.equal(weights[name]) for name, value in whole.model.state_dict().items())
    logs = []
    for place, trainer in enumerate((whole, again)):
        write_curve(job("q3vl-2l"), trainer.state, tmp_path / f"{place}.csv")
        rows = list(csv.DictReader((tmp_path / f"{place}.csv").open()))
        logs.append([{name: row[name] for name in row if "seconds" not in name} for row in rows])
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]] == [str(step) for step in range(1, 16, 2)]


def test_each_epoch_has_an_order_of_its_own(made: Made, tmp_path: Path) -> None:
    """By seed and epoch, whatever was drawn before; the first is TRL's own."""
    trainer = made("q3vl-2l", tmp_path)
    orders = []
    for epoch in (0, 1.0, 0.5, 1.75):
        trainer.state.epoch = epoch
        orders.append(list(trainer._get_train_sampler(trainer.train_dataset)))
    assert orders[0] == orders[2] != orders[1] == orders[3]
    assert orders[0] == list(super(type(trainer), trainer)._get_train_sampler(trainer.train_dataset))


def test_the_log_tells_rewards_and_weights(runs: tuple[Any, Any, Path], tmp_path: Path) -> None:
    write_curve(job("q3vl-2l"), runs[0].state, tmp_path / "training.csv")
    rows = [
        {k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader((tmp_path / "training.csv").open())
    ]
    assert [rows[0][f"weight_{name}"] for name in ("outcome", "alignment", "length")] == [1, 1, 1]
    assert [rows[-1][f"weight_{name}"] for name in ("outcome", "alignment", "length")] == pytest.approx(
        [1 / 15, 1, 29 / 15]
    )
    for row in rows:
        parts = sum(row[f"weight_{name}"] * row[name] for name in ("outcome", "alignment", "length"))
        assert row["reward"] == pytest.approx(parts, abs=1e-5)
        assert row["length"] == pytest.approx(-row["tokens"] / 96, abs=1e-5)
        assert 0 < row["alignment_seconds"] < row["seconds"]
    assert {row["grad_norm"] > 0 for row in rows} == {True}, "groups without spread train nothing"


def test_an_unfinished_checkpoint_is_passed_over(runs: tuple[Any, Any, Path], tmp_path: Path) -> None:
    from dreamr.sapo.trainer import newest_checkpoint

    shutil.copytree(runs[2], tmp_path, dirs_exist_ok=True)
    last = newest_checkpoint(tmp_path)
    (tmp_path / "checkpoint-99").mkdir()
    assert newest_checkpoint(tmp_path) == last and not (tmp_path / "checkpoint-99").exists()
    assert newest_checkpoint(tmp_path / "nothing") is None


def test_checkpoints_of_other_code_or_data_are_not_taken_up(
    questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command looks for checkpoints in another folder once what the plan says of code and data has changed."""
    from dreamr.cli.train_sapo import main
    from dreamr.sapo import trainer as training

    def looked(job: TrainJob, models: Path, data: Path, work: Path) -> None:
        assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1", "asking for GPUs would fix which ones it sees"
        works.append(work)
        raise Interrupted

    works: list[Path] = []
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)
    monkeypatch.setattr(training, "train", looked)
    folders = {"models": ZOO, "data": Path(questions[0].origin), "out": tmp_path / "trained"}
    for digest in ("one", "one", "other"):
        spec = job("q3vl-2l").model_copy(update={"made_with": digest})
        with pytest.raises(Interrupted):
            main(spec=spec.model_dump_json(), **folders)
    assert works[0] == works[1] != works[2]


def test_what_a_training_is_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command's code and its training sets, not the benchmarks."""

    def made_with(config: Config) -> str:
        plan = Plan(config)
        return plan.train(next(iter(plan.trainings))).made_with

    def with_limit(kind: str, name: str) -> Config:
        sets = getattr(config, kind)
        return config.model_copy(update={kind: sets | {name: sets[name].model_copy(update={"limit": 3})}})

    config = read([ROOT / "config/config.yaml"])
    before = made_with(config)
    assert made_with(with_limit("benchmarks", "mmmu")) == before
    assert made_with(with_limit("training_sets", "scienceqa")) != before
    edited = {"train_sapo": "edited"}
    monkeypatch.setattr(
        planning, "command_digest", lambda *names, **out: edited.get(names[0]) or command_digest(*names, **out)
    )
    assert made_with(config) != before


def test_a_thinking_block_that_was_cut_earns_nothing(questions: list[Question]) -> None:
    """An answer in a block that the draft's template opened counts in training as little as in the evaluation."""
    from dreamr.sapo.trainer import Rewards

    completion = [{"role": "assistant", "content": "So it is 7.\nAnswer: 7\nOr is it"}]
    given = {"completions": [completion], "completion_ids": [[1, 2]], "question": [questions[0].model_dump_json()]}
    earned = [Rewards("", None, budget=2, thinking=thinking).outcome(**given) for thinking in (False, True)]
    assert earned == [[1.0], [0.0]]


def on_gpus(target: tuple[int, ...], rollouts: tuple[int, ...], ranks: int = 1) -> TrainJob:
    """A job on GPUs, whose engines hold these."""
    spec = job("q3vl-2l", ranks=ranks, micro_batch=1, rollouts={"dtype": "bfloat16", "devices": rollouts})
    served = spec.target.model_copy(update={"engine": EngineSpec(dtype="bfloat16", devices=target)})
    return spec.model_copy(update={"device": "cuda", "target": served})


def test_ranks_see_the_gpus_that_the_engines_leave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engines start among all of the job's GPUs; the draft is loaded where only the rest is in sight, by an
    allocator that grows in place."""
    from dreamr.sapo import trainer as training

    seen: dict[str, tuple[str, str | None]] = {}

    def told() -> tuple[str, str | None]:
        return os.environ["CUDA_VISIBLE_DEVICES"], os.environ.get("PYTORCH_ALLOC_CONF")

    @contextmanager
    def deployed(*_: Any) -> Iterator[None]:
        seen["engines"] = told()
        yield

    def made(*_: Any) -> Any:
        seen["draft"] = told()
        raise Interrupted

    stubs = {"engines": deployed, "make_trainer": made, "asked": lambda *_: {}, "check_room": lambda *_: None}
    for name, stub in stubs.items():
        monkeypatch.setattr(training, name, stub)
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7,8")
        monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
        with pytest.raises(Interrupted):
            training.train(on_gpus((0, 2), (3,), ranks=2), tmp_path, tmp_path, tmp_path)
        assert seen.pop("draft") == ("5,8", "expandable_segments:True")
        assert seen == {"engines": ("4,5,6,7,8", None)}, "only the first rank starts engines"


def test_torch_reads_how_to_allocate_when_it_first_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told after torch has been imported, and engines have started."""
    from dreamr.runtime.processes import GROWING

    read = "import os, torch; os.environ.update({growing}); print(torch._C._accelerator_getAllocatorSettings())"
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    done = subprocess.run([sys.executable, "-c", read.format(growing=GROWING)], capture_output=True, text=True)
    assert done.stdout.strip() == "expandable_segments:True", done.stderr


def test_a_trainer_tells_the_template_what_the_engine_does(tmp_path: Path) -> None:
    from dreamr.sapo.trainer import arguments

    assert arguments(job("q3vl-2l"), tmp_path, None).chat_template_kwargs is None
    assert arguments(job("r4b-own-code"), tmp_path, None).chat_template_kwargs == {"thinking_mode": "long"}


def test_weights_that_an_engine_reads_as_they_are_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every batch they go to the engine: of a draft of 7 billion parameters 16 GB."""
    import torch
    from transformers import AutoModelForImageTextToText

    from dreamr.models.folders import in_type, save_like

    def again(*_: Any) -> None:
        raise AssertionError("written a second time")

    model = AutoModelForImageTextToText.from_pretrained(ZOO / "q3vl-2l", dtype=torch.float32)
    monkeypatch.setattr("safetensors.torch.save_file", again)
    save_like(model, in_type(model.state_dict(), torch.float16), ZOO / "q3vl-2l", tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


def test_without_a_list_of_gpus_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamr.sapo.trainer import draft_devices, torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert draft_devices(on_gpus((0, 1), (2,))) == {"CUDA_VISIBLE_DEVICES": "3"}
    assert draft_devices(on_gpus((0, 1), (2, 3))) == {"CUDA_VISIBLE_DEVICES": "2"}, "nothing left: one of the rollouts'"


def test_a_rank_sees_no_gpu_that_it_does_not_train_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two in sight, transformers would put a copy of the draft on each, which TRL refuses."""
    from dreamr.sapo.trainer import draft_devices

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    assert draft_devices(on_gpus((0,), (1,))) == {"CUDA_VISIBLE_DEVICES": "6"}


def test_weights_that_do_not_fit_into_memory_stop_before_engines_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A micro draft in 32 bits takes 3 MB; in 16 bits half of it."""
    from dreamr.sapo import rollouts

    free = SimpleNamespace(free=2_000_000)
    monkeypatch.setattr(rollouts.shutil, "disk_usage", lambda _: free)
    rollouts.check_room(ZOO / "q3vl-2l", "bfloat16")
    with pytest.raises(UserError, match=r"model q3vl-2l: .* which has 0\.00 of the 0\.00 GB"):
        rollouts.check_room(ZOO / "q3vl-2l", "float32")


def test_more_ranks_than_gpus_are_left_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamr.sapo.trainer import draft_devices

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    with pytest.raises(UserError, match=r"leave the GPUs 6 of 4, 5, 6, 2 ranks need one each"):
        draft_devices(on_gpus((0,), (1,), ranks=2))


def test_a_draft_with_code_of_its_own_is_saved_without_running_it(tmp_path: Path) -> None:
    """R-4B's configuration is a class in its folder; nothing but loading may need it."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForImageTextToText

    from dreamr.models.folders import in_type, save_like, weights_type

    source = shutil.copytree(ZOO / "r4b-2l", tmp_path / "source")
    config = json.loads((source / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (source / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "dtype"} | own))
    model = AutoModelForImageTextToText.from_pretrained(ZOO / "r4b-2l", dtype=torch.float32)
    save_like(model, in_type(model.state_dict(), weights_type(source)), source, tmp_path / "new")
    before, after = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "new"))
    assert {name: weight.dtype for name, weight in before.items()} == {name: w.dtype for name, w in after.items()}


def test_a_pair_of_two_families_trains(questions: list[Question], tmp_path: Path) -> None:
    """The whole command with a real target: LLaVA draft, Qwen target. The result loads like the draft did."""
    from transformers import AutoModelForImageTextToText

    from dreamr.cli.train_sapo import main

    spec = job("r4b-2l", epochs=1, questions=4)
    main(spec=spec.model_dump_json(), models=ZOO, data=Path(questions[0].origin), out=tmp_path / "trained")
    card = json.loads((tmp_path / "trained" / "card.json").read_text())
    assert card["name"] == "t" and card["maker"] == "sapo" and card["steps"] == 4
    rows = list(csv.DictReader((tmp_path / "trained" / "training.csv").open()))
    assert len(rows) == 2 and all(0 <= float(row["acceptance"]) <= 1 for row in rows)
    before, after = (AutoModelForImageTextToText.from_pretrained(f) for f in (ZOO / "r4b-2l", tmp_path / "trained"))
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    changed = {name: not value.equal(trained) for (name, value), trained in pairs}
    assert not any(changed[name] for name in changed if "vision_tower" in name)
    assert sum(changed.values()) > sum("language_model" in name for name in changed) / 2
    assert not (tmp_path / "trained.checkpoints").exists()
    assert question_prompt(questions[0], questions[0].origin).images  # the images were where the questions say


def command(spec: TrainJob, questions: list[Question], out: Path, threads: int = 1) -> subprocess.Popen[str]:
    """The whole command as the workflow starts it."""
    folders = {"--models": ZOO, "--data": questions[0].origin, "--out": out}
    given = [sys.executable, *over_ranks(spec.sapo.ranks), "dreamr", "train-sapo", "--spec", spec.model_dump_json()]
    given += [str(part) for pair in folders.items() for part in pair]
    exported = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))  # as Snakemake does
    return subprocess.Popen(given, env=os.environ | exported, stderr=subprocess.PIPE, text=True, start_new_session=True)


def half_way(training: subprocess.Popen[str]) -> None:
    """Wait until the second batch is written."""
    printed = ""
    while not re.search(r" [2-9]/\d+ \[", printed):  # two steps on the first batch; the bar may leave out a number
        printed += training.stderr.read(1)
        assert training.poll() is None, printed
    time.sleep(0.3)  # behind the step's own end


def stopped_half_way(training: subprocess.Popen[str], number: int) -> None:
    """Tell all its processes to stop, as a cluster or a terminal does, in its second batch; it says what is kept."""
    half_way(training)
    os.killpg(training.pid, number)
    _, errors = training.communicate(timeout=300)
    assert training.returncode == 1 and re.search("told to stop; the checkpoint of step [2468] is kept", errors), errors
    assert "the batch is finished and a checkpoint written first" in errors


def ends(training: subprocess.Popen[str]) -> None:
    _, errors = training.communicate(timeout=300)
    assert training.returncode == 0, errors


def test_neither_threads_nor_a_stop_on_the_way_change_a_byte(questions: list[Question], tmp_path: Path) -> None:
    """The whole command, once straight with two threads, once stopped by Ctrl-C half-way and started again with one."""
    spec = job("q3vl-2l", epochs=3)
    straight = command(spec, questions, tmp_path / "straight", threads=2)  # in truth it has one, as the other
    stopped_half_way(command(spec, questions, tmp_path / "stopped"), signal.SIGINT)
    ends(straight)
    ends(command(spec, questions, tmp_path / "stopped"))
    weights = [tmp_path / out / "model.safetensors" for out in ("straight", "stopped")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_second_ctrl_c_ends_a_training_at_once(questions: list[Question], tmp_path: Path, ranks: int) -> None:
    """In a batch of 128 completions, which takes far longer than the two presses; its engines end with it."""
    spec = job("q3vl-2l", epochs=3, batch=8, group=16, ranks=ranks)
    training = command(spec, questions, tmp_path / "trained")
    half_way(training)
    begun = psutil.Process(training.pid).children(recursive=True)
    for _ in range(2):
        os.killpg(training.pid, signal.SIGINT)
        time.sleep(ONE_PRESS + 0.5)
    _, errors = training.communicate(timeout=30)
    assert training.returncode == 1 and "told to stop again: this batch is lost" in errors, errors
    assert "Traceback" not in errors or ranks > 1, errors  # torchrun has one of its own
    assert not psutil.wait_procs(begun, timeout=5)[1]
    assert list(tmp_path.glob("trained.checkpoints/*/checkpoint-2")) and not (tmp_path / "trained").exists()


def test_two_ranks_are_one_job_that_stops_and_goes_on(questions: list[Question], tmp_path: Path) -> None:
    """By torchrun, which is told to stop as a cluster tells it; the first rank alone writes the folder."""
    spec = job("q3vl-2l", epochs=3, ranks=2, micro_batch=4)
    out = tmp_path / "trained"
    stopped_half_way(command(spec, questions, out), signal.SIGTERM)
    assert not out.exists() and list(tmp_path.glob("trained.checkpoints/*/checkpoint-*"))
    ends(command(spec, questions, out))
    assert json.loads((out / "card.json").read_text())["steps"] == 24
    assert len(list(csv.DictReader((out / "training.csv").open()))) == 12
    assert not (tmp_path / "trained.checkpoints").exists()
    ends(command(spec, questions, out))  # whole already: no rank trains
