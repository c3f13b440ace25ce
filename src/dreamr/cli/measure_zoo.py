"""Measure the models of the micro zoo on handwriting that no training saw.

    dreamr measure-zoo --zoo workflow/resources/zoo

Writes ZOO/measured.json: for each model the share of right answers, in all and by benchmark, and of right steps; for
each target also how well rho tells right from wrong among the drafts' own steps (area under the ROC, acceptance).
"""

import json
from pathlib import Path
from typing import Any

from dreamr.runtime.endings import worded


@worded()
def main(*, zoo: Path, rounds: int = 8, seed: int = 5, threads: int = 1) -> None:
    """Write what the models can do.

    Args:
        zoo: folder with one folder per model
        rounds: of questions, about 18 each
        seed: of the questions
        threads: of this process
    """
    import torch

    from dreamr.micro.measuring import answering, judging, loaded, unseen
    from dreamr.micro.zoo import ZOO, verify

    torch.set_num_threads(threads)
    questions, steps = unseen(seed, rounds), []
    report: dict[str, dict[str, Any]] = {}
    for name in sorted(ZOO, key=lambda name: ZOO[name].role):  # drafts first: targets judge their steps
        verify(zoo / name)
        model = loaded(zoo / name)
        report[name], written = answering(*model, questions)
        if ZOO[name].role == "draft":
            steps += written
        else:
            report[name]["judging"] = judging(*model, steps)
        print(name, report[name], flush=True)
    text = json.dumps({"questions": len(questions), "seed": seed, "models": report}, indent=2)
    (zoo / "measured.json").write_text(text + "\n", encoding="utf-8")
