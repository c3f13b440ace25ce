"""What one question of each data set is to a model: the examples in the docstring of `dreamr.data.loading` are true."""

import textwrap
from pathlib import Path

import pytest
import yaml

import dreamr.data.loading
from dreamr.data.loading import prepare_questions
from dreamr.engines.chat import Chat
from dreamr.engines.images import load_image
from dreamr.planning.reading import load
from dreamr.prompts import question_prompt

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "workflow" / "resources" / "zoo" / "q3vl-2l"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first question of each micro data set with the sizes and tokens of its images and of the whole prompt."""
    from transformers import AutoProcessor

    from dreamr.micro.datasets import write_all

    config = load(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")))
    folder, processor = tmp_path_factory.mktemp("data"), AutoProcessor.from_pretrained(MODEL)
    write_all(folder / "micro", config.micro)
    shown = []
    benchmarks = {name: config.benchmarks[name] for name in config.asked}
    for name, data in {**benchmarks, **config.training_sets}.items():
        here = data.model_copy(update={"path": str(folder / "micro" / Path(data.path).name)})
        question = prepare_questions(name, here, folder)[0]
        prompt = question_prompt(question, str(folder))
        images = [load_image(path, config.images) for path in prompt.images]
        ids = processor(text=[Chat(processor).text(prompt)], images=images)["input_ids"][0]
        sizes = ", ".join(f"{image.width} x {image.height}" for image in images)
        seen = list(ids).count(processor.image_token_id)
        shown.append(f"{name}: {sizes} pixels, {seen} of {len(ids)} tokens; gold {' or '.join(question.gold)}")
        shown += [f"  {line}" for line in prompt.user.splitlines()]
    return "\n".join(shown)


@pytest.mark.models
def test_the_docstring_shows_what_a_model_reads(examples: str) -> None:
    assert textwrap.indent(examples, "    ") in dreamr.data.loading.__doc__, examples
