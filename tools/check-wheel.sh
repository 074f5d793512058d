#!/bin/sh
# Build the wheel, install it with its core dependencies alone into an empty environment, and start it there.
set -eu
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
constraints=$PWD/constraints.txt
# what is built in an environment of its own hears of no option
export PIP_CONSTRAINT="$constraints"
"$python" -m build --wheel --outdir "$work" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m venv "$work/env"
"$work/env/bin/python" -m pip --disable-pip-version-check install --quiet "$work"/avgzsl-*.whl
cd "$work"
"$work/env/bin/avgzsl" --help >/dev/null
"$work/env/bin/avgzsl" --version >/dev/null
"$work/env/bin/python" -m avgzsl methods >/dev/null
"$work/env/bin/python" -c "import avgzsl; [getattr(avgzsl, name) for name in avgzsl.__all__]; avgzsl.list_backbones()"
"$work/env/bin/avgzsl" layouts >/dev/null
"$work/env/bin/avgzsl" generate audioset-zsl --out "$work/data" --scale 0.001 >/dev/null 2>&1
AVGZSL_CACHE="$work/cache" "$work/env/bin/avgzsl" train "$work/data" --out "$work/run" epochs=2 >/dev/null 2>&1
echo "the wheel installs with its core dependencies, starts and trains"
