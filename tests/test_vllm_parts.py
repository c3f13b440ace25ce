"""What the vLLM engine does by itself, without vLLM."""

import asyncio
import math
import os
import sys
from itertools import accumulate
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr.config import EngineSpec, ImageSize, ModelRef, Sampling
from dreamr.engines.protocol import Refused
from dreamr.engines.vllm import engine as vllm
from dreamr.engines.vllm.inputs import Vocabulary, pieces
from dreamr.engines.vllm.launch import Ngram, engine_arguments, environment, visible_devices
from dreamr.engines.written import Written
from dreamr.errors import UserError
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.verifiers.align import AlignVerifier
from dreamr.verifiers.cpn import CpnVerifier
from dreamr.verifiers.protocol import Verifier
from dreamr.verifiers.score import ScoreVerifier

words = st.lists(st.sampled_from(["a", " b", "\n", "\n\n", ".\n\n", "\n\n\n", "Row", " 1"]), max_size=20)


@given(words)
def test_pieces_are_the_text(texts: list[str]) -> None:
    found = pieces("".join(texts))
    assert "".join(found) == "".join(texts)
    assert all(piece.endswith(STEP_BREAK) for piece in found[:-1]) and all(found)


@given(words, words)
def test_a_step_more_leaves_earlier_pieces_as_they_are(before: list[str], step: list[str]) -> None:
    answer = "".join([*before, "x", STEP_BREAK])
    found = pieces(answer)
    assert pieces(answer + "x" + "".join(step))[: len(found)] == found


@given(words, st.integers(1, 6))
def test_a_stream_of_tokens_falls_into_its_steps(texts: list[str], cap: int) -> None:
    """Each step ends at the first stop string behind the step before, at the cap, or with the request."""
    written = Written(texts.__getitem__, STEP_BREAK, "", (), cap)
    steps, sizes = [], []
    for token in range(len(texts)):
        step = written.add(token, "end" if token == len(texts) - 1 else None)
        if step:
            steps.append(step)
            sizes.append(step.tokens)
            written.next_step(cap)
    assert sum(sizes) == len(texts)
    for step, end in zip(steps, accumulate(sizes), strict=True):
        text = "".join(texts[end - step.tokens : end])
        assert step.text == text.partition(STEP_BREAK)[0]
        assert (step.finish == "stop") == (STEP_BREAK in text)
        assert step.tokens <= cap
        assert step.finish != "length" or step.tokens == cap
    assert not steps or steps[-1].finish == ("stop" if STEP_BREAK in "".join(texts[-sizes[-1] :]) else "end")


def test_a_piece_is_what_a_new_request_would_tokenize_as_one() -> None:
    texts = ["Row", " 1", ".\n\n", "So", " 2", "\n\n\n", "x"]
    written = Written(texts.__getitem__, STEP_BREAK, "I say: ", (90, 91), 2)
    seen = []
    for token in range(len(texts)):
        if written.add(token, None):
            seen.append((written.piece, written.piece_ids.copy()))
            written.next_step(2)
    assert seen == [
        ("I say: Row 1", [90, 91, 0, 1]),
        ("I say: Row 1.\n\n", [90, 91, 0, 1, 2]),
        ("So 2", [3, 4]),
        ("So 2\n\n", [3, 4, 5]),
    ]
    assert written.text == "Row 1.\n\nSo 2\n\n"


@given(st.lists(st.floats(-60, 0), min_size=1, max_size=8))
def test_log_sum_exp(values: list[float]) -> None:
    assert vllm._log_sum_exp(values) == pytest.approx(math.log(math.fsum(map(math.exp, values))))


def test_log_sum_exp_of_nothing_and_of_no_number() -> None:
    assert vllm._log_sum_exp([-math.inf, -math.inf]) == -math.inf
    assert vllm._log_sum_exp([-math.inf, -1.0]) == -1.0
    assert math.isnan(vllm._log_sum_exp([math.nan, -1.0])) and math.isnan(vllm._log_sum_exp([-1.0, math.nan]))


class Overflown(vllm.VllmEngine):
    """An engine that has a verdict's log-probabilities from its maker, the last one again and again."""

    def __init__(self, *logprobs: float) -> None:
        self.name, self._ngram, self._model = "big", None, SimpleNamespace(engine=EngineSpec(dtype="float16"))
        self._words = SimpleNamespace(variants=lambda keywords: tuple((place,) for place in range(len(keywords))))
        self._logprobs = [*logprobs, *[logprobs[-1]] * 9]

    def _params(self, *_: object, **__: object) -> None:
        return None

    async def _last(self, *_: object) -> SimpleNamespace:
        found = {place: SimpleNamespace(logprob=value) for place, value in enumerate(self._logprobs)}
        return SimpleNamespace(outputs=[SimpleNamespace(logprobs=[found])])


@pytest.mark.parametrize("judge", [CpnVerifier(0.7), AlignVerifier(0.5), ScoreVerifier(7)])
def test_a_verdict_that_is_no_number_is_refused_by_every_verifier(
    judge: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the step, the type that overflows, and the one that does not."""
    kinds = SimpleNamespace(RequestOutputKind=SimpleNamespace(FINAL_ONLY=0))
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", kinds)
    prefix = Prompt("Sum?", (), "Row 1.\n\n")
    for logprobs in ((math.nan,), (-1.0, math.nan), (math.nan, -1.0), (-math.inf,)):
        with pytest.raises(
            Refused, match=r"big: no verdict on the step 'So 7\.', as .*: float16 overflows, use bfloat16"
        ):
            asyncio.run(judge(Overflown(*logprobs), prefix, "So 7.", "So 7."))
    verdict = asyncio.run(judge(Overflown(-math.inf, -1.0), prefix, "So 7.", "So 7."))
    assert not verdict.accepted, "one keyword without any probability is a number like others"


def test_a_seed_is_the_prompts_own() -> None:
    one = Prompt("Sum?", ("/here/images/a.png",), "Row 1.\n\n")
    assert vllm._seed(0, one) == vllm._seed(0, Prompt("Sum?", ("/there/images/a.png",), "Row 1.\n\n"))
    others = [Prompt("Sum?", ("a.png",), "Row 1.\n\n"[:n]) for n in range(8)] + [Prompt("Sum", ("a.png",))]
    assert len({vllm._seed(0, prompt) for prompt in [one, *others]}) == 10
    assert vllm._seed(1, one) != vllm._seed(0, one)


@pytest.mark.parametrize(
    ("allocated", "asked", "seen"),
    [(None, (1, 2), "1,2"), ("4,5,7", (0, 2), "4,7"), ("GPU-a,GPU-b", (1,), "GPU-b"), ("3", (), "3"), (None, (), None)],
)
def test_engines_see_their_share_of_the_jobs_gpus(
    monkeypatch: pytest.MonkeyPatch, allocated: str | None, asked: tuple[int, ...], seen: str | None
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allocated:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allocated)
    with visible_devices(asked):
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == allocated


def test_gpus_that_the_job_does_not_have_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    with pytest.raises(UserError, match=r"devices \(0, 2\).*4,5"), visible_devices((0, 2)):
        pass


def arguments(device: str, ngram: Ngram | None = None, **more: int) -> dict:
    spec = EngineSpec(dtype="bfloat16", tensor_parallel=2, devices=(0, 1), memory=0.4, **more)
    model = ModelRef(name="m", engine=spec, thinking=False, trust_remote_code=False, digest="d")
    limits = {"step_tokens": 40, "answer_tokens": 240, "concurrency": 16}
    sampling = Sampling(temperature=0, top_p=1, top_k=-1, seed=5, **limits)
    size = ImageSize(min_pixels=784, max_pixels=65536)
    settings = SimpleNamespace(generation=sampling, images=size, context_tokens=512, device=device)
    return engine_arguments("models/m", model, settings, ngram)


class Pieces:
    """A tokenizer that cuts off the longest known piece first."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = [*pieces, *map(chr, range(128))]

    def get_vocab(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self._pieces)}

    def batch_decode(self, ids: list[list[int]]) -> list[str]:
        return [self._pieces[token] for (token,) in ids]

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        found = []
        while text:
            piece = max(filter(text.startswith, self._pieces), key=len)
            found.append(self._pieces.index(piece))
            text = text.removeprefix(piece)
        return found


def test_a_keyword_without_a_token_of_its_own_is_told_by_its_first() -> None:
    """As with Qwen's vocabulary, which has "aligned" and no "unaligned"."""
    words = Vocabulary(Pieces("aligned", " aligned", "un", "Un", "UN", " un"), "m")  # " Un" begins with a mere blank
    aligned, unaligned = words.variants(("aligned", "unaligned"))
    assert (set(aligned), set(unaligned)) == ({0, 1}, {2, 3, 4, 5})


def test_keywords_that_begin_alike_are_named() -> None:
    words = Vocabulary(Pieces("un"), "m")
    with pytest.raises(ValueError, match="unaligned, unlike begin with the same token"):
        words.variants(("unaligned", "unlike"))


def test_the_same_spec_serves_both_devices() -> None:
    cpu, gpu = arguments("cpu"), arguments("cuda")
    assert cpu["block_size"] == 32 and cpu["enforce_eager"] and "tensor_parallel_size" not in cpu
    assert gpu["tensor_parallel_size"] == 2 and gpu["gpu_memory_utilization"] == 0.4 and "enforce_eager" not in gpu
    shared = {"dtype": "bfloat16", "max_model_len": 512, "seed": 5, "enable_prefix_caching": True}
    assert shared.items() <= cpu.items() and shared.items() <= gpu.items()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_step_of_the_engine_takes_as_many_tokens_as_the_setting_says(device: str) -> None:
    """Not as many as vLLM would choose by itself: that depends on device and memory."""
    assert arguments(device)["max_num_batched_tokens"] == 4096
    assert arguments(device, batched_tokens=8192)["max_num_batched_tokens"] == 8192
    assert arguments(device)["max_num_seqs"] == 256
    with pytest.raises(ValueError, match="greater than or equal to 256"):
        arguments(device, batched_tokens=255)


def test_on_gpus_engines_are_started_anew_never_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first engine of a job may have used CUDA in this process when the second starts."""
    monkeypatch.setenv("VLLM_WORKER_MULTIPROC_METHOD", "fork")
    assert environment("cuda")["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    assert environment("cpu")["VLLM_WORKER_MULTIPROC_METHOD"] == "fork"


def test_an_engine_on_a_cpu_has_one_thread_unless_more_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert environment("cpu")["OMP_NUM_THREADS"] == "1"
    assert environment("cpu", 2)["OMP_NUM_THREADS"] == environment("cpu", 2)["NUMBA_NUM_THREADS"] == "2"
    assert environment("cuda", 2)["OMP_NUM_THREADS"] == "16"


def test_ngram_speculation_is_asked_for() -> None:
    assert "speculative_config" not in arguments("cpu")
    found = arguments("cpu", Ngram(5, 2, 4))["speculative_config"]
    assert found == {"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_min": 2, "prompt_lookup_max": 4}


def test_on_gpus_all_that_is_timed_is_scheduled_alike() -> None:
    """vLLM schedules ahead, but not with n-grams: their baseline would be faster for that."""
    assert all(arguments("cuda", ngram)["async_scheduling"] is False for ngram in (None, Ngram(5, 2, 4)))
    assert "async_scheduling" not in arguments("cpu")


@pytest.mark.models
@pytest.mark.parametrize(("temperature", "kind"), [(0.0, "GREEDY"), (0.6, "RANDOM_SEED")])
def test_a_greedy_request_has_no_generator_for_its_seed(temperature: float, kind: str) -> None:
    """vLLM's runner makes one for a request of the second kind alone (gpu_model_runner.py, line 1259)."""
    from vllm import SamplingParams

    assert SamplingParams(temperature=temperature, seed=5).sampling_type.name == kind


@pytest.mark.models
def test_a_gpu_samples_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA vLLM would have FlashInfer compile its sampler, which this build lacks, so that to ask for it is seen."""
    from vllm.v1.sample.ops import topk_topp_sampler as sampling

    monkeypatch.setattr(sampling, "current_platform", SimpleNamespace(is_cuda=lambda: True, is_cpu=lambda: True))
    told = environment("cuda")
    monkeypatch.setenv("VLLM_USE_FLASHINFER_SAMPLER", told.pop("VLLM_USE_FLASHINFER_SAMPLER"))
    sampler = sampling.TopKTopPSampler()
    assert sampler.forward == sampler.forward_native
    monkeypatch.delenv("VLLM_USE_FLASHINFER_SAMPLER")
    with pytest.raises(ModuleNotFoundError, match="flashinfer"):
        sampling.TopKTopPSampler()
