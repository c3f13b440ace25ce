"""The scoring command: every rule, from JSON lines to JSON lines."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamr.cli.score import RULES, verdicts
from dreamr.errors import UserError
from dreamr.scoring.formulas import formula

ANIMALS = ["teddy bear", "rabbit", "cat", "dog"]


def score(rule: str, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    return list(verdicts(rule, [json.dumps(case).encode() for case in cases]))


def fitting(rule: str, response: str, gold: str | None = "B") -> dict[str, Any]:
    """A well-formed case of `rule`."""
    if rule == "lmms-mmbench-circular":
        return {"group": [{"index": 3 + 10**6 * k, **fitting("lmms-mmbench-row", response, gold)} for k in range(2)]}
    options = {"lmms-think": [["<think>", "</think>"]], "lmms-letters": list("ABCD")}.get(rule, ANIMALS)
    needed = {} if rule in ("free", "lmms-mmmu-open", "lmms-realworldqa", "lmms-reasoning") else {"options": options}
    return {"response": response, "gold": gold} | needed


@pytest.mark.parametrize(
    ("rule", "case", "verdict"),
    [
        ("choice", fitting("choice", "**B**"), ("B", True, False)),
        ("choice", fitting("choice", "no idea"), (None, False, True)),
        ("choice", fitting("choice", "Answer: C", None), ("C", None, False)),
        ("free", {"response": "Answer: 24/7", "gold": ["Tampa", "3.429"]}, ("24/7", True, False)),
        ("lmms-mmmu-choice", fitting("lmms-mmmu-choice", "**B**"), (None, None, True)),
        ("lmms-mmmu-choice", fitting("lmms-mmmu-choice", "DNA is not visible", "A"), ("A", True, False)),
        ("lmms-mmmu-open", {"response": "It is 0.29", "gold": "0.286"}, ([0.29], True, False)),
        ("lmms-mmbench-row", fitting("lmms-mmbench-row", "A cat is here"), ("C", False, False)),
        ("lmms-mmbench-row", fitting("lmms-mmbench-row", "?"), (None, None, True)),
        ("lmms-mmbench-static-row", fitting("lmms-mmbench-static-row", "**B**"), ("B", True, False)),
        ("lmms-mmbench-circular", fitting("lmms-mmbench-circular", "B"), (["B", "B"], True, False)),
        ("lmms-letters", fitting("lmms-letters", "Neither A nor B; it is C"), ("C", False, False)),
        ("lmms-realworldqa", {"response": "Downhill.", "gold": "Downhill"}, ("downhill", True, False)),
        ("lmms-think", fitting("lmms-think", "<think>x</think> B"), ("B", True, False)),
        ("lmms-think", fitting("lmms-think", "x</think> B", None), ("B", None, False)),
    ],
)
def test_rules(rule: str, case: dict[str, Any], verdict: tuple[Any, ...]) -> None:
    assert score(rule, case) == [dict(zip(("parsed", "correct", "unresolved"), verdict, strict=True))]


def test_reasoning_adds_a_format_score() -> None:
    case = {"response": "<think>1+1</think><answer>2</answer>", "gold": "2", "data_source": "mathverse"}
    assert score("lmms-reasoning", case) == [{"parsed": "2", "correct": True, "unresolved": False, "format_score": 1.0}]


@pytest.mark.parametrize(
    ("rule", "line", "message"),
    [
        ("free", b"{", "line 2: not JSON"),
        ("free", b"", "line 2: not JSON"),
        ("free", b"\xff", "line 2: not JSON in UTF-8"),
        ("free", b"[1]", "line 2: line: .*found: '\\[1\\]'"),
        ("free", b'{"gold": "1"}', "line 2: response: Field required"),
        ("free", b'{"response": 12, "gold": "1"}', "line 2: response: .*string.*found: '12'"),
        ("free", b'{"response": "12", "gold": 1}', "line 2: gold"),
        ("free", b'{"response": "12", "gold": []}', "line 2: gold"),
        ("free", b'{"response": "12", "glod": "1"}', "line 2: glod: Extra inputs"),
        ("choice", b'{"response": "12", "gold": "A"}', "line 2: options: Field required"),
        ("lmms-letters", b'{"response": "A", "options": ["AB"]}', "line 2: options.0"),
        ("lmms-think", b'{"response": "A", "options": [["<think>"]]}', "line 2: options.0"),
        ("lmms-mmbench-row", b'{"response": "A", "options": ["a", "b", "c", "d", "e"]}', "line 2: options"),
        ("lmms-mmbench-circular", b'{"group": []}', "line 2: group"),
        (
            "lmms-mmbench-circular",
            b'{"group": [{"index": 1, "options": ["a"], "response": ""},'
            b' {"index": 2, "options": ["a"], "response": ""}]}',
            "line 2: .*rows of several questions.*1, 2",
        ),
    ],
)
def test_a_malformed_line_stops_with_its_number(rule: str, line: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(verdicts(rule, [json.dumps(fitting(rule, "B")).encode(), line]))


def test_the_command_keeps_order_and_encoding() -> None:
    cases = [fitting("choice", "答案是 D", "D"), fitting("choice", "A\n\nB is a distractor.\u2028", "A")]
    run = subprocess.run(
        [sys.executable, "-m", "dreamr", "score", "--rule", "choice"],
        input="".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases).encode(),
        capture_output=True,
        check=True,
    )
    assert [json.loads(line)["parsed"] for line in run.stdout.splitlines()] == ["D", "A"]


PIECES = st.sampled_from(
    [*"ABCD (){}.,:;\n$=^1_-", "<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "answer is ", "Answer: "]
)
FORMULAS = st.sampled_from(
    [
        "wait ",
        "so ",
        "or ",
        "twenty-",
        "hundred and ",
        "**",
        "option ",
        "3.5",
        "1,200",
        "\\frac{1}{2}",
        "\\sqrt{",
        "rabbit",
        "not ",
        "x^2",
        "(1,2)",
        "答案",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(PIECES | FORMULAS, max_size=30).map("".join),
    st.tuples(st.lists(PIECES | FORMULAS, min_size=1, max_size=4).map("".join), st.integers(1, 20_000)).map(
        lambda piece: (piece[0] * piece[1])[:20_000]
    ),
)
GOLDS = st.sampled_from(["B", "12", "0.5", "\\frac{1}{2}", "x^2-1", "(4, 0)", "Yes", "", "Downhill", "30^\\circ", None])


def timed(rule: str, case: dict[str, Any]) -> float:
    start = time.process_time()
    score(rule, case)
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_no_text_raises_or_takes_long(rule: str) -> None:
    score(rule, fitting(rule, "x+1 = \\frac{1}{2}", "\\sqrt{2}"))  # load the libraries

    @settings(max_examples=60, deadline=None)
    @given(TEXTS, GOLDS)
    def never(text: str, gold: str | None) -> None:
        case = fitting(rule, text, gold)
        seconds = timed(rule, case)
        for _ in range(3):  # math-verify's parser builds tables when it meets a construct, and a machine may be busy
            if seconds > 0.05:
                formula.cache_clear()
                seconds = min(seconds, timed(rule, case))
        assert seconds < 0.05 * len(case.get("group", [case])), (text[:200], gold)

    never()


def test_letter_rules_take_a_millisecond_a_line() -> None:
    rules = ["choice", "lmms-mmmu-choice", "lmms-mmbench-row", "lmms-mmbench-static-row", "lmms-letters"]
    texts = [
        "B",
        "The answer is (C).",
        "Long ears.\n\nSo a rabbit.\n\nAnswer: B",
        "**D**",
        "A small furry animal, so B",
    ]
    start = time.process_time()
    for rule in rules:
        score(rule, *(fitting(rule, text) for text in texts * 40))
    assert time.process_time() - start < 1.0
