"""Change one thing in the code at a time, and see whether a test notices: ``make mutants``.

``python benchmarks/mutants.py mr/schedule.py`` lists the changes to that module that no test
noticed. Our own, in a few lines, since mutmut and cosmic-ray import a package by the path of its
files, and the package here is made of links.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parent.parent
TREES = ("mr", "storage", "algorithms", "cluster", "tests", "pyproject.toml")
SECONDS = 90
"""After which a mutant that hangs counts as noticed."""
SIMULATE = "from simulating import check\nfor seed in range(60): check(seed)"
SCHEDULE = [f"tests/core/test_schedule{part}.py" for part in ("", "_any", "_mutants")]
COMMIT = ["tests/storage/test_commit.py", "tests/reliability/test_crash_points.py", "-kCommit"]
TESTS = {
    "mr/schedule.py": [*SCHEDULE, "tests/core/test_skipping.py"],
    "mr/running.py": SCHEDULE,
    "mr/reduce.py": ["tests/core/test_reduce.py"],
    "mr/iterate.py": [
        *("tests/core/test_ledger.py", "tests/algorithms/test_logistic.py"),
        "tests/core/test_iterate.py",
    ],
    "storage/commit.py": COMMIT,
    "storage/commit_stages.py": COMMIT,
}
"""By module: what should notice, besides sixty storms of the simulation."""
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitOr: ast.BitAnd,
}


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the change and the code of each mutant of a module."""
    nodes = list(ast.walk(ast.parse(source)))
    types = {id(inner) for node in nodes for inner in _types(node)}
    for place in (number for number, node in enumerate(nodes) if id(node) not in types):
        for way in (_swap, _negate, _count, _delete):
            tree = ast.parse(source)
            node = next(node for number, node in enumerate(ast.walk(tree)) if number == place)
            before = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
            after = way(node, tree)
            if after is not None:
                line = getattr(node, "lineno", 0)
                yield line, f"{before.splitlines()[0]}  ->  {after}", ast.unparse(tree)


def _types(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in annotations, which nothing runs."""
    for name in ("annotation", "returns"):
        if getattr(node, name, None) is not None:
            yield from ast.walk(getattr(node, name))


def _swap(node: ast.AST, _: ast.AST) -> str | None:
    """Swap an operator for its neighbour."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        node.ops[0] = SWAPS[type(node.ops[0])]()  # type: ignore[assignment]
    elif isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign) and type(node.op) in SWAPS:
        node.op = SWAPS[type(node.op)]()  # type: ignore[assignment]
    else:
        return None
    return ast.unparse(node)


def _negate(node: ast.AST, _: ast.AST) -> str | None:
    """Negate a condition."""
    if not isinstance(node, ast.If | ast.While | ast.IfExp) or isinstance(node.test, ast.Compare):
        return None
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return ast.unparse(node).splitlines()[0]


def _count(node: ast.AST, _: ast.AST) -> str | None:
    """Make a number one more."""
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return None
    node.value += 1  # type: ignore[operator]
    return ast.unparse(node)


def _delete(node: ast.AST, tree: ast.AST) -> str | None:
    """Delete a statement: a call, an addition, the change of an attribute, an error."""
    call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    kept = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name)
    if not (call or kept or isinstance(node, ast.AugAssign | ast.Raise)):
        return None
    for parent in ast.walk(tree):
        for _, body in ast.iter_fields(parent):
            if isinstance(body, list) and node in body:
                body[body.index(node)] = ast.Pass()
    return "(deleted)"


def noticed(module: str, code: str, copy: Path) -> bool:
    """Return whether the tests fail in a copy of the tree that has the mutant."""
    path = copy / module
    whole = path.read_text(encoding="utf-8")
    pytest = ["pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *TESTS[module]]
    try:
        path.write_text(code, encoding="utf-8")
        return any(_fails(arguments, copy) for arguments in (["-c", SIMULATE], ["-m", *pytest]))
    finally:
        path.write_text(whole, encoding="utf-8")


def _fails(arguments: list[str], copy: Path) -> bool:
    environment = {
        **os.environ,
        "CI": "1",  # no new examples each time
        "PYTHONPATH": f"{copy}:{copy}/tests",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, *arguments]
    try:
        ended = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return ended.returncode != 0


def main(modules: list[str]) -> None:
    """Print the survivors, and how many there were of all."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(2):
            copies.put(_copied(Path(name) / str(number)))

        def tried(module: str, code: str) -> bool:
            copy = copies.get()
            try:
                return noticed(module, code, copy)
            finally:
                copies.put(copy)

        for module in modules:
            source = (ROOT / module).read_text(encoding="utf-8")
            assert not tried(module, ast.unparse(ast.parse(source))), "the tests fail as it is"
            found = list(mutants(source))
            results = pool.map(tried, [module] * len(found), [code for _, _, code in found])
            left = 0
            for (line, change, _), was in zip(found, results, strict=True):
                left += not was
                print("." if was else f"\n{module}:{line}: {change}", end="", flush=True)
            print(f"\n{module}: {len(found)} mutants, {left} not noticed", flush=True)


def _copied(directory: Path) -> Path:
    directory.mkdir()
    for tree in TREES:
        if (ROOT / tree).is_dir():
            shutil.copytree(ROOT / tree, directory / tree, symlinks=True)
        else:
            shutil.copy(ROOT / tree, directory)
    return directory


if __name__ == "__main__":
    main(sys.argv[1:] or list(TESTS))
