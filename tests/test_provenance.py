import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr import provenance
from dreamr.config import Method, Sampling
from dreamr.models.cards import model_digest
from dreamr.provenance import code_digest, file_digest, settings_in_use, spec_digest

FILES = {
    "dreamr/__init__.py": "",
    "dreamr/records.py": "MARK = 1\n",
    "dreamr/steps.py": "from dreamr.records import MARK\n\n\ndef split(text):\n    return text.split()\n",
    "dreamr/cli/__init__.py": "",
    "dreamr/cli/job.py": "def main():\n    from dreamr import steps\n\n    return steps\n",
    "dreamr/cli/near.py": "from ..steps import split\n",
    "dreamr/methods/__init__.py": "LIMIT = 3\n",
    "dreamr/methods/fast.py": "from dreamr.steps import split\n",
    "dreamr/methods/slow.py": "from dreamr import methods\n",
}


def package(folder: Path, **edits: str) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(edits.get(path.stem if path.stem != "__init__" else path.parent.name, text))
    return folder


@pytest.mark.parametrize("module", ["dreamr.cli.job", "dreamr.cli.near", "dreamr.methods.fast"])
@pytest.mark.parametrize("edited", ["records", "steps", "dreamr"])
def test_an_edit_anywhere_in_the_closure_changes_the_digest(tmp_path: Path, module: str, edited: str) -> None:
    before = code_digest(module, sources=package(tmp_path / "a"))
    assert before == code_digest(module, sources=package(tmp_path / "b"))
    assert before != code_digest(module, sources=package(tmp_path / "c", **{edited: "MARK = 2\nsplit = 3\n"}))


def test_a_file_outside_the_closure_does_not_count(tmp_path: Path) -> None:
    before = code_digest("dreamr.methods.fast", sources=package(tmp_path / "a"))
    after = package(tmp_path / "b", slow="import os\n", job="x = 1\n")
    assert before == code_digest("dreamr.methods.fast", sources=after)


def test_packages_of_a_module_count(tmp_path: Path) -> None:
    before = code_digest("dreamr.methods.fast", sources=package(tmp_path / "a"))
    assert before != code_digest("dreamr.methods.fast", sources=package(tmp_path / "b", methods="LIMIT = 4\n"))


def test_comments_docstrings_and_layout_do_not_count(tmp_path: Path) -> None:
    told = '"""Steps."""\nfrom dreamr.records import (\n    MARK,\n)\n# why\ndef split(text):\n    """Split."""\n'
    told += "    return (\n        text.split()\n    )\n"
    before = code_digest("dreamr.cli.job", sources=package(tmp_path / "a"))
    assert before == code_digest("dreamr.cli.job", sources=package(tmp_path / "b", steps=told))


def test_left_out_code_does_not_count(tmp_path: Path) -> None:
    def digest(folder: Path) -> str:
        return code_digest("dreamr.cli.job", leave_out=("dreamr.records",), sources=folder)

    assert digest(package(tmp_path / "a")) == digest(package(tmp_path / "b", records="MARK = 2\n"))
    assert digest(package(tmp_path / "a")) != digest(package(tmp_path / "c", steps="MARK = 2\n"))


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(ValueError, match=r"dreamr\.nothing"):
        code_digest("dreamr.nothing")


def test_the_closure_is_what_python_loads() -> None:
    closure = provenance.import_closure(("dreamr.engines.chat",), (), provenance.SOURCES)
    assert set(closure) == {
        *("dreamr", "dreamr.engines", "dreamr.engines.chat", "dreamr.prompts", "dreamr.records"),
        *("dreamr.errors", "dreamr.files"),
    }


DIGEST_ALL = """
import ast
import time
from dreamr import provenance
from dreamr.planning.plan import DIGEST_EXCLUDED
modules = [
    ".".join(path.relative_to(provenance.SOURCES).with_suffix("").parts)
    for path in provenance.SOURCES.glob("dreamr/**/*.py")
    if path.name != "__init__.py" and not path.name.startswith("test_")
]
start = time.process_time()
for path in provenance.SOURCES.glob("dreamr/**/*.py"):
    ast.dump(ast.parse(path.read_text(encoding="utf-8")))
parsed = time.process_time()
for module in modules:
    provenance.code_digest(module, leave_out=DIGEST_EXCLUDED)
print((time.process_time() - parsed) / (parsed - start))
"""


def test_all_modules_are_digested_in_no_time() -> None:
    """Each is parsed once, whatever imports it, so it takes little more than parsing all of them: a second or two.

    In a process of its own, as while the workflow is read: that of all tests collects a large heap meanwhile.
    """
    done = subprocess.run([sys.executable, "-c", DIGEST_ALL], check=True, capture_output=True, text=True)
    assert 0 < float(done.stdout) < 3  # times what parsing takes on this machine


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values))
def test_key_order_of_a_spec_does_not_count(spec: dict) -> None:
    assert spec_digest(spec) == spec_digest(dict(reversed(spec.items())))


@given(st.dictionaries(st.text(), json_values), st.text(), json_values)
def test_a_further_setting_changes_the_digest(spec: dict, key: str, value: object) -> None:
    rest = {name: kept for name, kept in spec.items() if name != key}
    assert spec_digest(rest) != spec_digest({**rest, key: value})


def test_a_changed_setting_changes_the_digest() -> None:
    def method(alpha: float) -> Method:
        return Method(loop="fpsr", verifier="cpn", alpha=alpha, window=4, target_speculation="all", continues=True)

    assert spec_digest({"a": method(0.7)}) == spec_digest({"a": method(0.7)}) != spec_digest({"a": method(0.9)})


class Later(Sampling):
    """Settings as a later version may have them."""

    margin: float | None = None
    lazy: bool = False
    marks: tuple[str, ...] = ()


class Louder(Sampling):
    style: str = "plain"


def test_a_new_setting_reruns_only_what_turns_it_on() -> None:
    given = {"temperature": 0, "top_p": 1, "top_k": -1, "seed": 0}
    given |= {"step_tokens": 40, "answer_tokens": 240, "concurrency": 8}
    before = spec_digest([Sampling(**given)])
    assert spec_digest([Later(**given)]) == before
    for on in ({"margin": 0.0}, {"lazy": True}, {"marks": ("a",)}, {"temperature": 0.1}):
        assert spec_digest([Later(**given | on)]) != before, on
    assert spec_digest([Louder(**given)]) != before, "a default that says something is said"
    del given["temperature"]
    assert "temperature" in settings_in_use(Sampling(**given, temperature=0.0)), "0 is off only by default"


def test_what_is_no_spec_is_refused() -> None:
    with pytest.raises(TypeError, match="no part of a spec"):
        spec_digest({"when": object()})


def test_a_model_is_its_weights_and_settings_not_its_card(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    before = model_digest(tmp_path)
    (tmp_path / "card.json").write_text('{"seconds": 3}')
    (tmp_path / "training.csv").write_text("step\n")
    assert model_digest(tmp_path) == before
    (tmp_path / "config.json").write_text('{"layers": 3}')
    assert model_digest(tmp_path) != before


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="safetensors"):
        model_digest(tmp_path)


def test_a_file_digest_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_digest(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_versions_and_device_are_told() -> None:
    assert {"python", "pydantic"} <= set(provenance.versions())
    assert provenance.device("cpu")
    assert provenance.cores() >= 1
