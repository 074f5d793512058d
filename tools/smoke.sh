#!/bin/sh
# The quick part of the tests on another Python than that of the environment $1, where one runs on this machine.
set -eu
ours=$("$1/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for version in 3.12 3.13 3.11; do
  test "$version" = "$ours" && continue
  # a shim of pyenv is there for every version that it has, but runs only the chosen ones
  chosen=$(pyenv versions --bare 2>/dev/null | grep "^${version}\.[0-9]*$" | tail -n 1) || chosen=
  for python in "python$version" "env PYENV_VERSION=$chosen python$version"; do
    if $python -c 'import venv, ensurepip' 2>/dev/null; then
      test -x "$2/bin/python" || $python -m venv "$2"
      PIP_CONSTRAINT=$PWD/constraints.txt "$2/bin/python" -m pip --disable-pip-version-check install --quiet --editable '.[dev]'
      exec "$2/bin/python" -m pytest -n auto -m smoke
    fi
  done
done
echo "no other Python from 3.11 on runs on this machine: the quick part of the tests ran on none"
