"""Measure the models of the micro zoo on handwriting that no training saw.

    python -m zoo.measure --zoo workflow/resources/zoo

Writes ZOO/measured.json: for each model the share of right answers, in all and by benchmark, and of right steps; for
each target also how well rho tells right from wrong among the drafts' own steps (area under the ROC, acceptance).
"""

import argparse
import json
from pathlib import Path
from typing import Any

from dreamr.micro.zoo import verify
from dreamr.runtime.endings import exit_on_user_error
from zoo.recipes import ZOO


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m zoo.measure", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--zoo", type=Path, required=True, help="folder with one folder per model")
    parser.add_argument("--rounds", type=int, default=8, help="of questions, about 18 each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=5, help="of the questions (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    return parser.parse_args()


@exit_on_user_error()
def main() -> None:
    options = arguments()
    import torch

    from zoo.measuring import answering, judging, loaded, unseen

    torch.set_num_threads(options.threads)
    questions, steps = unseen(options.seed, options.rounds), []
    report: dict[str, dict[str, Any]] = {}
    for name in sorted(ZOO, key=lambda name: ZOO[name].role):  # drafts first: targets judge their steps
        verify(options.zoo / name)
        model = loaded(options.zoo / name)
        report[name], written = answering(*model, questions)
        if ZOO[name].role == "draft":
            steps += written
        else:
            report[name]["judging"] = judging(*model, steps)
        print(name, report[name], flush=True)
    text = json.dumps({"questions": len(questions), "seed": options.seed, "models": report}, indent=2)
    (options.zoo / "measured.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
