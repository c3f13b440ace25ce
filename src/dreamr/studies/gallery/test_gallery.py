"""The worst verdicts are those that the steps say."""

from factories import judged_steps

from dreamr.studies.gallery.tables import worst

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


def test_the_worst_verdicts_are_shown() -> None:
    chosen = worst(judged_steps(), "dreamr")
    assert (chosen.groupby(["target", "draft", "kind"]).size() == 2).all()
    accepts = chosen[(chosen.kind == "wrong, accepted") & (chosen.target == PAIR["target"])]
    accepts = accepts[accepts.draft == PAIR["draft"]]
    rows = judged_steps()[lambda steps: (steps.target == PAIR["target"]) & (steps.draft == PAIR["draft"])]
    rows = rows[rows.method == "dreamr"]
    assert accepts.verdict.max() == rows[(rows.right == 0) & (rows.accepted == 1)].verdict.max()
