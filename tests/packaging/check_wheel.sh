#!/usr/bin/env bash
# Usage: check_wheel.sh PYTHON DIST
#
# Shows that the wheel in DIST is whole: it installs `mr` and nothing else at top level, holds
# every module of the tree, and works in an empty environment, outside the tree, with only the
# dependencies it declares, all of them pinned in constraints.txt.
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
dist=$(cd "$2" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    printf 'check_wheel: %s\n' "$@" >&2
    exit 1
}

# Names what stands in one sorted list and not in the other, if anything does.
same() {
    diff "$2" "$3" >"$work/difference" || fail "$1" "$(cat "$work/difference")"
}

wheels=("$dist"/*.whl)
sdists=("$dist"/*.tar.gz)
[[ ${#wheels[@]} -eq 1 && -f ${wheels[0]} ]] || fail "expected one wheel in $dist"
[[ ${#sdists[@]} -eq 1 && -f ${sdists[0]} ]] || fail "expected one sdist in $dist"

(cd "$tree" && find -L mr -name '*.py' -o -name py.typed | LC_ALL=C sort) >"$work/tree"
"$python" -m zipfile --list "${wheels[0]}" | awk 'NR > 1 { print $1 }' | grep -v '\.dist-info/' \
    | LC_ALL=C sort >"$work/wheel"
same "the wheel (>) does not hold the files of the tree (<):" "$work/tree" "$work/wheel"

tar -tzf "${sdists[0]}" | sed 's|^[^/]*/||' | grep '\.py$\|py\.typed$' | grep -v '^setup\.py$' \
    | LC_ALL=C sort >"$work/sdist"
same "the sdist (>) does not hold the files of the tree (<):" "$work/tree" "$work/sdist"

cd "$work" # outside the tree, where its directories cannot be imported by accident
"$python" -m venv empty
"$python" -m pip --python empty/bin/python install --quiet --disable-pip-version-check \
    --constraint "$tree/constraints.txt" "${wheels[0]}"

"$python" -m pip --python empty/bin/python list --disable-pip-version-check --format freeze \
    --exclude gradfold --exclude pip --exclude setuptools --exclude wheel \
    | LC_ALL=C sort >installed
LC_ALL=C sort "$tree/constraints.txt" | LC_ALL=C comm -23 installed - >unpinned
[[ ! -s unpinned ]] || fail "not pinned in constraints.txt:" "$(cat unpinned)"

empty/bin/python -I -W error - <<'PYTHON'
"""Import every module of the installed package, whose only dependencies are the declared ones."""
import importlib
import importlib.metadata
import pathlib
import pkgutil
import sys

import mr

distribution = importlib.metadata.distribution("gradfold")
top = {file.parts[0] for file in distribution.files if ".dist-info" not in file.parts[0]}
top -= {".."}  # the commands, in the environment's bin
if top != {"mr"}:
    sys.exit(f"check_wheel: the wheel's top level is {sorted(top)}, not mr alone")
if pathlib.Path(sys.prefix) not in pathlib.Path(mr.__file__).parents:
    sys.exit(f"check_wheel: mr was imported from {mr.__file__}, not from the environment")
for name in ("storage", "algorithms", "cluster"):
    if importlib.util.find_spec(name) is not None:
        sys.exit(f"check_wheel: {name} is importable at top level")

def unimportable(name):
    raise ImportError(f"package {name} cannot be imported")

names = [m.name for m in pkgutil.walk_packages(mr.__path__, "mr.", onerror=unimportable)]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(f"check_wheel: {len(names)} modules import from the wheel, outside the tree")
PYTHON

for command in "empty/bin/mr" "empty/bin/gradfold" "empty/bin/python -I -m mr"; do
    $command --help >help 2>&1 || fail "'$command --help' failed:" "$(cat help)"
done
echo "check_wheel: the commands mr, gradfold and python -m mr answer"
