"""What makes models here: SAPO, which trains drafts, and AWQ, which quantizes targets."""

from typing import Literal, Self

from pydantic import Field, model_validator

from dreamr.config.base import Count, Fraction, Name, NotNegative, Positive, Spec
from dreamr.config.models import EngineSpec
from dreamr.config.runs import Names


class Weights(Spec):
    """Weights of SAPO's three rewards. 1:1:1 is the paper's best (by a digest, not checked against the paper)."""

    outcome: NotNegative = Field(description="Weight of the outcome reward: 1 for a right answer, 0 for a wrong one.")
    alignment: NotNegative = Field(description="Weight of the alignment reward: the share of steps the target accepts.")
    length: NotNegative = Field(description="Weight of the length reward: minus tokens / `generation.answer_tokens`.")


class Recipe(Spec):
    """One SAPO draft per pair: the reward weights at the start, and at the end where they move linearly."""

    weights: Weights = Field(description="Weights of the rewards; with `final_weights` those at the start.")
    final_weights: Weights | None = Field(
        default=None, description="Weights at the end of the training, to which they move linearly; null: they stay."
    )
    planted: bool = Field(
        default=False,
        description="Ask nothing but planted copies of benchmark questions: a control for contamination, with "
        "generated data alone.",
    )


class Drawing(Spec):
    """Which training questions SAPO asks."""

    training_sets: tuple[Name, ...]
    questions: Count
    seed: int
    planted: str | None  # planted.csv, where its copies alone are asked


class SapoSettings(Spec):
    """SAPO: GRPO on the draft with outcome, alignment and length rewards. In brackets: TRL's name of a setting."""

    training_sets: Names = Field(description="Names in `training_sets` that questions are drawn from.")
    questions: Count = Field(description="Training questions that are drawn, evenly from the sets.")
    alpha: Fraction = Field(description="CPN's threshold in the alignment reward; that of the method `dreamr`.")
    epochs: Positive = Field(description="How often each question is asked (num_train_epochs).")
    batch: Count = Field(
        description="Questions whose completions are written and judged at once (generation_batch_size / "
        "num_generations)."
    )
    updates: Count = Field(
        description="Optimizer steps on each batch (num_iterations). The ratio is clipped from the second on."
    )
    group: int = Field(ge=2, description="Completions of each question (num_generations).")
    learning_rate: Positive = Field(description="The optimizer's learning rate.")
    clip: Positive = Field(description="How far the ratio of probabilities may leave 1 (epsilon).")
    kl: NotNegative = Field(description="Weight of the divergence from the plain draft (beta); 0: off.")
    temperature: Positive = Field(description="Sampling temperature of the completions.")
    micro_batch: Count = Field(
        description="Completions in a forward pass of one rank (per_device_train_batch_size). A batch's completions "
        "are a multiple of this times `ranks`."
    )
    checkpoint_steps: Count = Field(description="Batches from one checkpoint to the next (save_steps).")
    ranks: Count = Field(
        description="Processes that train. On GPUs each has one that no engine holds or, where engines hold all, one "
        "of those of the rollouts."
    )
    rollouts: EngineSpec = Field(description="How the draft is served while it writes completions.")

    @property
    def completions(self) -> int:
        """Completions in a batch."""
        return self.batch * self.group

    @model_validator(mode="after")
    def _whole_parts(self) -> Self:
        if self.completions % (self.micro_batch * self.ranks):
            raise ValueError(
                f"batch {self.batch} of group {self.group} is {self.completions} completions, not a multiple of "
                f"micro_batch {self.micro_batch} on each of {self.ranks} ranks"
            )
        if self.rollouts.url:
            raise ValueError("rollouts.url: a server cannot be given new weights after each batch; leave it out")
        return self


class Sapo(SapoSettings):
    """SAPO's settings, and its recipes: a draft is trained by each that some method names."""

    recipes: dict[Name, Recipe] = Field(description="Recipes by name: weights of the rewards.")


class Awq(Spec):
    """AWQ, W4A16, language model only."""

    training_sets: Names = Field(description="Names in `training_sets` that calibration questions are drawn from.")
    samples: Count = Field(description="Calibration questions, drawn evenly from the sets.")
    group_size: Literal[32, 64, 128] = Field(description="Weights that share one scale.")
    sequence_tokens: Count = Field(description="Most tokens of a calibration question with the model's answer.")


def sapo_model(recipe: str, target: str, draft: str, replicate: int = 0) -> str:
    """Name of the draft that SAPO trains for a pair; of all but the usual training with its replicate."""
    return f"{draft}.{recipe}.{target}" + (f".{replicate}" if replicate else "")


def sapo_recipe(model: str) -> str:
    """The recipe in the name of a SAPO draft; names hold no dot."""
    return model.split(".")[1]
