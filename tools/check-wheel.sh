#!/bin/sh
# Build the wheel, or take that of $2, install it with its core dependencies alone into an empty environment, and go the
# whole way there: on features as the field has them, and on clips. $1 is the Python of that environment.
set -eu
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# as a variable, so that what is built in an environment of its own hears of it, too
export PIP_CONSTRAINT="$PWD/constraints.txt" PIP_DISABLE_PIP_VERSION_CHECK=1
"$python" -m venv "$work/env"
bin=$work/env/bin
[ -d "$bin" ] || bin=$work/env/Scripts # Windows
if [ -n "${2-}" ]; then
  cp "$2" "$work"
else
  rm -rf build # what an older build left there would go into the wheel
  "$bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$work" .
fi
"$bin/python" -m pip install --quiet "$work"/avgzsl-*.whl
cd "$work"
export AVGZSL_CACHE="$work/cache" AVGZSL_STATE="$work/state" AVGZSL_MODELS="$work/models" PYTHONPATH='' PYTHONUTF8=1

# run a command of avgzsl; what it says is shown only where it fails
avgzsl() {
  "$bin/avgzsl" "$@" >"$work/said" 2>&1 || { echo "failed with the core alone: avgzsl $*"; cat "$work/said"; exit 1; }
}

# a command that has to fail, with the name of the extra $1
lacks() {
  extra=$1
  shift
  if "$bin/avgzsl" "$@" >"$work/said" 2>&1; then echo "works without avgzsl[$extra]: avgzsl $*"; exit 1; fi
  grep -q "avgzsl\[$extra\]" "$work/said" || { echo "does not name avgzsl[$extra]: avgzsl $*"; cat "$work/said"; exit 1; }
}

avgzsl --help
avgzsl --version
"$bin/python" -m avgzsl methods >/dev/null
"$bin/python" -c "import avgzsl; [getattr(avgzsl, name) for name in avgzsl.__all__]; avgzsl.list_backbones()"
avgzsl layouts
avgzsl engines
"$bin/python" -c "
from importlib.util import find_spec as there
more = [name for name in ('fastapi', 'gensim', 'lancedb', 'pandas', 'pyarrow', 'sklearn', 'transformers') if there(name)]
assert not more, f'the core brought {more}'"

avgzsl generate audioset-zsl --out data --scale 0.001
avgzsl train data --out run epochs=2
avgzsl evaluate run --predictions csv --out evaluated
avgzsl index run data --split test --out index
avgzsl search index dog --text own=dict:data/features/text/word_embeddings-dict.npy -k 3 --json
"$bin/python" -c "import json; assert len(json.loads(open('said').read().partition('\nnote: ')[0])) == 3" || { cat said; exit 1; }

avgzsl generate clips --out clips --scale 0.01
avgzsl extract clips --manifest clips/manifest.csv --audio descriptors --video descriptors --text hashed-words --out store
avgzsl train store --out clips-run epochs=2
avgzsl index clips-run store --out clips-index
avgzsl search clips-index "red square" -k 3

lacks parquet evaluate run --predictions parquet --out parquet
lacks tsne reproduce figure6 data --out reproduced
lacks serve serve index
lacks lancedb index run data --engine lancedb --out other
echo "the wheel installs with its core dependencies; with them alone it trains, evaluates, indexes and searches"
