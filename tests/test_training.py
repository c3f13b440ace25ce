"""SAPO on real drafts of every family: positions, resuming, what is saved. The verdicts are a function here."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamr.config import Recipe, Weights
from dreamr.jobs import TrainJob
from dreamr.prompts import question_prompt
from dreamr.records import Question

pytestmark = [pytest.mark.models, pytest.mark.slow]
ZOO = Path(__file__).parents[1] / "workflow" / "resources" / "zoo"
DRAFTS = ("q3vl-2l", "r4b-2l", "mimo-3l")  # one of each family
SAPO = {
    **{"training_sets": ["t"], "questions": 8, "alpha": 0.7, "epochs": 1, "batch": 8, "updates": 2, "group": 4},
    **{"learning_rate": 1e-3, "clip": 0.2, "kl": 0.0, "temperature": 1.0, "micro_batch": 8, "checkpoint_steps": 1},
}


def job(draft: str, **changes: Any) -> TrainJob:
    def model(name: str) -> dict[str, Any]:
        engine = {"dtype": "float32"}
        return {"name": name, "engine": engine, "thinking": False, "trust_remote_code": False, "digest": ""}

    weights = Weights(outcome=1, alignment=1, length=1)
    recipe = Recipe(weights=weights, final_weights=Weights(outcome=0, alignment=1, length=2))
    spec = {
        **{"name": "t", "target": model("q3vl-deep"), "draft": model(draft), "recipe": recipe.model_dump()},
        **{"sapo": SAPO | changes, "context_tokens": 1024, "pixels": {"least": 784, "most": 65536}, "device": "cpu"},
        "generation": {
            **{"temperature": 0, "top_p": 1, "top_k": -1, "seed": 0},
            **{"step_tokens": 40, "answer_tokens": 96, "concurrency": 4},
        },
    }
    return TrainJob.model_validate_json(json.dumps(spec))


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    """Eight questions of different lengths on pictures of different shapes."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("data")
    shapes = [(60, 60), (90, 60), (60, 90), (90, 90)] * 2
    rows = []
    for place, shape in enumerate(shapes):
        Image.effect_noise(shape, 90).convert("RGB").save(folder / f"{place}.png")
        prompt = "<image>" + "What is the sum of the digits in row 1? " * (1 + place % 3)
        rows.append(
            Question(id=str(place), dataset="t", prompt=prompt, images=(f"{place}.png",), gold=("7",), cluster="t")
        )
    (folder / "t.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return [row.model_copy(update={"origin": str(folder)}) for row in rows]


def judged(answers: list[Any]) -> list[list[bool]]:
    """Verdicts that depend on the text alone and differ within a group."""
    return [[len(step) % 2 == 0 for step in steps] for _, steps in answers]


def made(draft: str, questions: list[Question], work: Path, **changes: Any) -> Any:
    from dreamr.training import make_trainer

    return make_trainer(job(draft, **changes), ZOO / draft, questions, questions[0].origin, judged, work)


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_training_pass_sees_what_generation_saw(draft: str, questions: list[Question], tmp_path: Path) -> None:
    """Log-probabilities at generation equal those of the training pass: same pictures, same positions."""
    import torch

    trainer = made(draft, questions, tmp_path)
    seen: list[Any] = []
    generate = trainer.model.generate

    def recorded(**inputs: Any) -> Any:
        output = generate(**inputs, output_logits=True, return_dict_in_generate=True)
        seen.append(torch.stack(output.logits, 1).log_softmax(-1))
        return output.sequences

    trainer.model.generate = recorded
    batch = trainer._generate_and_score_completions([trainer.train_dataset[place // 4] for place in range(8)])
    ids, mask = batch["completion_ids"], batch["completion_mask"].bool()
    at_generation = seen[0].gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    read = torch.cat([batch["prompt_ids"], ids], 1), torch.cat([batch["prompt_mask"], mask.long()], 1)
    pictures = {name: value for name, value in batch.items() if name in PICTURES}
    with torch.no_grad():
        in_training, *_ = trainer._get_per_token_logps_and_entropies(trainer.model, *read, ids.shape[1], **pictures)
    assert len(set(batch["prompt_mask"].sum(1).tolist())) > 1, "the prompts must differ in length"
    assert (at_generation - in_training)[mask].abs().max() < 1e-3


PICTURES = ("pixel_values", "image_grid_thw", "image_sizes", "mm_token_type_ids", "num_images")


@pytest.mark.parametrize("draft", DRAFTS)
def test_an_untrained_draft_is_saved_as_it_was(draft: str, tmp_path: Path) -> None:
    """Same files, names, types and values as the zoo's, so that the engine loads a trained draft as it loads those."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForImageTextToText

    from dreamr.checkpoints import save_like

    save_like(AutoModelForImageTextToText.from_pretrained(ZOO / draft, dtype=torch.float32), ZOO / draft, tmp_path)
    before, after = load_file(ZOO / draft / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(before[name].dtype == after[name].dtype and before[name].equal(after[name]) for name in before)
    for path in ZOO.joinpath(draft).iterdir():
        if path.suffix != ".safetensors" and path.name != "manifest.json":
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def runs(questions: list[Question], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Path]]:
    """A training in one go, and the same one that was cut off behind step 3 and taken up again."""
    from transformers import TrainerCallback

    from dreamr.training import newest_checkpoint

    class Cut(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if state.global_step == 3:
                raise Interrupted

    works = [tmp_path_factory.mktemp(name) for name in ("whole", "cut")]
    whole = made("q3vl-2l", questions, works[0])
    whole.train()
    cut = made("q3vl-2l", questions, works[1])
    cut.add_callback(Cut())
    with pytest.raises(Interrupted):
        cut.train()
    again = made("q3vl-2l", questions, works[1])
    again.train(resume_from_checkpoint=newest_checkpoint(works[1]))
    yield whole, again, works[1]


def test_a_training_that_was_cut_off_ends_the_same(runs: tuple[Any, Any, Path], tmp_path: Path) -> None:
    from dreamr.training import write_log

    whole, again, _ = runs
    assert whole.state.max_steps == 8
    weights = again.model.state_dict()
    assert all(value.equal(weights[name]) for name, value in whole.model.state_dict().items())
    logs = []
    for place, trainer in enumerate((whole, again)):
        write_log(job("q3vl-2l"), trainer.state, tmp_path / f"{place}.csv")
        rows = list(csv.DictReader((tmp_path / f"{place}.csv").open()))
        logs.append([{name: row[name] for name in row if "seconds" not in name} for row in rows])
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]] == ["1", "3", "5", "7"]


def test_the_log_tells_rewards_and_weights(runs: tuple[Any, Any, Path], tmp_path: Path) -> None:
    from dreamr.training import write_log

    write_log(job("q3vl-2l"), runs[0].state, tmp_path / "training.csv")
    rows = [
        {k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader((tmp_path / "training.csv").open())
    ]
    assert [rows[0][f"weight_{name}"] for name in ("outcome", "alignment", "length")] == [1, 1, 1]
    assert [rows[-1][f"weight_{name}"] for name in ("outcome", "alignment", "length")] == pytest.approx(
        [1 / 7, 1, 13 / 7]
    )
    for row in rows:
        parts = sum(row[f"weight_{name}"] * row[name] for name in ("outcome", "alignment", "length"))
        assert row["reward"] == pytest.approx(parts, abs=1e-5)
        assert row["length"] == pytest.approx(-row["tokens"] / 96, abs=1e-5)
        assert 0 < row["alignment_seconds"] < row["seconds"]
    assert {row["grad_norm"] > 0 for row in rows} == {True}, "groups without spread train nothing"


def test_an_unfinished_checkpoint_is_passed_over(runs: tuple[Any, Any, Path], tmp_path: Path) -> None:
    from dreamr.training import newest_checkpoint

    shutil.copytree(runs[2], tmp_path, dirs_exist_ok=True)
    last = newest_checkpoint(tmp_path)
    (tmp_path / "checkpoint-99").mkdir()
    assert newest_checkpoint(tmp_path) == last and not (tmp_path / "checkpoint-99").exists()
    assert newest_checkpoint(tmp_path / "nothing") is None


def test_groups_must_fit_the_batch(questions: list[Question], tmp_path: Path) -> None:
    from dreamr.training import arguments

    with pytest.raises(SystemExit, match=r"sapo.batch 8 must be a multiple of sapo.group 3"):
        arguments(job("q3vl-2l", group=3), tmp_path)


def test_a_pair_of_two_families_trains(questions: list[Question], tmp_path: Path) -> None:
    """The whole command with a real target: LLaVA draft, Qwen target. The result loads like the draft did."""
    from transformers import AutoModelForImageTextToText

    from dreamr.cli.train_sapo import main

    spec = job("r4b-2l", epochs=1, questions=4)
    folders = {"--models": ZOO, "--data": Path(questions[0].origin), "--out": tmp_path / "trained"}
    main(["--spec", spec.model_dump_json(), *(str(part) for pair in folders.items() for part in pair)])
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
    assert question_prompt(questions[0], questions[0].origin).images  # the pictures were where the questions say
