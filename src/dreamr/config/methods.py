"""Methods: who writes, who judges, and what an answer may take."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, model_validator

from dreamr import components
from dreamr.config.base import PLAIN, Count, LoopName, Name, NotNegative, Share, Spec, VerifierName
from dreamr.config.calibration import Alpha, Guarantee

TargetSpeculation = Literal["all", "frontier", "none"]  # of which undecided steps the target writes its own version
JUDGED = {
    "step": "one step, right or wrong",
    "answer": "a whole answer, right or wrong",
    "versions": "two versions of a step, the draft's and the target's",
}


class Method(Spec):
    """One way to answer a question. An ablation is one more method."""

    loop: LoopName = Field(
        description="How draft and target take turns: a module in `src/dreamr/methods`, or by a name with a dot one of "
        "your own, beside the configuration file."
    )
    draft: Name = Field(
        default=PLAIN,
        description="`plain`, the draft as it is, or a recipe of `sapo.recipes`, the draft that it trains.",
    )
    verifier: VerifierName | None = Field(
        default=None,
        description="How steps are judged: `cpn` (DREAM-R), `score` or `score_mean` (SpecReason), `align` (Lookahead "
        "Reasoning), `oracle`, the micro world's step oracle with set errors, or `bernoulli`, which asks the target "
        "and accepts a set share of steps whatever it says. By a name with a dot, a module of your own.",
    )
    alpha: Alpha = Field(
        default=None,
        description="Threshold of a verdict, between 0 and 1. cpn: a step is accepted if rho > alpha; align: if "
        "p(aligned) > alpha. Or a guarantee, such as `{risk: 0.03, confidence: 0.95, problems: 2000}`: then it is "
        "calibrated on each pair.",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=9,
        description="score: a step is accepted if its likeliest digit, 0 to 9, is at least this; score_mean: if the "
        "mean of the ten digits, each weighted by its probability, is.",
    )
    false_accept: Share | None = Field(
        default=None, description="oracle: the share of wrong steps that it accepts, 0 to 1."
    )
    false_reject: Share | None = Field(
        default=None, description="oracle: the share of right steps that it rejects, 0 to 1."
    )
    acceptance: Share | None = Field(
        default=None, description="bernoulli: the probability with which it accepts a step, 0 to 1."
    )
    window: Count | None = Field(
        default=None,
        description="Most draft steps ahead of the committed answer. The paper's is 4 (by a digest, not checked "
        "against the paper); the published depth of Lookahead Reasoning is 5 here.",
    )
    target_speculation: TargetSpeculation | None = Field(
        default=None,
        description="fpsr: of which undecided steps the target writes its own version before the verdict: of `all` in "
        "the window, of the first alone (`frontier`), of `none`. It changes times, no text.",
    )
    continues: bool | None = Field(
        default=None,
        description="fpsr, lookahead: whether the target writes on behind a step of its own (true) or is asked anew "
        "for each (false). It changes times, no text.",
    )
    ngram_tokens: Count | None = Field(
        default=None, description="spec_decoding: tokens that are proposed in a step of the engine."
    )
    ngram_lookup: tuple[Count, Count] | None = Field(
        default=None,
        description="spec_decoding: fewest and most tokens at the end of the text that are looked up in it.",
    )
    proposed_tokens: Count | None = Field(
        default=None, description="draft_model: tokens that the draft proposes before the target checks them."
    )
    threads: int | None = Field(
        default=None,
        ge=2,
        description="target_only: threads of an engine of its own on a CPU; null: one thread, as all others have.",
    )
    own: dict[str, bool | int | float | str] = Field(
        default={}, description="Settings that a loop or a verifier of one's own declares, by name."
    )
    budget: Count = Field(default=1, description="Longest answer, in multiples of `generation.answer_tokens`.")
    steps_per_verdict: int | None = Field(
        default=None,
        ge=2,
        description="specreason, fpsr: so many steps are drafted, judged by one request, and accepted, or replaced by "
        "as many of the target's; null: one. `window` counts such units then.",
    )
    answers: Literal["target"] | None = Field(
        default=None,
        description="specreason, fpsr: `target` rejects every draft step that holds the answer line; null: either "
        "model may end the answer.",
    )

    def __hash__(self) -> int:
        """Of all settings; `own` has no hash."""
        return hash(self.model_dump_json())

    @property
    def declared(self) -> components.Loop:
        """What its loop declares."""
        return components.loop(self.loop)

    @property
    def guarantee(self) -> Guarantee | None:
        """What is promised of its threshold, if that is still to be calibrated."""
        return self.alpha if isinstance(self.alpha, Guarantee) else None

    @property
    def needs_draft(self) -> bool:
        """Whether a draft takes part."""
        return self.declared.draft

    @property
    def needs_target(self) -> bool:
        """Whether the target takes part."""
        return self.declared.target

    @property
    def batched(self) -> Self:
        """What writes the same text with the least work, for many questions at once; methods of one text share it."""
        if self.declared.batched is None:
            return self
        loop = components.loop(self.declared.batched)
        changes_no_text = (self.declared.settings | self.declared.may_set) - (loop.settings | loop.may_set)
        own = {name: value for name, value in self.own.items() if name not in changes_no_text}
        off = dict.fromkeys(changes_no_text & OPTIONAL)
        return self.model_copy(update={"loop": self.declared.batched, "own": own, **off})

    @property
    def asks_about_a_step(self) -> bool:
        """Whether the target is asked whether single steps are right."""
        return self.declared.judges == "step" and self.steps_per_verdict is None and not self.asks_oracle

    @property
    def asks_oracle(self) -> bool:
        """Whether the micro world's step oracle gives the verdicts in the target's place."""
        return self.verifier is not None and not components.verdicts(self.verifier).by_target

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Each loop has exactly the settings it reads, so that no setting is without effect."""
        loop, verdicts = self.declared, components.verdicts(self.verifier) if self.verifier else None
        if verdicts and loop.judges and not verdicts.fits(loop.judges):
            assert verdicts.judges, "else it would fit"
            known = components.VERIFIERS.names()
            fitting = [name for name in known if components.verdicts(name).fits(loop.judges)]
            raise ValueError(
                f"verifier {self.verifier!r} judges {JUDGED[verdicts.judges]}, loop {self.loop!r} asks about "
                f"{JUDGED[loop.judges]}; it takes {', '.join(fitting)}"
            )
        if self.asks_oracle and self.steps_per_verdict:
            raise ValueError(f"verifier {self.verifier!r} knows of single steps alone: no steps_per_verdict with it")
        if loop.batched:
            components.loop(loop.batched)
        needs, given = loop.settings | (verdicts.settings if verdicts else frozenset()), self._given
        for kind, names in (("needs", needs - given), ("does not take", given - needs - loop.may_set)):
            if names:
                raise ValueError(
                    f"loop {self.loop!r} with verifier {self.verifier!r} {kind} {_listed(names)}; "
                    f"it takes {_listed(needs | loop.may_set) or 'no setting'}"
                )
        return self

    @property
    def _given(self) -> set[str]:
        """The settings that are given, those of one's own by their own names."""
        named = {key for key in OPTIONAL if getattr(self, key) is not None}
        if ours := OPTIONAL & {*self.own}:
            raise ValueError(f"own: {_listed(ours)} stand beside `loop`, not in `own`")
        return named | {*self.own}


def _listed(settings: Iterable[str]) -> str:
    """Names of settings as they are written, those of one's own within `own`."""
    return ", ".join(sorted(name if name in OPTIONAL else f"own.{name}" for name in settings))


OPTIONAL = frozenset(key for key, field in Method.model_fields.items() if field.default is None)


class Sampling(Spec):
    """Sampling and limits, the same for every method."""

    temperature: NotNegative = Field(description="Sampling temperature; 0: always the likeliest token.")
    top_p: float = Field(gt=0, le=1, description="Sample from the likeliest tokens of this total probability; 1: off.")
    top_k: int = Field(description="Sample from so many of the likeliest tokens; -1: off.")
    seed: int = Field(description="Seed of sampling, and of the questions that a training draws.")
    step_tokens: Count = Field(description="Most tokens of a step; a longer one is cut there.")
    answer_tokens: Count = Field(description="Most tokens of an answer, all its steps together.")
    concurrency: Count = Field(description="Questions at once where none is timed.")
