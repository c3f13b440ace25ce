"""The six models of the zoo: how each is made."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ZooRecipe:
    """How one model is made. Steps are of batches of 32."""

    family: str
    role: Literal["target", "draft"]
    layers: int
    steps: int
    rate: float
    seed: int
    experts: bool = False


SIGHT_STEPS = 1400
# The trunk learns to answer with few blocks, which is quick, and then, twice as deep, to judge as well: verdicts taught
# from the start only slow the answers down, for what a step should say must be known before it can be judged.
SPROUT_LAYERS, SPROUT_STEPS, SPROUT_RATE = 3, 450, 2e-3
TRUNK_LAYERS, TRUNK_SEED = 6, 11
# Steps, rate (falling to nothing in each stage) and share of answers among the lessons.
TRUNK_STAGES = (
    (700, 2e-3, 0.3),
    (900, 1.5e-3, 0.35),
    (600, 1.2e-3, 0.6),
    (1000, 1.5e-3, 0.4),
    (1200, 1.5e-3, 0.35),
    (700, 1.2e-3, 0.35),
)
ZOO = {
    "q3vl-deep": ZooRecipe("qwen3-vl", "target", 24, 100, 2e-4, 21),
    "q3vl-moe": ZooRecipe("qwen3-vl", "target", 12, 100, 3e-4, 22, experts=True),
    "q3vl-2l": ZooRecipe("qwen3-vl", "draft", 2, 1100, 2e-3, 31),
    "q3vl-3l": ZooRecipe("qwen3-vl", "draft", 3, 800, 2e-3, 32),
    "r4b-2l": ZooRecipe("r4b", "draft", 2, 800, 2e-3, 33),
    "mimo-3l": ZooRecipe("mimo-vl", "draft", 3, 1100, 2e-3, 34),
}
