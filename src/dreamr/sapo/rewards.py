"""SAPO's rewards (paper section 3): what a draft is trained for.

GRPO on the draft with three rewards per completion: is the answer right, does the target accept the steps, is it short.
Our sources of the paper give the terms and their best weights, 1:1:1; formulas are our decision. TRL's
`loss_type="sapo"` is another algorithm of the same name and has nothing to do with this one.
"""

from collections.abc import Iterable, Sequence

from dreamr import steps
from dreamr.config import Recipe, Weights
from dreamr.records import Question
from dreamr.scoring import answers

REWARDS = tuple(Weights.model_fields)  # outcome, alignment, length


def written_steps(completion: str) -> tuple[str, ...]:
    """The steps of a completion as the loops would take them: up to its answer line, without thinking tags."""
    text = steps.without_tags(completion)
    return steps.split(steps.through_answer(text) or text)


def outcome(question: Question, completion: str, complete: bool = True, thinking: bool = False) -> float:
    """1 if our scorer accepts the answer, else 0: the reward is the evaluation (arguments as in `answers.grade`)."""
    return float(answers.grade(question, completion, complete, thinking).correct)


def alignment(accepted: Sequence[bool]) -> float:
    """Share of a completion's steps that the target accepts, in [0, 1]; 0 where there is no step."""
    return sum(accepted) / len(accepted) if accepted else 0.0


def length(tokens: int, budget: int) -> float:
    """What the completion costs of its budget, as a penalty in [-1, 0]."""
    return -tokens / budget


def weights(recipe: Recipe, step: int, steps: int) -> tuple[float, ...]:
    """Weights of REWARDS at optimizer step `step` of `steps` (from 0): a line from the first weights to the final ones.

    A function of the step alone, so a resumed training goes on with the same weights.
    """
    first, final = recipe.weights, recipe.final_weights or recipe.weights
    share = step / (steps - 1) if steps > 1 else 0.0
    return tuple(
        before + share * (after - before) for before, after in zip(_values(first), _values(final), strict=True)
    )


def _values(weights: Weights) -> Iterable[float]:
    return (getattr(weights, name) for name in REWARDS)
