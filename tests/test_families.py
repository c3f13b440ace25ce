"""Drafts of all of the paper's families: loaded, trained, saved, served, and judged by a target."""

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engines import SIZE, engine_of
from families import FAMILIES, SWITCH, TRUSTED, ZOO, edit, family_folder, rewrite, with_own_code
from trainings import Made, eight_questions, trainers

from dreamr.config import DataSpec
from dreamr.data.loading import prepare_questions
from dreamr.engines.chat import Chat
from dreamr.engines.images import load_image
from dreamr.engines.protocol import Meter
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.errors import UserError
from dreamr.prompts import STEP_BREAK, Prompt, question_prompt
from dreamr.records import IMAGE_MARK
from dreamr.verifiers.cpn import CpnVerifier

pytestmark = [pytest.mark.models, pytest.mark.slow]

TARGET, ALPHA = "q3vl-deep", 0.7
WORDS = ("no", "3")

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in FAMILIES:
        family_folder(folder, name)
    return folder


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> list[Prompt]:
    """Three questions with images, and one without."""
    from micro_sizes import micro_size

    from dreamr.micro.datasets import write_all

    folder = tmp_path_factory.mktemp("data")
    write_all(folder / "micro", micro_size(7, 16, 16))
    spec = DataSpec(adapter="mathverse", path=str(folder / "micro" / "mathverse"), split="testmini")
    rows = list(prepare_questions("mathverse", spec, folder))
    seen = [question_prompt(row, str(folder)) for row in rows if row.images]
    return [*seen[:3], Prompt("What is 3 plus 4?", ())]


@pytest.fixture(scope="module")
def target(run: Run) -> Iterator[VllmEngine]:
    engine = engine_of(ZOO, TARGET)
    run(engine.__aenter__())
    yield engine
    run(engine.__aexit__())


@pytest.fixture(scope="module")
def made(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with trainers(models, eight_questions(tmp_path_factory.mktemp("questions"))) as made:
        yield made


@pytest.fixture(scope="module", params=FAMILIES)
def draft(
    request: pytest.FixtureRequest, models: Path, made: Made, tmp_path_factory: pytest.TempPathFactory
) -> SimpleNamespace:
    """A draft that was trained by SAPO, held to the plain one, and saved."""
    import torch

    from dreamr.models.folders import in_type, save_like
    from dreamr.sapo.trainer import full_weights

    name, folder = request.param, models / f"{request.param}.trained"
    trainer = made(name, tmp_path_factory.mktemp("work"), questions=4, kl=0.05)
    trainer.train()
    save_like(trainer.model, in_type(full_weights(trainer), torch.float16), models / name, folder)
    kl = [entry["kl"] for entry in trainer.state.log_history if "kl" in entry]
    return SimpleNamespace(trusted=name in TRUSTED, source=models / name, folder=folder, kl=kl)


@pytest.fixture(scope="module")
def served(draft: SimpleNamespace, models: Path, run: Run) -> Iterator[VllmEngine]:
    """The engine of the trained draft."""
    engine = engine_of(models, draft.folder.name, trust_remote_code=draft.trusted)
    run(engine.__aenter__())
    yield engine
    run(engine.__aexit__())


def inputs(processor: Any, prompt: Prompt) -> Any:
    images = [load_image(path, SIZE) for path in prompt.images] or None
    return processor(text=[Chat(processor).text(prompt)], images=images, return_tensors="pt")


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_training_changes_all_but_the_vision_tower_and_is_saved_like_its_source(draft: SimpleNamespace) -> None:
    before, after = weights(draft.source), weights(draft.folder)
    assert {name: weight.dtype for name, weight in before.items()} == {name: w.dtype for name, w in after.items()}
    for name, weight in before.items():
        seeing = "vision_tower." in name or "visual." in name
        assert seeing == after[name].equal(weight), name
    for path in draft.source.iterdir():
        if path.suffix != ".safetensors" and path.name != "manifest.json":
            assert (draft.folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_engine_reads_a_trained_draft_as_transformers_does(
    draft: SimpleNamespace, served: VllmEngine, run: Run, prompts: list[Prompt]
) -> None:
    import torch

    from dreamr.models.loading import load_model, load_processor

    model = load_model(draft.folder, draft.trusted, dtype=torch.float32)
    processor = load_processor(draft.folder, draft.trusted)
    for prompt in prompts:
        read = inputs(processor, prompt)
        assert run(served.prompt_tokens(prompt)) == read["input_ids"][0].tolist()
        with torch.inference_mode():
            likely = model(**read).logits[0, -1].log_softmax(-1)
            ids = model.generate(**read, max_new_tokens=32, do_sample=False)[0, read["input_ids"].shape[1] :]
        written = run(served.generate(prompt, stop="", max_tokens=32, meter=Meter())).text
        assert written == processor.tokenizer.decode(ids, skip_special_tokens=True)
        variants = served._words.variants(WORDS)
        expected = [likely[list(tokens)].logsumexp(0).item() for tokens in variants]
        assert run(served.keyword_logprobs(prompt, WORDS)) == pytest.approx(expected, abs=1e-4)


def test_a_question_of_two_images_is_answered(
    draft: SimpleNamespace, served: VllmEngine, run: Run, prompts: list[Prompt]
) -> None:
    """vLLM cuts each of several images in parts for R-4B, as it does a single one; its own processor does not."""
    from dreamr.models.loading import load_processor

    both = tuple(prompt.images[0] for prompt in prompts[:2])
    asked = Prompt(f"{IMAGE_MARK}{IMAGE_MARK}How many?", both)
    processor = load_processor(draft.source, draft.trusted)
    images = [[load_image(path, SIZE) for path in both]]
    own = len(processor(text=[Chat(processor).text(asked)], images=images)["input_ids"][0])
    read = len(run(served.prompt_tokens(asked)))
    assert read > own if draft.trusted else read == own
    assert run(served.generate(asked, stop="", max_tokens=4, meter=Meter())).tokens


def test_a_target_judges_what_a_trained_draft_writes(
    served: VllmEngine, target: VllmEngine, run: Run, prompts: list[Prompt]
) -> None:
    found = []
    for prompt in prompts[:3]:
        step = run(served.generate(prompt, stop=STEP_BREAK, max_tokens=40, meter=Meter())).text
        verdict = run(CpnVerifier(ALPHA)(target, prompt, step, ""))
        assert verdict.accepted == (verdict.value > ALPHA), step
        found.append(verdict.value)
    assert len(set(found)) == 3 and 0 < min(found) < max(found) < 1


def test_a_draft_is_held_to_the_one_it_was(draft: SimpleNamespace) -> None:
    """The reference model is of the draft's own class and weights: no divergence before the first step, some behind."""
    assert draft.kl[0] == pytest.approx(0, abs=1e-6) and min(draft.kl[2:]) > 1e-6


def test_a_checkpoint_is_read_back(draft: SimpleNamespace, tmp_path: Path) -> None:
    import torch

    from dreamr.models.loading import load_model, restore

    changed, again = (load_model(draft.source, draft.trusted, dtype=torch.float32) for _ in range(2))
    with torch.no_grad():
        for weight in changed.parameters():
            weight.add_(1)
    changed.save_pretrained(tmp_path)
    restore(again, tmp_path)
    expected, found = changed.state_dict(), again.state_dict()
    assert expected.keys() == found.keys() and all(found[name].equal(weight) for name, weight in expected.items())


def test_an_untied_head_is_read_and_kept_apart_from_the_embeddings(models: Path) -> None:
    import torch

    from dreamr.models.loading import load_model

    model = load_model(models / "mimo-untied", False, dtype=torch.float16)
    stored = weights(models / "mimo-untied")
    assert model.get_output_embeddings().weight.equal(stored["lm_head.weight"])
    assert model.get_input_embeddings().weight.equal(stored["model.embed_tokens.weight"])
    assert not stored["lm_head.weight"].equal(stored["model.embed_tokens.weight"])


def test_what_a_template_is_told_is_read(models: Path) -> None:
    """In training, engine and trainer are both told it, or the first batch would stop (`tests/trainings.py`)."""
    from dreamr.models.loading import load_processor

    processor, asked = load_processor(models / "r4b-own-code", True), Prompt("How many?", (), "Two.", "Right?")
    plain, told = Chat(processor).text(asked), Chat(processor, told=[SWITCH]).text(asked)
    assert told == plain.replace("assistant\n", "assistant\n<think>\n")
    with pytest.raises(UserError, match="enable_thinking is not in the chat template"):
        Chat(processor, told=[("enable_thinking", True)])


# -- what cannot be trained is told


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A model that no test has loaded: transformers remembers for a whole process which classes a name stands for."""
    folder = with_own_code(tmp_path / tmp_path.name)
    edit(folder / "config.json", model_type=tmp_path.name)
    return folder


def test_code_is_not_run_unless_it_is_trusted(own: Path) -> None:
    from dreamr.models.loading import load_model

    with pytest.raises(UserError, match=f"model {own.name}: .* needs `trust_remote_code: true` in the configuration"):
        load_model(own, False)


def test_a_model_that_names_no_class_for_it_is_told(own: Path) -> None:
    from dreamr.models.loading import load_model

    mapped = {"AutoConfig": "configuration_r.RConfig", "AutoModelForTokenClassification": "modeling_r.R"}
    edit(own / "config.json", auto_map=mapped)
    named = (
        r"auto_map names AutoConfig, AutoModelForTokenClassification; what can be loaded is one of AutoModelForImage"
    )
    with pytest.raises(UserError, match=f"model {own.name}: .*is a RConfig, .*{named}"):
        load_model(own, True)


def test_a_class_that_cannot_write_is_told(own: Path) -> None:
    from dreamr.models.loading import load_model

    edit(own / "config.json", auto_map={"AutoConfig": "configuration_r.RConfig", "AutoModel": "modeling_r.RModel"})
    with pytest.raises(UserError, match=f"model {own.name}: RModel, .* maps AutoModel, cannot be trained to write"):
        load_model(own, True)


def test_weights_that_would_stay_random_are_told(own: Path) -> None:
    from dreamr.models.loading import load_model

    rewrite(own, lambda given: {name: weight for name, weight in given.items() if "pre_norm" not in name})
    with pytest.raises(
        UserError, match=r"RForConditionalGeneration finds no weights in .*pre_norm\.bias.* stay random"
    ):
        load_model(own, True)


def test_the_vision_tower_is_found_wherever_it_hangs(own: Path) -> None:
    """transformers' own lookup finds it on the model or on its base model; code of its own may hang it elsewhere."""
    from torch import nn

    from dreamr.models.loading import load_model, vision_tower

    model = load_model(own, True)
    tower = model.get_encoder("image")
    assert vision_tower(model) is tower
    assert vision_tower(nn.ModuleDict({"inner": nn.ModuleDict({"mm": model})})) is tower
    two = {"a": model, "b": nn.ModuleDict({"visual": nn.Linear(1, 1)})}
    for parts, found in (({"body": nn.Linear(1, 1)}, "none"), (two, "a.model.vision_tower, b.visual")):
        with pytest.raises(UserError, match=f"ModuleDict: one vision tower is looked for, .*found {found}"):
            vision_tower(nn.ModuleDict(parts))
