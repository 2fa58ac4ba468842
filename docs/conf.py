"""How the documentation is built: `sphinx-build -W --keep-going docs docs/_build/html`."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import msgspec
from sphinx.application import Sphinx
from sphinx.domains.python._object import PyObject
from sphinx.search.en import SearchEnglish

import elevenphone

_SETTINGS = tomllib.loads(
    (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
)
_REPOSITORY: str = _SETTINGS["tool"]["hatch"]["metadata"]["hooks"]["custom"][
    "repository"
]
_DESCRIPTION: str = _SETTINGS["project"]["description"]

project = "elevenphone"
author = "The elevenphone authors"
copyright = author  # noqa: A001 - Sphinx's name for it
release = version = elevenphone.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "_tools"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_html_meta = {"description lang=en": _DESCRIPTION, "property=og:title": project}

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
linkcheck_retries = 3
linkcheck_timeout = 20
linkcheck_anchors = False

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
autodoc_type_aliases = {"PhoneNumber": "elevenphone.PhoneNumber"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
python_display_short_literal_types = True
add_module_names = False
toc_object_entries_show_parents = "hide"

# Only what is typed at a prompt is copied from a block that also shows what was printed.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

html_theme = "furo"
html_title = f"elevenphone {version}"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["extra.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5c6b",
        "color-brand-content": "#0b5c6b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5fc4d6",
        "color-brand-content": "#5fc4d6",
    },
}
if _REPOSITORY:
    html_theme_options |= {
        "top_of_page_buttons": ["view"],
        "source_view_link": f"{_REPOSITORY}/blob/HEAD/docs/{{filename}}",
        "footer_icons": [
            {
                "name": "Repository",
                "url": _REPOSITORY,
                "html": "Repository",
                "class": "",
            }
        ],
    }

_NUMBER = re.compile(r"(?<!\w)\d+(?!\w)")
_OUTSIDE = re.compile(r"\]\((?:\.\./)+(?=tests/|benchmarks/)")
_FENCE = re.compile(r"^(?P<indent>\s*)```(?P<language>\w*)$")


class SearchWithNumbers(SearchEnglish):
    """Finds `401` and `429`, which Sphinx drops from its index and from what is searched for.

    A number that is a whole word becomes a word with an underscore in front, on
    both sides: here for the index, and in the browser for the query.
    """

    js_splitter_code = r"""
function splitQuery(query) {
  return query
    .split(/[^\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/u)
    .filter(Boolean)
    .map((term) => (/^\d+$/.test(term) ? `_${term}` : term));
}
"""

    def split(self, input: str) -> list[str]:  # noqa: A002 - the base class's name
        """Split a text into words.

        Args:
            input: The text.

        Returns:
            The words; a number has an underscore in front.
        """
        return super().split(_NUMBER.sub(r"_\g<0>", input))


def fences_to_blocks(
    _app: Sphinx,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    lines: list[str],
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


def defaults_of_fields(
    _app: Sphinx,
    what: str,
    _name: str,
    described: object,
    _options: object,
    lines: list[str],
) -> None:
    """Add its default to each attribute of a struct: the signature, which has them too, is often left out."""
    if what != "class" or not (
        isinstance(described, type) and issubclass(described, msgspec.Struct)
    ):
        return
    for field in msgspec.structs.fields(described):
        start = next(
            (
                n
                for n, line in enumerate(lines)
                if line.startswith(f":ivar {field.name}: ")
            ),
            None,
        )
        if start is None or field.required:
            continue
        default = (
            field.default_factory()
            if field.default is msgspec.NODEFAULT
            else field.default
        )
        end = start
        while end + 1 < len(lines) and lines[end + 1].startswith(" "):
            end += 1
        if default is None and "`None`" in "".join(lines[start : end + 1]):
            continue  # "or `None`" says it already
        lines[end] = f"{lines[end].rstrip('.')}. Default `{default!r}`."


def links_to_the_repository(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Lead links to files outside of the pages to the repository, instead of offering a copy."""
    source[0] = _OUTSIDE.sub(f"]({_REPOSITORY}/blob/HEAD/", source[0])


def setup(app: Sphinx) -> None:
    """Register the hooks, and call attributes by their name."""
    if _REPOSITORY:
        app.connect("source-read", links_to_the_repository)
    app.connect(
        "autodoc-process-docstring", fences_to_blocks, priority=400
    )  # before napoleon's
    app.connect(
        "autodoc-process-docstring", defaults_of_fields, priority=600
    )  # after it
    app.add_search_language(SearchWithNumbers)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
