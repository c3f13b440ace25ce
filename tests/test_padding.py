"""What a training leaves out of its passes is padding alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, family_folder
from trainings import eight_questions, job

pytestmark = [pytest.mark.models, pytest.mark.slow]
WIDEST = 96  # of a batch's completions, in tokens
LENGTHS = (5, 31, 12, 2)  # of those in one pass
PROMPTS = 20  # tokens that a batch's prompts are padded to beyond those of the pass


@pytest.fixture(params=FAMILIES)
def trainer(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A trainer without engines."""
    from dreamr.sapo.trainer import make_trainer

    questions = eight_questions(tmp_path)
    folder = family_folder(tmp_path / "models", request.param)
    return make_trainer(job(request.param, kl=0.01), folder, questions, str(tmp_path), None, tmp_path / "work")


def padded(trainer: Any) -> dict[str, Any]:
    """Four completions of four questions, padded as if far longer ones were in the batch."""
    import torch
    from torch.nn.functional import pad
    from trl.data_utils import prepare_multimodal_messages

    rows = [trainer.train_dataset[place] for place in range(len(LENGTHS))]
    prompts = [prepare_multimodal_messages(row["prompt"], images=row["images"]) for row in rows]
    texts = trainer.processing_class.apply_chat_template(prompts, tokenize=False, add_generation_prompt=True)
    images = [row["images"] for row in rows]
    read = dict(trainer.processing_class(images=images, text=texts, padding=True, return_tensors="pt"))
    words = torch.randint(20, 600, (len(rows), WIDEST), generator=torch.Generator().manual_seed(0))
    written = torch.arange(WIDEST)[None] < torch.tensor(LENGTHS)[:, None]
    ids = torch.cat([pad(read.pop("input_ids"), (PROMPTS, 0)), words * written], dim=1)
    mask = torch.cat([pad(read.pop("attention_mask"), (PROMPTS, 0)), written.long()], dim=1)
    if "mm_token_type_ids" in read:
        read["mm_token_type_ids"] = pad(read["mm_token_type_ids"], (PROMPTS, WIDEST))
    return {"input_ids": ids, "attention_mask": mask, "num_images": [len(row) for row in images], **read}


def passed(trainer: Any, batch: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Log-probabilities and entropies of the completions, and the gradients of what they come to."""
    trainer.model.zero_grad()
    found = trainer._get_per_token_logps_and_entropies(
        trainer.model, logits_to_keep=WIDEST, compute_entropy=True, **batch
    )
    mask = batch["attention_mask"][:, -WIDEST:]
    ((found[0] * mask).sum(1) / mask.sum(1)).mean().backward()
    gradients = {name: one.grad.clone() for name, one in trainer.model.named_parameters() if one.grad is not None}
    return found[0] * mask, found[1] * mask, gradients


def widths(model: Any) -> Iterator[int]:
    """How many tokens of a row the decoder's first layer has in each pass."""
    seen: list[int] = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    return iter(seen)


def test_a_pass_is_as_wide_as_its_longest_rows_and_says_the_same(trainer: Any) -> None:
    """Of each family, with prompts of several lengths: log-probabilities, entropies and gradients. So it is with the
    reference model, which is the draft before it is trained."""
    import torch

    batch, seen = padded(trainer), widths(trainer.model)
    narrow, trainer.model.forward = trainer.model.forward, trainer.model.forward.__wrapped__
    with_padding = passed(trainer, batch)
    trainer.model.forward = narrow
    without = passed(trainer, batch)
    assert next(seen) - next(seen) == PROMPTS + WIDEST - max(LENGTHS)
    plain = trainer._get_per_token_logps_and_entropies(trainer.ref_model, logits_to_keep=WIDEST, **batch)[0]
    torch.testing.assert_close(plain * batch["attention_mask"][:, -WIDEST:], without[0], atol=1e-4, rtol=1e-4)
    for place in range(2):
        torch.testing.assert_close(without[place], with_padding[place], atol=1e-4, rtol=1e-4)
    assert without[2].keys() == with_padding[2].keys()
    for name, gradient in without[2].items():
        torch.testing.assert_close(gradient, with_padding[2][name], atol=1e-5, rtol=1e-3, msg=name)


def test_rows_by_length_keep_what_is_theirs() -> None:
    """Of tensors and of lists, such as images' pixels; what is of the whole batch stays."""
    import torch

    from dreamr.sapo.padding import longest_first

    masks = {"prompt_mask": torch.tensor([[0, 1], [1, 1], [0, 1]]), "completion_mask": torch.tensor([[1], [1], [0]])}
    batch = {"images": ["a", "b", "c"], "advantages": torch.tensor([1, 2, 3]), "all": torch.tensor(7), "none": None}
    found = longest_first(masks | batch)
    assert (found["images"], found["advantages"].tolist()) == (["b", "a", "c"], [2, 1, 3])
    assert (int(found["all"]), found["none"]) == (7, None)
