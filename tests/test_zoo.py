"""The zoo: the files in the repository are the ones that were trained, and training from nothing runs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dreamr.errors import UserError
from dreamr.micro.zoo import MANIFEST, verify, write_manifest
from zoo.recipes import ZOO

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "workflow" / "resources" / "zoo"


@pytest.mark.parametrize("name", ZOO)
def test_kept_models_are_the_trained_ones(name):
    verify(KEPT / name)
    assert json.loads((KEPT / name / MANIFEST).read_text())["recipe"]["layers"] == ZOO[name].layers


def test_a_corrupt_file_is_named_with_both_checksums(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_manifest(tmp_path, {})
    verify(tmp_path)
    expected = json.loads((tmp_path / MANIFEST).read_text())["sha256"]["model.safetensors"]
    (tmp_path / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(UserError, match=rf"model.safetensors: sha256 is \w{{64}}, the manifest says {expected}"):
        verify(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no such file"):
        verify(tmp_path)


def test_a_folder_without_manifest_is_no_model(tmp_path):
    with pytest.raises(UserError, match="not a model of the zoo"):
        verify(tmp_path)


@pytest.mark.models
def test_blocks_added_in_silence_change_nothing():
    import torch

    from zoo.families import QWEN3
    from zoo.growing import deepened, mixture, with_experts
    from zoo.making import _state
    from zoo.sentences import sentences

    tokenizer = QWEN3.tokenizer(sentences(1, 5))
    model = QWEN3.model(tokenizer, 2).float().eval()
    deep, wide = QWEN3.model(tokenizer, 4).float().eval(), mixture(tokenizer, 4).float().eval()
    grown = deepened(_state(model), 4, noise=0.0)
    for other, state in ((deep, grown), (wide, with_experts(grown, noise=0.0))):
        other.load_state_dict(state, strict=False)
        other.tie_weights()
    ids = torch.arange(40)[None] + 10
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        assert torch.allclose(deep(input_ids=ids).logits, expected, atol=1e-5)
        assert torch.allclose(wide(input_ids=ids).logits, expected, atol=1e-5)


@pytest.mark.models
@pytest.mark.parametrize("name", ["qwen3-vl", "mimo-vl", "r4b"])
def test_training_reads_what_the_processor_makes_of_a_prompt(name):
    from dreamr.engines.chat import Chat
    from zoo.batches import Collator
    from zoo.families import FAMILIES
    from zoo.lessons import target_lesson, tasks
    from zoo.sentences import VERDICTS, sentences

    family = FAMILIES[name]
    processor = family.processor(family.tokenizer(sentences(family.seed, 60)), family.template)
    for word in (*VERDICTS, *map(str, range(10)), *(f" {number}" for number in range(31)), "\n\n"):
        assert len(processor.tokenizer(word, add_special_tokens=False).input_ids) == 1, word
    rng = np.random.default_rng(0)
    for task in tasks("train", 0, 1):
        lesson = target_lesson(task, rng)
        batch = Collator(family, processor)([lesson])
        text = Chat(processor).text(lesson.prompt)
        inputs = processor(text=[text], images=list(task.images), return_tensors="pt")
        prompt = inputs["input_ids"][0].tolist()
        assert batch.inputs["input_ids"][0, : len(prompt)].tolist() == prompt
        learnt = batch.labels[0, len(prompt) :]
        assert processor.tokenizer.decode(learnt[learnt >= 0], skip_special_tokens=True) == lesson.learn
        values = batch.labels[0, : len(prompt)]
        assert all(processor.tokenizer.decode([value]).strip().isdecimal() for value in values[values >= 0])
        marked = batch.inputs["input_ids"][0][(batch.marks[0] == 1).any(-1)]
        wrong = "".join(lesson.prompt.answer[a:b] for a, b in lesson.wrong)
        assert "".join(processor.tokenizer.decode(marked).split()) == "".join(wrong.split())


@pytest.mark.models
@pytest.mark.slow
def test_training_from_nothing_runs(tmp_path):
    command = [sys.executable, "-m", "zoo.train", "--out", str(tmp_path), "--fast"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ZOO:
        verify(tmp_path / name)
