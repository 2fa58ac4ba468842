"""How the documentation is built: `sphinx-build -W --keep-going docs docs/_build/html`."""

from __future__ import annotations

import os
import re

from sphinx.application import Sphinx
from sphinx.domains.python._object import PyObject

import elevenphone

project = "elevenphone"
author = "The elevenphone authors"
copyright = author  # noqa: A001 - Sphinx's name for it
release = version = elevenphone.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

# A build must not depend on other sites: links to them are made where INTERSPHINX=1 is set.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "aiohttp": ("https://docs.aiohttp.org/en/stable", None),
        "msgspec": ("https://jcristharif.com/msgspec", None),
    }
    if os.environ.get("INTERSPHINX") == "1"
    else {}
)

# Docstrings are Google-style, with single backticks for code.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "elevenphone"
html_static_path = ["_static"]
html_css_files = ["extra.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c6b", "color-brand-content": "#0b5c6b"},
    "dark_css_variables": {"color-brand-primary": "#5fc4d6", "color-brand-content": "#5fc4d6"},
}

_FENCE = re.compile(r"^(?P<indent>\s*)```(?P<language>\w*)$")


def fences_to_blocks(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Turn the Markdown fences of a docstring into what reStructuredText calls a code block."""
    written: list[str] = []
    indent: str | None = None
    for line in lines:
        fence = _FENCE.match(line)
        if fence and indent is None:
            indent = fence["indent"]
            written += [f"{indent}.. code-block:: {fence['language'] or 'text'}", ""]
        elif fence:
            indent = None
        else:
            written.append(line if indent is None or not line else f"   {line}")
    lines[:] = written


def setup(app: Sphinx) -> None:
    """Register the hook, before napoleon's, and call attributes by their name."""
    app.connect("autodoc-process-docstring", fences_to_blocks, priority=400)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
