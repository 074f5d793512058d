#!/bin/sh
# Pin what `make` installs: a fresh environment with the newest versions of all but torch, written to constraints.txt.
set -eu
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep '^#' constraints.txt >"$work/pins"
grep '^torch==' constraints.txt >"$work/torch"
"$python" -m venv "$work/env"
"$work/env/bin/python" -m pip --disable-pip-version-check install --quiet --constraint "$work/torch" --editable '.[dev]'
"$work/env/bin/python" -m pip --disable-pip-version-check freeze --all --exclude-editable |
  sed -e '/^pip==/d' -e '/^#/d' -e '/ @ /d' -e 's/+.*//' >>"$work/pins"
cp "$work/pins" constraints.txt
echo "$(grep -c == constraints.txt) packages are pinned in constraints.txt; run make check test before you commit it"
