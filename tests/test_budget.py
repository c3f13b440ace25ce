"""What a plan is estimated to take: by hand, by what must follow from what, and against measured jobs."""

import itertools
import json
import math
import re
import struct
from collections import defaultdict
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import yaml
from projects import ROOT, Project, copied
from test_plan import CERTIFIED, merged, scaled

from dreamr.cli.plan import lines, main
from dreamr.config import Config, Device, EngineSpec, Size, Text
from dreamr.engines.vllm import launch
from dreamr.errors import UserError
from dreamr.machine.needed import jobs_on_models
from dreamr.planning import costs
from dreamr.planning.budget import answers, batch, estimates, questions
from dreamr.planning.costs import ServedModel, TrainedModel, quantized, weights_gb
from dreamr.planning.ends import total_hours
from dreamr.planning.limits import refuse_excess
from dreamr.planning.memory import fullest, holdings, rank_gpus
from dreamr.planning.plan import Group, Plan
from dreamr.planning.questions import problems
from dreamr.planning.site import LIMITED

ZOO = ROOT / "workflow/resources/zoo"
DEVICE = Device(
    memory_gb=50,
    bandwidth_gb=1000,
    compute_tflops=100,
    training_tflops=50,
    pass_ms=1,
    layer_ms=0.1,
    eager_layer_ms=1,
    start_seconds=60,
    loading_gb=2,
)
TEXT = Text(prompt=1000, answer=2000, longest=4000, step=100, verdict=50, accepted=0.5)
SIZE = Size(parameters=10e9, layers=40, hidden=4096, kv_heads=8, head_dim=128)


def engine(size: Size = SIZE, **settings: Any) -> ServedModel:
    return ServedModel("model", size, EngineSpec(dtype="bfloat16", memory=0.8, **settings), DEVICE, TEXT)


def seconds(config: Config) -> dict[str, float]:
    """Mean seconds of a job of each rule."""
    found = defaultdict(list)
    for job in estimates(Plan(config)):
        found[job.rule].append(job.seconds)
    return {rule: mean(times) for rule, times in found.items()}


# -- against measured jobs


@pytest.mark.parametrize(("scale", "overlays"), [("micro", []), ("smoke", ["config/smoke.yaml"])])
def test_estimates_are_near_the_times_that_were_measured(scale: str, overlays: list[str]) -> None:
    """The micro scale's numbers were chosen by parts of its jobs; the smoke scale is told only its own sizes."""
    measured = yaml.safe_load((ROOT / "workflow/resources/seconds.yaml").read_text())[scale]
    estimated = seconds(merged(*overlays))
    assert estimated.keys() == {"quantize", "train_sapo", "generate"}
    for rule, time in estimated.items():
        assert measured[rule] / 1.5 < time < measured[rule] * 1.5, rule


@pytest.mark.parametrize(
    ("scale", "kept"),
    [("depth", "reports/kept"), ("ablations", "reports/kept/ablations"), ("accuracy", "reports/kept/accuracy")],
)
def test_a_run_is_announced_by_the_times_of_the_kept_one(scale: str, kept: str) -> None:
    announced = yaml.safe_load((ROOT / "workflow/resources/seconds.yaml").read_text())[scale]
    rules = json.loads((ROOT / kept / "run.json").read_text())["rules"]
    took = {row["rule"]: row["seconds"] / row["jobs"] for row in rules if row["rule"] in announced}
    assert took == pytest.approx({rule: announced[rule] for rule in took}, abs=1) and len(took) >= 3


@pytest.mark.parametrize("name", [path.name for path in sorted(ZOO.iterdir())])
def test_sizes_of_micro_models_are_those_of_their_files(name: str) -> None:
    size, text = merged().estimates.models[name], json.loads((ZOO / name / "config.json").read_text())["text_config"]
    with (ZOO / name / "model.safetensors").open("rb") as file:
        tensors = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    counts = {key: math.prod(one["shape"]) for key, one in tensors.items() if key != "__metadata__"}
    assert size.parameters == sum(counts.values())
    keys = ("num_hidden_layers", "hidden_size", "num_key_value_heads", "head_dim")
    assert [size.layers, size.hidden, size.kv_heads, size.head_dim] == [text[key] for key in keys]
    experts = sum(count for key, count in counts.items() if ".experts." in key)
    met = text["num_experts_per_tok"] / text["num_local_experts"] if experts else 0
    assert (size.active or size.parameters) == size.parameters - experts * (1 - met)


def test_an_engine_takes_as_many_sequences_as_is_planned() -> None:
    assert costs.SEQUENCES == launch.SEQUENCES


# -- own data


def test_a_benchmark_of_one_s_own_has_as_many_questions_as_the_estimates_say() -> None:
    mine = {"adapter": "realworldqa", "path": "my/folder", "split": "test"}

    def plan(count: int, **data: Any) -> Plan:
        slices = [{"benchmark": "mathverse"}, {"benchmark": "mine"}]
        sizes = {"questions": {"mine": count}}
        return Plan(
            merged({"benchmarks": {"mine": mine | data}, "suites": {"all": {"slices": slices}}, "estimates": sizes})
        )

    group = Group("baseline", "q3vl-deep", "none", "all")
    assert [questions(plan(count), group)[0] for count in (10, 30)] == [12 * 5 + 10, 12 * 5 + 30]
    assert questions(plan(30, limit=7), group)[0] == 12 * 5 + 7
    assert any("With 42 problems" in line for line in lines(plan(30)))


def test_of_a_share_as_many_questions_are_planned() -> None:
    """To be answered, and for what the design can find."""
    slices = [{"benchmark": name, "share": [0.75, 1]} for name in ("mathverse", "realworldqa")]
    plan = Plan(merged({"suites": {"all": {"slices": slices}}}))
    assert questions(plan, Group("baseline", "q3vl-deep", "none", "all"))[0] == 12 * 5 / 4 + 16 / 4
    assert any(f"With {12 // 4 + 16 // 4} problems" in line for line in lines(plan))


def test_of_shards_and_shares_as_many_problems_count_as_are_asked() -> None:
    """Each once, whatever suites ask it; of a limit's rows too."""

    def asked(*slices: dict[str, Any], **data: Any) -> int:
        suites = {f"part-{number}": {"slices": [part], "alone": 0} for number, part in enumerate(slices)}
        run = {"targets": ["q3vl-deep"], "methods": ["target_only"], "suites": [*suites]}
        own = {"adapter": "realworldqa", "path": "my/folder", "split": "test"} | data
        return problems(
            merged(
                {"benchmarks": {"mine": own}, "estimates": {"questions": {"mine": 400}}, "suites": suites},
                {"runs": {**dict.fromkeys(merged().runs), "baseline": run}},
            )
        )["mine"]

    mine = {"benchmark": "mine"}
    quarter = mine | {"shard": [1, 4]}
    assert asked(mine) == 400 and asked(quarter) == 100 and asked(quarter, limit=80) == 20
    assert asked(quarter, quarter, mine | {"shard": [3, 4]}) == 200
    assert asked(quarter, mine | {"shard": [1, 2]}) == 200
    assert asked(mine | {"share": [0, 0.25]}, mine | {"share": [0.5, 1]}) == 300
    assert asked(mine | {"share": [0, 0.5]}, mine | {"share": [0.25, 0.5], "shard": [1, 2]}) == 200


def test_a_calibration_is_planned_with_all_of_its_candidates_and_its_target_s_answers_once() -> None:
    plan = Plan(merged(CERTIFIED))
    jobs = [job for job in estimates(plan) if job.rule in ("ask_target", "calibrate")]
    counted = [(job.rule, job.models, round(job.tokens / plan.config.estimates.text.answer)) for job in jobs]
    targets, drafts = CERTIFIED["runs"]["certified"]["targets"], CERTIFIED["runs"]["certified"]["drafts"]
    assert sorted(counted) == sorted(
        [("ask_target", target, 400) for target in targets]
        + [("calibrate", f"{draft} for {target}", 6 * 400) for target in targets for draft in drafts]
    )


# -- by hand


def test_weights_in_four_bits() -> None:
    """7 billion at 4 bits and a 16-bit scale for each 32 of them; 3 billion stay at 16 bits."""
    size = SIZE.model_copy(update={"kept": 3e9})
    assert weights_gb(quantized(size, 32)) == pytest.approx(7 * 4.5 / 8 + 3 * 2)
    assert weights_gb(size) == pytest.approx(20)


def test_a_cache_holds_what_weights_and_workspace_leave() -> None:
    """Two GPUs: 40 GB of each, 10 for weights, 3 to work in; a token takes 2 x 40 layers x 4 heads x 128 x 2 bytes."""
    two = engine(tensor_parallel=2)
    assert two.token_bytes == 2 * 40 * 4 * 128 * 2
    assert two.cached_tokens == pytest.approx((40 - 10 - 3) * 1e9 / 81920)
    assert two.at_once(512) == pytest.approx(two.cached_tokens / 3000)
    assert two.at_once(5) == 5


def test_a_step_reads_weights_and_caches() -> None:
    """One GPU: 20 GB of weights, and two sequences of 2,000 tokens with 163,840 bytes each, at 1,000 GB/s."""
    overhead = (1 + 40 * 0.1) / 1000
    assert engine().step_seconds(2) == pytest.approx(overhead + (20 + 2 * 2000 * 163840 / 1e9) / 1000)


def test_a_few_tokens_read_a_few_experts_and_many_read_all() -> None:
    mixture = engine(SIZE.model_copy(update={"active": 1e9}))
    one, many = mixture.step_seconds(1), mixture.step_seconds(50)
    assert many - one == pytest.approx((20 - 2 + 49 * 2000 * 163840 / 1e9) / 1000)


def test_the_end_of_a_batch_waits_for_the_longest_answer() -> None:
    one = engine()
    assert one.writing_seconds(4, 4) == pytest.approx(4000 * one.step_seconds(2))
    assert one.writing_seconds(400, 4) == pytest.approx(400 / 4 * 2000 * one.step_seconds(4))


def test_ranks_share_parameters_gradients_and_moments() -> None:
    draft = TrainedModel(SIZE, DEVICE, ranks=4, checkpointing=True, reference=True)
    assert draft.held_gb == pytest.approx(10 * (16 + 4) / 4)
    inputs, outputs, head = 4096 * 40, 10e9 / 40 / 4096, 151_936 * 4096
    assert draft.activations_gb(50_000) == pytest.approx(50_000 * (2 * inputs + 6 * outputs) / 1e9)
    assert draft.activations_gb(5000) == pytest.approx((5000 * 2 * inputs + 8 * head) / 1e9)
    assert draft.learning_seconds(1000, updates=2) == pytest.approx((2 * 8 + 4) * 10e9 * 1000 / 4 / 50e12)
    assert draft.handing_seconds() == pytest.approx(10)


# GB that torch's FSDPMemTracker saw on each of four ranks in an update: configurations of full size as fake tensors, 4
# answers of 9,092 tokens to a rank, activations recomputed: what is held (weights, gradients, Adam, the plain draft),
# and the most that is there at once.
SEEN_GB = {
    "qwen3-vl-2b": (9.4, 21.6),
    "qwen3-vl-4b": (20.9, 39.1),
    "r-4b": (22.8, 40.9),
    "mimo-vl-7b-rl": (39.4, 63.3),
}


@pytest.mark.parametrize("name", SEEN_GB)
def test_memory_of_a_rank_is_near_what_a_tracker_saw(name: str) -> None:
    held, most = SEEN_GB[name]
    draft = TrainedModel(paper().estimates.models[name], DEVICE, ranks=4, checkpointing=True, reference=True)
    planned, added = draft.held_gb, draft.activations_gb(4 * 9092)
    assert planned == pytest.approx(held, rel=0.15)
    assert planned + added == pytest.approx(most, rel=0.15)
    assert added == pytest.approx(most - held, rel=0.15)


def test_verdicts_wait_for_the_front_of_the_engine() -> None:
    """Many at once as long as the slower of both; one at a time for both: 8,000 tokens at 100 TFLOP/s are 1.6 s."""
    slow = DEVICE.model_copy(update={"verdict_ms": 20})
    one = ServedModel("model", SIZE, EngineSpec(dtype="bfloat16"), slow, TEXT)
    assert one.judging_seconds(8000, 50) == pytest.approx(1.6) and one.judging_seconds(8000, 100) == pytest.approx(2)
    assert one.front_seconds(100) == pytest.approx(2) and engine().front_seconds(100) == 0


def test_a_plan_with_a_slower_front_takes_longer() -> None:
    slow = {"estimates": {"devices": {name: {"verdict_ms": 40} for name in ("h200", "l40s")}}}
    for rule in ("train_sapo", "answer", "generate"):
        before, after = papers(rule), times(paper(**slow), rule)
        assert sum(after.values()) > sum(before.values()), rule
    assert times(paper(**slow), "generate")["qwen3-vl-32b"] == papers("generate")["qwen3-vl-32b"], "nothing is judged"


# -- what must follow from what


def paper(**overlay: Any) -> Config:
    return merged("config/paper.yaml", overlay)


def times(config: Config, rule: str) -> dict[str, float]:
    return {job.models: job.seconds for job in estimates(Plan(config)) if job.rule == rule}


@cache
def papers(rule: str) -> dict[str, float]:
    return times(paper(), rule)


def test_time_of_a_training_grows_with_its_questions() -> None:
    counts = (500, 1000, 4000, 10_000, 40_000)
    by_count = {count: times(paper(sapo={"questions": count}), "train_sapo") for count in counts}
    for few, many in itertools.combinations(counts, 2):
        for models, time in by_count[few].items():
            ratio = by_count[many][models] / time * few / many
            assert 0.8 < ratio < 1.05  # starts are paid for once


@pytest.mark.parametrize(
    ("overlay", "rule"),
    [
        ({"sapo": {"epochs": 7}}, "train_sapo"),
        ({"sapo": {"kl": 0.0}}, "train_sapo"),
        ({"generation": {"answer_tokens": 2000}}, "train_sapo"),
        ({"generation": {"answer_tokens": 2000}}, "generate"),
        ({"estimates": {"devices": {"l40s": {"bandwidth_gb": 3000}}}}, "generate"),
        ({"estimates": {"text": {"accepted": 0.9}}}, "generate"),
    ],
)
def test_less_work_or_a_faster_device_takes_less_time(overlay: dict[str, Any], rule: str) -> None:
    before, after = papers(rule), times(paper(**overlay), rule)
    assert sum(after.values()) < sum(before.values())
    assert all(after[models] <= time for models, time in before.items())


def of_methods(**methods: dict[str, Any]) -> dict[str, float]:
    """Seconds of a micro job by the one method that it has."""

    def job(method: str) -> Config:
        run = {"targets": ["q3vl-deep-awq"], "drafts": ["q3vl-2l"], "methods": [method], "suites": ["all"]}
        others = dict.fromkeys(("baseline", "main", "ablation", "quantization"))
        return merged("config/config.yaml", {"methods": methods, "runs": {**others, "own": run}})

    return {method: seconds(job(method))["generate"] for method in methods}


def test_dice_are_planned_at_their_own_acceptance() -> None:
    dice = {"loop": "specreason", "verifier": "bernoulli"}
    cpn = {"loop": "specreason", "verifier": "cpn", "alpha": 0.7}
    found = of_methods(
        never=dice | {"acceptance": 0}, usual=dice | {"acceptance": 0.85}, always=dice | {"acceptance": 1}, cpn=cpn
    )
    assert found["never"] > found["usual"] == found["cpn"] > found["always"]


def test_fewer_verdicts_take_less_time_and_more_is_rejected_by_each() -> None:
    four = {"loop": "specreason", "steps_per_verdict": 4}
    cpn, dice = {"verifier": "cpn", "alpha": 0.7}, {"verifier": "bernoulli", "acceptance": 0.85}
    found = of_methods(one=dice | {"loop": "specreason"}, four=dice | four, four_by_cpn=cpn | four)
    assert found["four"] < found["one"] and found["four"] < found["four_by_cpn"]  # .85 of one step, .52 of four


def test_a_batch_is_written_and_judged_at_once_where_gpus_are_apart() -> None:
    plan = Plan(paper())
    training = next(iter(plan.trainings.values()))
    parts = batch(plan, training)
    apart = next(job for job in estimates(plan) if job.parts == parts)
    together = paper(sapo={"rollouts": {"devices": [0, 1, 2, 3]}})
    same = next(job for job in estimates(Plan(together)) if job.parts == parts)
    added = apart.batches * min(parts["writing"], parts["judging"])
    assert same.seconds - apart.seconds == pytest.approx(added)


def test_shards_and_limits_count_questions() -> None:
    group = Group("main", "qwen3-vl-32b-awq", "qwen3-vl-2b", "mathverse-1")
    assert questions(Plan(paper()), group) == (math.ceil(3940 / 8), 20)
    small = Group("main", "qwen3-vl-8b-awq", "qwen3-vl-2b", "all")
    assert questions(Plan(merged("config/gpu.yaml")), small) == (100, 6)


def test_each_size_of_a_load_costs_time_and_a_larger_one_less() -> None:
    """Beside target-only, on the same questions: more at once take fewer passes."""
    working = {}
    for sizes in ([1], [8], [1, 8]):
        load = {"suites": {"all": {"alone": 0, "load": {"sizes": sizes, "blocks": 6}}}}
        plan = Plan(merged("config/config.yaml", load))
        (job,) = answers(plan, Group("quantization", "q3vl-deep", "q3vl-2l", "all"))
        working[tuple(sizes)] = job.working
    assert working[8,] < 0.7 * working[1,]
    assert working[1, 8] == pytest.approx(working[1,] + working[8,])


# -- memory


def test_ranks_take_the_gpus_that_are_left_or_share_those_of_the_rollouts() -> None:
    plan = Plan(paper())
    training = next(iter(plan.trainings.values()))
    assert rank_gpus(plan, training) == [4, 5, 6, 7]
    two = {"ranks": 2, "rollouts": {"devices": [4, 5], "tensor_parallel": 2}}
    assert rank_gpus(Plan(paper(sapo=two)), training) == [6, 7]


def test_on_two_gpus_the_draft_is_trained_where_it_writes() -> None:
    """The target has a GPU of its own, in training too, and a training is given both."""
    plan = Plan(merged("config/gpu.yaml", "config/two_gpus.yaml"))
    held = {(part.rule, part.holder): [*part.gpus] for part in holdings(plan)}
    answering = {("generate", "target"): [0], ("generate", "draft"): [1]}
    training = {("train_sapo", "target"): [0], ("train_sapo", "draft"): [1], ("train_sapo", "ranks"): [1]}
    assert held == answering | training
    assert {jobs.rule: jobs.gpus for jobs in jobs_on_models(plan)}["train_sapo"] == 2


def test_an_engine_holds_more_than_its_share() -> None:
    """A gigabyte on each of its GPUs, so that five engines on one hold five more."""
    five = [part for part in holdings(Plan(paper())) if part.models == "qwen3-vl-2b for qwen3-vl-32b-awq"]
    drafts = [part for part in five if part.rule == "generate" and part.holder == "draft"]
    assert fullest(drafts) == (4, pytest.approx(5 * (0.16 * 48 + 1)))
    larger = paper(models={"qwen3-vl-2b": {"engine": {"memory": 0.19}}})
    with pytest.raises(UserError, match=r"GPU 4 would hold 50\.6 GB, 2\.6 GB more than the 48"):
        refuse_excess(Plan(larger))


@pytest.mark.parametrize("name", ["gpu", "paper", "lab"])
def test_no_gpu_of_a_shipped_plan_holds_more_than_it_has(name: str) -> None:
    plan = Plan(scaled(name))
    by_job = defaultdict(list)
    for part in holdings(plan):
        by_job[part.rule, part.models].append(part)
    assert {rule for rule, _ in by_job} == {"train_sapo", "generate"}
    for (rule, models), parts in by_job.items():
        device = plan.config.estimates.device(LIMITED[rule])
        assert fullest(parts)[1] <= 0.96 * device.memory_gb, models


def test_a_job_is_planned_with_all_the_drafts_that_it_opens() -> None:
    parts = [part for part in holdings(Plan(paper())) if part.models == "qwen3-vl-2b for qwen3-vl-32b-awq"]
    assert sum(part.rule == "generate" and part.holder == "draft" for part in parts) == 5  # the recipes of the ablation


def test_nothing_is_held_on_a_cpu() -> None:
    assert holdings(Plan(merged())) == []


# -- refusals


REFUSED = {
    "too long a training": (
        {"sapo": {"questions": 60000}},
        ["train_sapo", "more than resources.train.hours (336)", "sapo.questions from 60000 to", "sapo.epochs"],
    ),
    "too long a quantization": ({"resources": {"quantize": {"hours": 0.5}}}, ["quantize", "awq.samples from 256 to"]),
    "too long an evaluation": ({"resources": {"generate": {"hours": 5}}}, ["generate", "9.2 h more", "more shards"]),
    "weights too large": (
        {"models": {"qwen3-vl-32b": {"engine": {"memory": 0.3}}}},
        ["generate (qwen3-vl-32b)", "lacks", "16.7 of them for weights", "`memory`"],
    ),
    "a GPU too small": ({"estimates": {"devices": {"h200": {"memory_gb": 80}}}}, ["GPU 4 would hold", "sapo.ranks"]),
    "ranks without GPUs": ({"sapo": {"ranks": 8}}, ["sapo.ranks is 8", "there are 4 GPUs"]),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_done_is_refused_with_the_numbers_to_change(why: str) -> None:
    overlay, words = REFUSED[why]
    with pytest.raises(UserError) as refused:
        refuse_excess(Plan(paper(**overlay)))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize("key", ["questions", "epochs"])
def test_what_a_refusal_proposes_is_accepted(key: str) -> None:
    asked = {"questions": 60000, "epochs": 3}
    with pytest.raises(UserError) as refused:
        refuse_excess(Plan(paper(sapo=asked)))
    proposed = float(re.search(rf"sapo\.{key} from \d+ to ([\d.]+)", str(refused.value))[1])
    refuse_excess(Plan(paper(sapo={**asked, key: int(proposed) if key == "questions" else proposed})))


@pytest.mark.parametrize("name", ["smoke", "gpu", "paper", "lab"])
def test_shipped_plans_stay_within_their_limits(name: str) -> None:
    refuse_excess(Plan(scaled(name)))


def test_the_scale_of_a_lab_takes_a_node_for_a_week_at_most() -> None:
    plan = Plan(scaled("lab"))
    assert total_hours(plan) < 8 * 7 * 24
    assert sum(job.seconds for job in estimates(plan)) < 7 * 24 * 3600
    trainings = [job for job in estimates(plan) if job.batches]
    assert len(trainings) == 6 and {job.batches for job in trainings} == {100}
    timed = {group: questions(plan, group)[1] for group in plan.groups}
    assert {sum(timed[group] for group in timed if group[:3] == pair[:3]) for pair in timed if pair.run == "main"} == {
        80
    }
    assert problems(plan.config) == {"mathverse": 197, "mmbench": 271, "realworldqa": 765, "mmmu": 900}


def test_the_scale_of_one_gpu_takes_less_than_three_hours() -> None:
    assert sum(job.seconds for job in estimates(Plan(merged("config/gpu.yaml")))) < 3 * 3600


def test_a_model_without_a_size_is_named() -> None:
    model = {"from": "hub", "id": "some/model", "revision": None, "engine": {"dtype": "bfloat16"}}
    with pytest.raises(UserError, match=r"estimates\.models: nothing is said of new"):
        merged({"models": {"new": model}})
    with pytest.raises(UserError, match=r"estimates\.questions: nothing is said of mathverse, mmbench, mmmu"):
        merged({"benchmarks": {name: {"path": f"owner/{name}"} for name in ("mathverse", "mmbench", "mmmu")}})


# -- Snakemake and the command


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copied(tmp_path)


def test_a_dry_run_of_one_gpu_trains_quantizes_answers_and_reports(project: Project) -> None:
    done = project.run("-n", "--profile", "profiles/gpu", "--resources", "gpu=1", "--configfile", "config/gpu.yaml")
    assert done.returncode == 0, done.stderr
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.M)}
    wanted = {"fetch_model": 2, "quantize": 1, "train_sapo": 1, "generate": 2, "report": 1}
    assert {rule: jobs[rule] for rule in wanted} == wanted
    assert {int(gpus) for gpus in re.findall(r"\bgpu=(\d+)", done.stdout)} - {0} == {1}


def test_a_dry_run_of_the_lab_asks_four_pairs(project: Project) -> None:
    scale = ("--configfile", "config/paper.yaml", "config/lab.yaml")
    done = project.run("-n", "--profile", "profiles/gpu", "--resources", "gpu=8", *scale)
    assert done.returncode == 0, done.stderr
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.M)}
    wanted = {"fetch_model": 4, "quantize": 1, "train_sapo": 6, "answer": 25, "generate": 25, "report": 1}
    assert {rule: jobs[rule] for rule in wanted} == wanted


def test_a_dry_run_beyond_its_limits_is_refused_while_parsing(project: Project) -> None:
    (project.folder / "long.yaml").write_text("sapo: {epochs: 150}\n")
    done = project.snakemake("-n", "--configfile", "config/paper.yaml", "long.yaml")
    assert done.returncode != 0 and "sapo.epochs from 150 to" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_the_command_prints_the_plan_and_refuses_one_beyond_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    main(configfile=(Path("config/gpu.yaml"),))
    assert "train_sapo qwen3-vl-2b for qwen3-vl-8b-awq" in capsys.readouterr().out
    (tmp_path / "long.yaml").write_text("resources: {train: {hours: 0.1}}\n")
    with pytest.raises(SystemExit, match=r"resources\.train\.hours \(0\.1\)"):
        main(configfile=(Path("config/gpu.yaml"), tmp_path / "long.yaml"))
    assert "qwen3-vl-2b for qwen3-vl-8b-awq" in capsys.readouterr().out


def test_gpus_apart_and_servers_are_shown_as_what_they_are() -> None:
    """A served engine holds none of the job's GPUs."""
    served = paper(models={"qwen3-vl-32b": {"engine": {"url": "unix:/run/target"}}})
    spread = paper(models={"qwen3-vl-2b": {"engine": {"devices": [4, 6]}}})
    assert any(line.startswith("generate   qwen3-vl-32b ") and "url: " in line for line in lines(Plan(served)))
    assert any("4,6: 2.1+" in line for line in lines(Plan(spread)))
