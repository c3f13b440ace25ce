"""Write schema.json, by which an editor checks and completes configuration files.

    dreamr make-schema --out .

Nothing is required in it: a file may lie over another.
"""

import json
from pathlib import Path
from typing import Any

from dreamr.config import Config
from dreamr.files import write_atomically
from dreamr.runtime.endings import exit_on_user_error


@exit_on_user_error()
def main(*, out: Path = Path()) -> None:
    """Write the schema.

    Args:
        out: folder of the configuration file
    """
    write_atomically(out / "schema.json", json.dumps(schema(), indent=1) + "\n")


def schema() -> dict[str, Any]:
    """Of `Config`, with all of it optional; a run may be null, which takes it out."""
    whole: dict[str, Any] = _optional(Config.model_json_schema(by_alias=True))
    runs = whole["properties"]["runs"]["patternProperties"]
    runs |= {name: {"anyOf": [run, {"type": "null"}]} for name, run in runs.items()}
    return whole


def _optional(part: Any) -> Any:
    """Without what requires; a part of a model then fits several makers, and one of them will do."""
    if isinstance(part, list):
        return [_optional(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _optional(one) for key, one in part.items() if key not in ("required", "discriminator", "oneOf")}
    return kept | ({"anyOf": _optional(part["oneOf"])} if "oneOf" in part else {})
