"""How Sphinx builds these pages: python -m sphinx -W docs build/docs. No page needs a network."""

import re
from typing import Any

import prk

project = "prk"
author = "the prk developers"
project_copyright = author
version = release = prk.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"prk {release}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
# Formulas are plain text. Should a page have an equation after all, no other site is asked for a script.
mathjax_path = "none.js"

# In docstrings, what stands between single backticks is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": True}

# What a docstring says of an argument, or of a field: a line of its own, which begins with the name.
NAMED = re.compile(r"(\w+): (.*)")


def listed(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make a list of what a docstring says of arguments, a line each; where one goes on, it is indented."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()
    found: list[str] = []
    for line in lines:
        named = NAMED.fullmatch(line)
        if named:
            if found and found[-1] and not found[-1].startswith(("* ", "  ")):
                found.append("")
            found.append(f"* ``{named[1]}``: {named[2]}")
        elif line.startswith("  ") and found and found[-1].startswith(("* ", "  ")):
            found.append(f"  {line.strip()}")
        else:
            found.append(line)
    lines[:] = found


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", listed)
