"""The curve of a training: what became of the draft, batch by batch."""

import csv
from pathlib import Path
from typing import Any, Protocol

from dreamr.planning.jobs import TrainJob
from dreamr.sapo import rewards

# Columns of training.csv, beside the step and the weights, and what TRL logs them as.
LOGGED = {
    "reward": "reward",
    **{name: f"rewards/{name}/mean" for name in rewards.REWARDS},
    "acceptance": "acceptance",
    "accuracy": "rewards/outcome/mean",
    "tokens": "completions/mean_length",
    "truncated": "completions/clipped_ratio",
    "zero_spread": "frac_reward_zero_std",
    "kl": "kl",
    "entropy": "entropy",
    "grad_norm": "grad_norm",
    "logprob_gap": "sampling/sampling_logp_difference/max",  # of a token, between rollouts' engine and trainer
    "importance": "sampling/importance_sampling_ratio/mean",  # by which TRL corrects for that: 1 where there is none
    "seconds": "step_time",
    "alignment_seconds": "alignment_seconds",
}


class State(Protocol):
    """The part of transformers' `TrainerState` that a curve is made of."""

    log_history: list[dict[str, float]]
    max_steps: int


def write_curve(job: TrainJob, state: State, path: Path) -> None:
    """training.csv: one row per batch of completions, by the first optimizer step on it.

    Seconds are those of all steps on the batch. An empty cell is a quantity that this training does not have.
    """
    weighted = [f"weight_{name}" for name in rewards.REWARDS]
    rows: list[dict[str, Any]] = []
    for entry in state.log_history:
        if "reward" in entry:
            values = rewards.weights(job.recipe, int(entry["step"]) - 1, state.max_steps)
            logged = {column: entry.get(name, "") for column, name in LOGGED.items()}
            rows.append({"step": entry["step"], **logged, **dict(zip(weighted, values, strict=True))})
        elif "step_time" in entry:
            rows[-1]["seconds"] += entry["step_time"]
    with path.open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, ["step", *LOGGED, *weighted])
        table.writeheader()
        table.writerows(rows)
