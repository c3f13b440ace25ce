"""How Sphinx makes the documentation: python -m sphinx -W --keep-going docs build/docs"""

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from dreamr.cli.app import FOR_PEOPLE, run
from dreamr.config import Config

project = "DREAM-R, a reproduction kit"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
html_static_path = html_css_files = ["wide.css"]
nitpicky = True
smartquotes = False  # --option is to stay --option
myst_heading_anchors = 3
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def settings() -> Iterator[str]:
    """Every setting, from the descriptions in the code: the whole file, then its parts."""
    whole = Config.model_json_schema(by_alias=True)
    for name, part in {"The whole file": whole, **whole["$defs"]}.items():
        yield f"(setting-{name.lower()})=\n### {name}\n\n{part['description']}\n"
        yield "| setting | value | if left out | meaning |\n| --- | --- | --- | --- |"
        for key, one in part["properties"].items():
            default = "needed" if key in part.get("required", ()) else f"`{json.dumps(one.get('default'))}`"
            cells = (f"`{key}`", kind(one), default, one.get("description", ""))
            yield "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"
        yield ""


def kind(one: dict[str, Any]) -> str:
    """What a setting may be, in words."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#setting-{name.lower()})"
    if several := one.get("anyOf") or one.get("oneOf"):
        return " or ".join(map(kind, several))
    if "enum" in one or "const" in one:
        return ", ".join(f"`{value}`" for value in one.get("enum", [one.get("const")]))
    if one.get("type") == "object":
        return f"by name: {kind([*one.get('patternProperties', {}).values(), one.get('additionalProperties')][0])}"
    if one.get("type") == "array":
        return f"list of {kind(one['items'] if 'items' in one else one['prefixItems'][0])}"
    bounds = [f"{sign} {one[bound]}" for bound, sign in BOUNDS.items() if bound in one]
    return " ".join([one.get("type", "anything"), *bounds])


def commands() -> Iterator[str]:
    for name in (name.replace("_", "-") for name in FOR_PEOPLE):
        with redirect_stdout(io.StringIO()) as printed:
            run([name, "--help"])
        yield f"### {name}\n\n```text\n{printed.getvalue().strip()}\n```\n"


def add(_: Sphinx, page: str, source: list[str]) -> None:
    """What code hosts would show as a directive, or what the code knows."""
    if page == "index":
        links = "\n".join(re.findall(r"\]\((\S+)\.md\)", source[0]))
        source[0] += f"\n```{{toctree}}\n:hidden:\n\n{links}\n```\n"
    if page == "reference":
        source[0] = "\n".join([source[0], "## Settings\n", *settings(), "## Commands\n", *commands()])


def setup(app: Sphinx) -> None:
    app.connect("source-read", add)
