"""What loops, verifiers and adapters declare, and what follows from it alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from dreamr import components
from dreamr.config import Method
from dreamr.provenance import code_digest

LOOP = """from dreamr.components import Loop

LOOP = Loop(label="{label}", draft=True, target_writes="nothing")


async def answer(prompt, engines, method, limits): ...
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package of loops."""
    folder = tmp_path / "loops"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_component_is_found_by_its_module_and_one_without_declaration_is_refused(package: Path) -> None:
    (package / "own.py").write_text(LOOP.format(label="Own"))
    (package / "helper.py").write_text("LOOP = 1\n")
    kind = replace(components.LOOPS, package="loops")
    assert kind.find("own").label == "Own" and kind.names() == ["own"]
    with pytest.raises(ValueError, match="'missing': no such loop; there are: own"):
        kind.find("missing")
    with pytest.raises(ValueError, match=r"'helper': .*helper.py declares no LOOP; expected: LOOP = Loop"):
        kind.find("helper")


@pytest.mark.parametrize(
    "kind", [components.LOOPS, components.VERIFIERS, components.ADAPTERS], ids=lambda one: one.name
)
def test_every_component_has_what_is_loaded_with_it(kind: components.Kind) -> None:
    assert len(kind.names()) >= 4
    assert all(isinstance(kind.find(name), kind.type) for name in kind.names())


@pytest.mark.parametrize("loop", components.LOOPS.names())
def test_every_setting_that_a_loop_names_is_one_of_a_method(loop: str) -> None:
    declared = components.loop(loop)
    assert declared.settings | declared.may_set <= {*Method.model_fields}
    assert (declared.judges is not None) == ("verifier" in declared.settings)
    assert declared.batched is None or components.loop(declared.batched).judges == declared.judges


def test_a_changed_declaration_reruns_nothing_and_a_changed_loop_does(tmp_path: Path) -> None:
    file = tmp_path / "own.py"

    def digest(text: str) -> str:
        file.write_text(text)
        return code_digest("own", sources=tmp_path)

    before = digest(LOOP.format(label="Own"))
    assert digest(LOOP.format(label="Another")) == before
    assert digest(LOOP.format(label="Own") + "\n\nasync def answer() -> None: ...\n") != before
