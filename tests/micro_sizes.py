"""Sizes of the micro world for tests."""

from dreamr.config import Clusters, Micro


def micro_size(seed: int, questions: int, training_questions: int) -> Micro:
    """About `questions` of each benchmark."""
    mathverse, mmbench = (max(1, round(questions / each)) for each in (5, 4))
    clusters = Clusters(mathverse=mathverse, mmbench=mmbench, realworldqa=questions, mmmu=questions)
    return Micro(folder="micro", seed=seed, clusters=clusters, training_questions=training_questions)
