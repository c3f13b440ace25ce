"""Which questions a model cannot read whole, found before any is answered: by its own processor, to the token."""

from collections.abc import Sequence

from dreamr.answering.questions import Asked
from dreamr.engines.protocol import Reader, Refused
from dreamr.methods.protocol import Limits
from dreamr.traces import Fit


async def read_tokens(engine: Reader, asked: Asked) -> int | None:
    """How many tokens a question is to a model; None where it does not take the question at all."""
    try:
        return len(await engine.prompt_tokens(asked.prompt))
    except Refused:  # told to whoever asks for an answer, and recorded there
        return None


def fit(model: str, tokens: int | None, limits: Limits, context_tokens: int) -> Fit:
    """How a question of so many tokens fits `model`.

    "yes" holds for an answer that spends its whole budget, with one step more for what a verdict adds. What another
    family wrote may be more tokens to this one, so even then a request can be refused, though hardly one will be.
    """
    if tokens is None:
        return Fit(model=model, tokens=None, fits="no")
    longest = tokens + limits.answer_tokens + limits.step_tokens
    return Fit(
        model=model,
        tokens=tokens,
        fits="no" if tokens >= context_tokens else "yes" if longest <= context_tokens else "perhaps",
    )


def in_words(model: str, fits: Sequence[Fit], context_tokens: int) -> str:
    """What was found of one model, for the log."""
    counts = {kind: sum(fit.fits == kind for fit in fits) for kind in ("no", "perhaps")}
    longest = max((fit.tokens for fit in fits if fit.tokens is not None), default=0)
    return (
        f"{model}: {len(fits)} questions of up to {longest} tokens; with context_tokens {context_tokens} "
        f"{counts['no']} will be refused, {counts['perhaps']} where their answer is long"
    )
