"""A draft with the paper's vocabulary is trained, handed over, judged and saved: what 151,936 tokens cost and change.

A fourth of the width of Qwen3-VL-2B, two of its layers, random weights and a small vision tower: Adam's state for the
whole width alone would take 7 GB. Run with -s, the test prints seconds and bytes.
"""

import json
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest
from families import ZOO, edit
from real_models import REAL, parameters
from trainings import eight_questions, trainers

from dreamr.prompts import VERIFY, Prompt, question_prompt, verdict_prompt
from dreamr.records import Question

pytestmark = [pytest.mark.models, pytest.mark.slow]

BASE = "q3vl-2l"
WORDS = 151_669  # tokens of Qwen3-VL's tokenizer; the model has 267 places more
SHARE = 4  # of the real width
MB = 1_000_000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(ZOO / BASE, folder / "wide", ignore=shutil.ignore_patterns("*.safetensors", "manifest.json"))
    widen(folder / "wide/config.json")
    add_words(folder / "wide/tokenizer.json")
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(folder / "wide")
    AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16).save_pretrained(folder / "wide")
    return folder


def widen(path: Path) -> None:
    """The language model of Qwen3-VL-2B with two layers and, by `SHARE`, less width, behind the micro tower."""
    small, real = json.loads(path.read_text()), REAL["qwen3-vl-2b"]["config"]["text_config"]
    wide = {key: real[key] // SHARE for key in ("hidden_size", "intermediate_size", "num_attention_heads")}
    kept = {key: real[key] for key in ("vocab_size", "head_dim", "rope_theta", "rope_scaling")}
    text = small["text_config"] | wide | kept | {"num_key_value_heads": real["num_key_value_heads"] // SHARE}
    del text["rope_parameters"]
    vision = small["vision_config"] | {"out_hidden_size": wide["hidden_size"]}
    edit(path, text_config=text, vision_config=vision, dtype="bfloat16")


def add_words(path: Path) -> None:
    """A tokenizer of as many words: pairs of those that it has, of which a text seldom holds one."""
    read = json.loads(path.read_text())
    words, merges = read["model"]["vocab"], read["model"]["merges"]
    special = {token["content"] for token in read["added_tokens"]}
    for pair in product([word for word in words if word not in special], repeat=2):
        if len(words) == WORDS:
            break
        if "".join(pair) not in words:
            words["".join(pair)] = len(words)
            merges.append(list(pair))
    assert len(words) == WORDS
    path.write_text(json.dumps(read))


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    return eight_questions(tmp_path_factory.mktemp("questions"))


@contextmanager
def timed(what: str, size: int = 0) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - begin:.1f} s" + (f", {size / MB:,.0f} MB" if size else ""))


def test_a_draft_of_the_real_vocabulary_is_trained_handed_over_judged_and_saved(
    models: Path, questions: list[Question], tmp_path: Path
) -> None:
    import torch

    from dreamr.models.folders import in_type, save_like
    from dreamr.sapo.trainer import full_weights

    with trainers(models, questions[:4]) as made:
        with timed("engine and trainer start"):
            trainer = made("wide", tmp_path / "work", updates=1, micro_batch=2, checkpoint_steps=9)
        before = trainer.model.lm_head.weight.detach().clone()
        count = parameters(trainer.model)
        with timed("two batches of eight completions", 16 * count):
            trainer.train()
        assert trainer.state.max_steps == 2
        assert not trainer.model.lm_head.weight.equal(before), "without spread nothing is trained"
        with timed("handing over", 4 * count):
            trainer.vllm_generation.sync_weights()
        with timed("a verdict"):
            judged = verdict(trainer, questions[0])
        assert judged == pytest.approx(expected(trainer, questions[0]), abs=1e-3)
        with timed("saving", 2 * count):
            weights = in_type(full_weights(trainer), torch.bfloat16)
            save_like(trainer.model, weights, models / "wide", tmp_path / "new")
        trainer_took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        engine_takes = sum(child.memory_info().rss for child in psutil.Process().children(recursive=True))
        print(f"{count:,} parameters; trainer {trainer_took / MB:,.0f} MB at most, engine {engine_takes / MB:,.0f} MB")
    written = (tmp_path / "new/model.safetensors").stat().st_size
    assert 2 * count < written < 2 * count + MB, "the tied head is written once"


def asked(question: Question) -> Prompt:
    return verdict_prompt(question_prompt(question, question.origin), ("The sum is 7.",), VERIFY)


def verdict(trainer: Any, question: Question) -> tuple[float, ...]:
    """What the engine that writes gives the two words of a verdict."""
    from dreamr.cpn import KEYWORDS

    served = trainer.vllm_generation._served
    found: tuple[float, ...] = served._portal.call(served._draft.keyword_logprobs, asked(question), KEYWORDS)
    return found


def expected(trainer: Any, question: Question) -> list[float]:
    """What the trained model itself gives them."""
    import torch
    from engines import SIZE

    from dreamr.cpn import KEYWORDS
    from dreamr.engines.chat import Chat
    from dreamr.engines.images import load_image

    processor, prompt = trainer.processing_class, asked(question)
    images = [load_image(path, SIZE) for path in prompt.images]
    read = processor(text=[Chat(processor).text(prompt)], images=images, return_tensors="pt")
    with torch.inference_mode():
        likely = trainer.model(**read).logits[0, -1].log_softmax(-1)
    variants = trainer.vllm_generation._served._draft._words.variants(KEYWORDS)
    return [likely[list(tokens)].logsumexp(0).item() for tokens in variants]
