#!/bin/sh
# Build the source distribution, and the wheel from it, into dist; look at both, and go the whole way with the wheel.
set -eu
python=$1
rm -rf dist
PIP_CONSTRAINT=$PWD/constraints.txt "$python" -m build --outdir dist . >dist.log.tmp 2>&1 || { cat dist.log.tmp; exit 1; }
rm dist.log.tmp
"$python" -m twine check --strict dist/*
"$(dirname "$python")/check-wheel-contents" dist/*.whl
"$python" -m tools.check_dist dist
sh tools/check-wheel.sh "$python" dist/*.whl
