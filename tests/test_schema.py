"""Types are checked, and editors are told what a configuration may hold."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from projects import ROOT

from dreamr.cli.make_schema import schema

CONFIGURATIONS = [path for path in (ROOT / "config").glob("*.yaml") if path.stem not in ("claims", "published")]


def test_types_are_checked() -> None:
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_every_configuration_fits_the_schema(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())


@pytest.mark.parametrize(
    "wrong", [{"titel": "x"}, {"methods": {"dreamr": {"loop": "fpsr", "windw": 4}}}, {"sapo": {"group": 1}}]
)
def test_an_editor_is_told_of_a_wrong_key_or_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema())
