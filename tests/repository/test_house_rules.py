"""Rules of the house that a reader should not have to check by eye."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("controller", "workload", "edge", "detection", "lab", "infra", "policies")
LONGEST_FILE, LONGEST_FUNCTION = 400, 50
TIGHT = {"controller/loop.py": 250, "controller/execute.py": 250}
"""The files that grow into the one that eats the project, in every project of this kind."""
CORE_MAY_NOT = {"asyncio", "time", "random", "os", "socket", "logging"}


def modules(*folders: str) -> Iterator[Path]:
    """Python files of these folders, as git or the disk has them."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", list(modules(*PACKAGES, "tests")), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """No file outgrows its budget, no function outgrows a screen."""
    name = str(path.relative_to(ROOT))
    assert len(path.read_text().splitlines()) <= TIGHT.get(name, LONGEST_FILE)
    long = {
        f.name: f.end_lineno - f.lineno + 1
        for f in functions(path)
        if f.end_lineno and f.end_lineno - f.lineno >= LONGEST_FUNCTION
    }
    assert not long or name.startswith("tests/"), long


@pytest.mark.parametrize("path", list(modules("controller/core")), ids=lambda path: path.name)
def test_the_core_imports_nothing_that_acts(path: Path) -> None:
    """Decisions see no clock, no chance, no network and no environment."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    outside = {name.split(".")[0] for name in imported if not name.startswith("controller.core")}
    assert not outside & CORE_MAY_NOT
    assert outside <= {*sys.stdlib_module_names, "detection"}, "the detector is held to the same by an import contract"


@pytest.mark.parametrize("path", list(modules(*PACKAGES)), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_keeps_a_promise(path: Path) -> None:
    """Modules, and public classes and functions, say in a docstring what they promise."""
    tree = ast.parse(path.read_text())
    if not tree.body:
        return
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert ast.get_docstring(tree), "the module says nothing"
    assert not silent


@pytest.mark.parametrize("path", list(modules("tests")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_states_its_property(path: Path) -> None:
    """A test's docstring is the property it checks."""
    silent = [f.name for f in functions(path) if f.name.startswith("test_") and ast.get_docstring(f) is None]
    assert not silent


def test_forbidden_names_are_not_used() -> None:
    """Modules are nouns of the vocabulary; nothing is called utils, helpers, manager, base or common."""
    vague = {"utils", "helpers", "manager", "base", "common", "util", "helper"}
    assert not [path for path in modules(*PACKAGES) if path.stem in vague]


def test_failure_modes_name_tests_that_exist() -> None:
    """Every row of docs/failure_modes.md that claims a test points at one."""
    text = (ROOT / "docs" / "failure_modes.md").read_text()
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text))
    assert named
    for file, function in sorted(named):
        source = (ROOT / file).read_text()
        assert not function or f"def {function}(" in source, f"{file}::{function}"


def test_nothing_generated_is_tracked() -> None:
    """Outputs of runs and environments stay out of the repository."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert not [name for name in tracked if name.startswith(("out/", ".venv/", ".lab/")) or name.endswith(".pyc")]
