"""Imports inside the command line point one way, and those of a declaration are light."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import elevenphone.cli

ROOT = Path(elevenphone.cli.__file__).parent

# Part: what it may import. A folder stands for its modules, whose order is looked at as well.
MAY_IMPORT = {
    "text": "",
    "errors": "",
    "shell": "errors text",
    "access": "errors shell text",
    "formats": "errors text",
    "show": "formats errors shell text",
    "fetch": "show formats access errors shell text",
    "commands": "fetch show formats access errors shell text",
    "main": "commands errors shell",
    "__init__": "main shell",
}
LIGHT = {"commands", "access", "shell", "errors", "text"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of the command line that are imported, without their common beginning."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and f"{node.module}.".startswith("elevenphone.cli.")
        ):
            inner = node.module.removeprefix("elevenphone.cli").removeprefix(".")
            is_folder = (ROOT / inner.replace(".", "/")).is_dir()
            for alias in node.names:
                name = f"{inner}.{alias.name}".strip(".")
                is_module = (ROOT / f"{name.replace('.', '/')}.py").exists()
                yield name if is_module else f"{inner}.__init__".strip(".") if is_folder else inner


def test_every_part_has_its_place_in_the_table() -> None:
    parts = {path.parts[0].removesuffix(".py") for path, _ in modules()}
    assert parts == MAY_IMPORT.keys()


def test_no_part_imports_upwards() -> None:
    wrong: list[str] = []
    for path, tree in modules():
        part = path.parts[0].removesuffix(".py")
        for name in imported(tree):
            target = name.partition(".")[0]
            if target != part and target not in MAY_IMPORT[part].split():
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_neither_parts_nor_modules_form_a_circle() -> None:
    parts = {part: set(below.split()) for part, below in MAY_IMPORT.items()}
    files = {".".join(path.with_suffix("").parts): set(imported(tree)) for path, tree in modules()}
    for graph in (parts, files):
        placed: set[str] = set()
        while ready := {name for name, below in graph.items() if below <= placed | {name}} - placed:
            placed |= ready
        assert graph.keys() - placed == set()


def test_a_command_imports_what_is_slow_when_it_runs() -> None:
    import sys  # noqa: PLC0415 - for its list of the standard library

    for path, tree in modules():
        if path.parts[0] != "commands":
            continue
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                if name.startswith("elevenphone.cli."):
                    assert name.split(".")[2] in LIGHT, f"{path} imports {name}"
                elif name not in {"elevenphone", "elevenphone.errors"}:
                    top = name.partition(".")[0]
                    assert top in {"click", *sys.stdlib_module_names}, f"{path} imports {name}"
