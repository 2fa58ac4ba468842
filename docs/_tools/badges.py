"""Draw the README's badges from pyproject.toml, so that no service has to.

python docs/_tools/badges.py            draws docs/images/badge-*.svg
python docs/_tools/badges.py --check    exit status 1 where one is not current
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from html import escape
from pathlib import Path

_DOCS = Path(__file__).parents[1]
_LETTER, _PADDING, _HEIGHT = 6.6, 7, 20
_LABEL, _VALUE = "#444c56", "#0b5c6b"


def badges() -> dict[str, str]:
    """Draw all of them.

    Returns:
        File name to SVG.
    """
    project = tomllib.loads(
        (_DOCS.parent / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    prefix = "Programming Language :: Python :: 3."
    minors = [
        name.removeprefix(prefix)
        for name in project["classifiers"]
        if name.startswith(prefix)
    ]
    values = {
        "python": f"3.{minors[0]} to 3.{minors[-1]}",
        "licence": project["license"],
        "types": "mypy and pyright, strict",
    }
    return {
        f"badge-{label}.svg": _badge(label, value) for label, value in values.items()
    }


def _badge(label: str, value: str) -> str:
    left, right = (round(len(text) * _LETTER) + 2 * _PADDING for text in (label, value))
    width = left + right
    texts = "".join(
        f'<text x="{x}" y="14" textLength="{span - 2 * _PADDING}">{escape(text)}</text>'
        for text, x, span in ((label, _PADDING, left), (value, left + _PADDING, right))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img">'
        f"<title>{escape(label)}: {escape(value)}</title>"
        f'<clipPath id="c"><rect width="{width}" height="{_HEIGHT}" rx="3"/></clipPath>'
        f'<g clip-path="url(#c)"><rect width="{left}" height="{_HEIGHT}" fill="{_LABEL}"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{_VALUE}"/></g>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>\n'
    )


def main() -> int:
    """Do what the command line asks for.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    stale = 0
    for name, svg in badges().items():
        path = _DOCS / "images" / name
        if not check:
            path.write_text(svg, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != svg:
            print(f"{path.name} is not current: run python docs/_tools/badges.py")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
