"""What happens around the steps of a training: the schedule of the rewards, the end on request, the bar."""

from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ProgressCallback

if TYPE_CHECKING:
    from trl import GRPOTrainer

from dreamr.errors import Interrupted
from dreamr.planning.jobs import TrainJob
from dreamr.runtime.stops import Stops, say
from dreamr.sapo import rewards
from dreamr.sapo.curve import LOGGED
from dreamr.sapo.ranks import any_rank

SHOWN = ("reward", "accuracy", "acceptance")  # beside the bar


class Schedule(TrainerCallback):
    """Sets the weights of the rewards before each step."""

    def __init__(self, job: TrainJob, trainer: "GRPOTrainer") -> None:
        self._recipe, self._trainer = job.recipe, trainer

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._trainer.reward_weights = torch.tensor(
            rewards.weights(self._recipe, state.global_step, state.max_steps), dtype=torch.float32
        )


class Stop(TrainerCallback):
    """Ends a training if a rank is told to stop, with a checkpoint, between two batches: completions are not saved.

    Told again, it ends at once by Interrupted.
    """

    def __init__(self, updates: int) -> None:
        self._updates, self.told = updates, False
        Stops(self._tell, self._end).hear()

    def _tell(self) -> None:
        self.told = True
        say("\ntold to stop: the batch is finished and a checkpoint written first; told again, it ends at once\n")

    def _end(self) -> None:
        raise Interrupted("told to stop again: this batch is lost, the last checkpoint is kept")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step % self._updates == 0:
            self.told = any_rank(self.told)
            control.should_save |= self.told
            control.should_training_stop |= self.told


class Bar(ProgressCallback):
    """A bar with the remaining time and how the draft does."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        if self.training_bar is not None and logs and "reward" in logs:
            self.training_bar.set_postfix({column: f"{logs[LOGGED[column]]:.2f}" for column in SHOWN})
