"""Imports within the package point one way, and each outside package has its one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1] / "elevenphone"

# Module: what it may import. A package stands for all its modules, among which imports are free.
MAY_IMPORT = {
    "errors": "",
    "_version": "",
    "models": "errors",
    "transport": "",
    "stats": "",
    "region": "",
    "lookups": "_protocol transport models errors",
    "_records": "lookups models errors",
    "retry": "errors",
    "_configuration": "region errors",
    "_protocol": "transport _version models errors",
    "_http": "_protocol transport errors",
    "_limits": "errors",
    "_watchdog": "",
    "_admission": "_limits errors",
    "_attempts": "_admission _limits _watchdog _protocol transport stats retry errors",
    "_answers": "lookups",
    "_bulk": "_answers lookups errors",
    "client": "_attempts _bulk _admission _limits _protocol _configuration transport stats region retry "
    "lookups models errors",
    "emulator": "models",
    "pytest_plugin": "client emulator retry",
    "arrow": "client _bulk _configuration region _records retry lookups models errors",
    "__init__": "_version",
    "__main__": "cli",
    "cli": "__init__ client emulator _records lookups models errors retry arrow",
}
# Imports that only happen under TYPE_CHECKING, or when a function runs.
MAY_IMPORT_LATE = {
    "client": "_http",
    "__init__": "client _bulk errors lookups models region retry stats transport",
}
# Package from elsewhere: which modules may import it.
DOORS = {
    "aiohttp": "_http emulator",
    "yarl": "_http",
    "click": "cli",
    "rich": "cli",
    "pytest": "pytest_plugin",
    "pyarrow": "arrow cli",
    "asyncio": "_admission _attempts _bulk _http _watchdog cli emulator pytest_plugin arrow",
}
DOORS_LATE = {"aiohttp": "client cli"}


class Import(NamedTuple):
    """One import.

    Attributes:
        module: Where it stands: a module, or the package that it is part of.
        imported: What is imported, with dots.
        late: Whether it does not happen when the module is imported.
        place: File and line.
    """

    module: str
    imported: str
    late: bool
    place: str

    @property
    def within(self) -> str | None:
        """The module of this package that is imported, or `None`."""
        package, _, rest = self.imported.partition(".")
        return (rest.partition(".")[0] or "__init__") if package == "elevenphone" else None


@cache
def imports() -> tuple[Import, ...]:
    found: list[Import] = []
    for path in sorted(ROOT.rglob("*.py")):
        module = path.relative_to(ROOT).with_suffix("").parts[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node, late in walk(tree, late=False):
            place = f"{path.relative_to(ROOT.parent)}:{node.lineno}"
            found.extend(Import(module, name, late, place) for name in names(node))
    return tuple(found)


def walk(node: ast.AST, *, late: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, late
        delayed = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        )
        yield from walk(child, late=late or delayed)


def names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    assert node.module is not None
    if node.module == "elevenphone":  # `from elevenphone import models` imports a module
        return [
            f"elevenphone.{alias.name}" if is_module(alias.name) else "elevenphone" for alias in node.names
        ]
    return [node.module]


def is_module(name: str) -> bool:
    return (ROOT / f"{name}.py").exists() or (ROOT / name).is_dir()


def allowed(module: str, *, late: bool) -> set[str]:
    return {module, *MAY_IMPORT[module].split(), *(MAY_IMPORT_LATE.get(module, "").split() if late else ())}


def test_every_module_has_its_place_in_the_table() -> None:
    assert {each.module for each in imports()} <= MAY_IMPORT.keys()
    assert {path.stem for path in ROOT.glob("*.py")} <= MAY_IMPORT.keys()


def test_no_module_imports_upwards() -> None:
    wrong = [
        f"{each.place} imports {each.imported}"
        for each in imports()
        if each.within is not None and each.within not in allowed(each.module, late=each.late)
    ]
    assert wrong == []


def test_the_table_has_no_circle() -> None:
    placed: set[str] = set()
    left = {module: set(below.split()) for module, below in MAY_IMPORT.items()}
    while ready := {module for module, below in left.items() if below <= placed}:
        placed |= ready
        left = {module: below for module, below in left.items() if module not in placed}
    assert left == {}


@pytest.mark.parametrize("package", DOORS)
def test_a_package_from_elsewhere_is_imported_at_its_door_alone(package: str) -> None:
    wrong = [
        f"{each.place} imports {each.imported}"
        for each in imports()
        if each.imported.partition(".")[0] == package
        and each.module not in DOORS[package].split()
        and not (each.late and each.module in DOORS_LATE.get(package, "").split())
    ]
    assert wrong == []


def test_the_emulator_takes_the_server_side_of_aiohttp_alone() -> None:
    taken: set[str] = set()
    for path in (ROOT / "emulator").rglob("*.py"):
        for node, _ in walk(ast.parse(path.read_text(encoding="utf-8")), late=False):
            if isinstance(node, ast.ImportFrom) and node.module == "aiohttp":
                taken |= {alias.name for alias in node.names}
            else:
                taken |= {name for name in names(node) if name.partition(".")[0] == "aiohttp"}
    assert taken == {"web"}
