"""How Sphinx makes the documentation: python -m sphinx -W --keep-going docs build/docs"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "src")]  # generated.py, and what it reads

project = "DREAM-R, a reproduction kit"
extensions = ["myst_parser", "sphinxcontrib.mermaid", "generated"]
html_theme = "furo"
html_title = project
html_static_path = html_css_files = ["wide.css"]
nitpicky = True
smartquotes = False  # --option is to stay --option
myst_enable_extensions = ["tasklist"]
myst_fence_as_directive = ["mermaid"]  # as code hosts draw it
myst_heading_anchors = 3
