"""Rules of the tree that no other tool holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINKED = ("algorithms", "cluster", "storage")
HEAVY = ("dask", "llvmlite", "matplotlib", "numba", "pandas", "pyarrow", "scipy", "sklearn")

# Package indexes, in parts, so that this file names none either.
INDEX_HOSTS = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("crates", "io"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("proxy", "golang", "org"),
    ("maven", "org"),
    ("maven", "apache", "org"),
    ("deb", "debian", "org"),
    ("conda", "anaconda", "org"),
]
INDEX_OPTIONS = [("index", "url"), ("find", "links"), ("trusted", "host")]


def git(*arguments: str) -> str | None:
    """Return what git prints in this tree, or None where the tree is no checkout."""
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def files() -> list[Path]:
    """Return the files that are, or are about to be, in git."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        pytest.skip("the tree is not a git checkout")
    paths = (ROOT / name for name in listed.split("\0") if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each module imported, by statement or by a literal name."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield node.lineno, module
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def misnamed(source: str) -> list[tuple[int, str]]:
    """Return the imports that reach a linked directory by its name at top level."""
    return [found for found in imported(ast.parse(source)) if found[1].split(".")[0] in LINKED]


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("import storage", True),
        ("import cluster.threads as t", True),
        ("from algorithms.losses import Logistic", True),
        ("def f():\n    from storage import errors", True),
        ("import importlib\nimportlib.import_module('storage.errors')", True),
        ("import mr.storage", False),
        ("from mr import storage", False),
        ("from mr.cluster import threads", False),
        ("import storages", False),
    ],
)
def test_the_rule_of_imports_catches_what_it_should(source, caught):
    assert bool(misnamed(source)) is caught


def test_linked_directories_are_imported_as_parts_of_mr():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: import of {name}; write mr.{name}"
        for path in files()
        if path.suffix == ".py"
        for line, name in misnamed(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", LINKED)
def test_packages_of_mr_are_relative_links_to_the_directories_beside_it(name):
    link = ROOT / "mr" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..", name)
    assert (ROOT / name / "__init__.py").is_file()


@pytest.mark.parametrize("name", LINKED)
def test_git_holds_the_links_as_links(name):
    entry = git("ls-files", "--stage", f"mr/{name}")
    if not entry:
        pytest.skip("the tree is not a git checkout, or the link is not yet added")
    assert entry.startswith("120000 ")


def test_importing_mr_takes_no_heavy_module(tmp_path):
    code = f"import sys, mr; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == []


def test_no_file_names_a_package_index():
    hosts = "|".join(r"\.".join(parts) for parts in INDEX_HOSTS)
    options = "|".join("[-_]".join(parts) for parts in INDEX_OPTIONS)
    pattern = re.compile(rf"\b(?:{hosts})\b|\b(?:{options})\b", re.IGNORECASE)
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files()
        if (found := pattern.search(path.read_text(encoding="utf-8", errors="ignore")))
    ]
    assert not wrong, "\n".join(wrong)


def normalised(requirement: str) -> str:
    """Return the name in a requirement, as names are compared."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


def constraints() -> list[str]:
    """Return the lines of constraints.txt that are not comments."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_constraints_are_names_and_exact_versions():
    wrong = [line for line in constraints() if not re.fullmatch(r"[\w.-]+==[\w.]+", line)]
    assert not wrong


def test_every_requirement_that_ci_installs_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    for extra in ("demo", "pandas", "http", "test", "dev"):
        wanted += extras[extra]
    names = {normalised(requirement) for requirement in wanted} - {"gradfold"}
    assert names <= {normalised(line) for line in constraints()}
