#!/bin/sh
# Build the wheel, install it with its core dependencies alone into an empty environment, and go the whole way there:
# on features as the field has them, and on clips.
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
export AVGZSL_CACHE="$work/cache" AVGZSL_STATE="$work/state" AVGZSL_MODELS="$work/models" PYTHONPATH=

# run a command of avgzsl; what it says is shown only where it fails
avgzsl() {
  "$work/env/bin/avgzsl" "$@" >"$work/said" 2>&1 || { echo "failed with the core alone: avgzsl $*"; cat "$work/said"; exit 1; }
}

avgzsl --help
avgzsl --version
"$work/env/bin/python" -m avgzsl methods >/dev/null
"$work/env/bin/python" -c "import avgzsl; [getattr(avgzsl, name) for name in avgzsl.__all__]; avgzsl.list_backbones()"
avgzsl layouts
avgzsl engines
"$work/env/bin/python" -c "
from importlib.util import find_spec as there
more = [name for name in ('fastapi', 'gensim', 'lancedb', 'pandas', 'pyarrow', 'sklearn', 'transformers') if there(name)]
assert not more, f'the core brought {more}'"

words=own=dict:data/features/text/word_embeddings-dict.npy
avgzsl generate audioset-zsl --out data --scale 0.001
avgzsl train data --out run epochs=2
avgzsl evaluate run --predictions csv --out evaluated
avgzsl index run data --split test --out index
avgzsl search index dog --text $words -k 3
test "$(grep -c '│ [123] │' said)" = 3 || { cat said; exit 1; }

avgzsl generate clips --out clips --scale 0.01
avgzsl extract clips --manifest clips/manifest.csv --audio descriptors --video descriptors --text hashed-words --out store
avgzsl train store --out clips-run epochs=2
avgzsl index clips-run store --out clips-index
avgzsl search clips-index "red square" -k 3

# what needs an extra says which
"$work/env/bin/avgzsl" evaluate run --predictions parquet --out parquet >said 2>&1 && exit 1
grep -q "avgzsl\[parquet\]" said || { cat said; exit 1; }
"$work/env/bin/avgzsl" reproduce figure6 data --out reproduced >said 2>&1 && exit 1
grep -q "avgzsl\[tsne\]" said || { cat said; exit 1; }
echo "the wheel installs with its core dependencies; with them alone it trains, evaluates, indexes and searches"
