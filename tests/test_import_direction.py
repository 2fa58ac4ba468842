"""Imports within the package point one way, and each outside package is imported in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1] / "elevenphone"

# From top to bottom: a module imports only modules below it. A folder that ends in `/` stands for all its
# modules, which must not form a cycle.
LAYERS = """
__main__
cli/
pytest_plugin
emulator/
arrow/
client
run
listing
_memory.memory
_memory.shared
_bulk.caller
_bulk.equal_ids
_bulk.results
_bulk.signal
_bulk.source
_lookup.single
_lookup.dispatcher
_lookup.store
_lookup.job
_lookup.watchdog
_limits.slots
_limits.lateness
_limits.limits
_limits.concurrency
_limits.states
_limits.neighbors
_limits.server_queue
_limits.queue_states
_limits.slow_answers
_limits.answer_times
_limits.spread
_limits.pace
_limits.outage
_limits.permit
_http/
_configuration
cache
retry
_records
lookups
_protocol.pages
_protocol.answers
_protocol.envelope
_protocol.words
_protocol.retry_after
_protocol.requests
models
_json
_meaning
errors
transport
stats
region
_values
__init__
_version
""".split()  # noqa: SIM905 - a list to be read from top to bottom
# Imports that happen under TYPE_CHECKING, or when a function runs, may point up from these modules only.
MAY_IMPORT_LATE_FROM_ABOVE = {"__init__", "errors"}
# Package from elsewhere: the folders and modules that may import it.
DOORS = {
    "aiohttp": "_http emulator",
    "httptools": "_http",
    "aiohappyeyeballs": "_http",
    "yarl": "_http",
    "click": "cli",
    "rich": "cli",
    "pytest": "pytest_plugin",
    "pyarrow": "arrow cli",
    "asyncio": "run _memory _bulk _lookup _limits _http cli emulator pytest_plugin arrow",
}
DOORS_LATE = {"aiohttp": "client cli"}


class Import(NamedTuple):
    """One import.

    Attributes:
        module: The importing module, with dots.
        imported: The imported module or name, with dots.
        late: Whether the import happens later than that of the module.
        place: File and line.
    """

    module: str
    imported: str
    late: bool
    place: str

    @property
    def folder(self) -> str:
        """The folder of the module, or the module itself."""
        return self.module.partition(".")[0]

    @property
    def within(self) -> str | None:
        """The module of this package that is imported, or `None`."""
        package, _, rest = self.imported.partition(".")
        if package != "elevenphone":
            return None
        return name_of(ROOT / Path(*rest.split("."))) if rest else "__init__"


def name_of(path: Path) -> str:
    """Return the name of a module from its path; that of a folder is `__init__`."""
    parts = path.relative_to(ROOT).parts
    return ".".join([*parts, "__init__"] if path.is_dir() else parts)


def layer_of(module: str) -> int | None:
    """Return the layer of a module, from the top; the `__init__` of a listed folder has no imports."""
    folder = module.partition(".")[0] + "/"
    return LAYERS.index(folder) if folder in LAYERS else LAYERS.index(module) if module in LAYERS else None


@cache
def imports() -> tuple[Import, ...]:
    found: list[Import] = []
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node, late in walk(tree, late=False):
            place = f"{path.relative_to(ROOT.parent)}:{node.lineno}"
            module = name_of(path.with_suffix(""))
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
    # `from elevenphone import models` imports a module.
    submodules = [f"{node.module}.{alias.name}" for alias in node.names]
    return [submodule if is_module(submodule) else node.module for submodule in submodules]


def is_module(name: str) -> bool:
    path = ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def test_every_module_has_its_layer() -> None:
    modules = {name_of(path.with_suffix("")) for path in ROOT.rglob("*.py")}
    without = {module for module in modules if layer_of(module) is None}
    assert without == {
        "_bulk.__init__",
        "_limits.__init__",
        "_lookup.__init__",
        "_memory.__init__",
        "_protocol.__init__",
    }
    assert not any(each.module in without for each in imports())
    listed = {layer.rstrip("/") for layer in LAYERS}
    assert listed <= modules | {module.partition(".")[0] for module in modules}


def test_no_module_imports_upwards() -> None:
    wrong: list[str] = []
    for each in imports():
        above = layer_of(each.module)
        below = None if each.within is None else layer_of(each.within)
        if above is None or below is None or above < below:
            continue
        same_folder = each.module != each.within and LAYERS[above].endswith("/") and above == below
        if not same_folder and not (each.late and each.module in MAY_IMPORT_LATE_FROM_ABOVE):
            wrong.append(f"{each.place} imports {each.imported}")
    assert wrong == []


@pytest.mark.parametrize("folder", [layer.rstrip("/") for layer in LAYERS if layer.endswith("/")])
def test_no_folder_has_an_import_cycle(folder: str) -> None:
    graph: dict[str, set[str]] = {}
    for each in imports():
        inside = each.within is not None and each.within.startswith(f"{folder}.")
        if each.folder == folder and each.within is not None and inside and not each.late:
            graph.setdefault(each.module, set()).add(each.within)
    assert list(TopologicalSorter(graph).static_order()) is not None


@pytest.mark.parametrize("package", DOORS)
def test_each_outside_package_is_imported_in_its_own_places_only(package: str) -> None:
    wrong = [
        f"{each.place} imports {each.imported}"
        for each in imports()
        if each.imported.partition(".")[0] == package
        and each.folder not in DOORS[package].split()
        and not (each.late and each.folder in DOORS_LATE.get(package, "").split())
    ]
    assert wrong == []


def test_the_emulator_uses_only_the_server_side_of_aiohttp() -> None:
    taken: set[str] = set()
    for path in (ROOT / "emulator").rglob("*.py"):
        for node, _ in walk(ast.parse(path.read_text(encoding="utf-8")), late=False):
            if isinstance(node, ast.ImportFrom) and node.module == "aiohttp":
                taken |= {alias.name for alias in node.names}
            else:
                taken |= {name for name in names(node) if name.partition(".")[0] == "aiohttp"}
    assert taken == {"web"}
