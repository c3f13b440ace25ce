"""Write the JSON schemas by which editors check and complete configuration files.

    dreamr make-schema --out config

OUT gets schema.json for a whole configuration and overlay.json for one that lies over another: there nothing is
required, and a run may be null. Both are made from `dreamr.config`; a test keeps them so.
"""

import json
from pathlib import Path
from typing import Any

from dreamr.config import Config
from dreamr.files import write_atomically
from dreamr.runtime.endings import exit_on_user_error


@exit_on_user_error()
def main(*, out: Path) -> None:
    """Write both schemas.

    Args:
        out: folder of the configuration files
    """
    for name, schema in schemas().items():
        write_atomically(out / name, json.dumps(schema, indent=1) + "\n")


def schemas() -> dict[str, Any]:
    """Both schemas by file name."""
    whole = Config.model_json_schema(by_alias=True)
    overlay = _optional(whole)
    runs = overlay["properties"]["runs"]["patternProperties"]
    for name in runs:
        runs[name] = {"anyOf": [runs[name], {"type": "null"}]}
    return {"schema.json": whole, "overlay.json": overlay}


def _optional(schema: Any) -> Any:
    """A schema in which nothing is required; part of a model then fits several makers, and one of them will do."""
    if isinstance(schema, list):
        return [_optional(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _optional(part) for key, part in schema.items() if key not in ("required", "discriminator", "oneOf")}
    return kept | ({"anyOf": _optional(schema["oneOf"])} if "oneOf" in schema else {})
