#!/bin/sh
# What the tests use besides Python, installed where it is lacking and may be: the tests of the page need Debian's
# Chromium, those of a cluster of two nodes the command `ip`, those of TLS a PostgreSQL that has it, and nginx.
set -eu
lacking=
command -v chromium >/dev/null || lacking="$lacking chromium"
command -v ip >/dev/null || lacking="$lacking iproute2"
PATH=$PATH:/usr/sbin command -v nginx >/dev/null || lacking="$lacking nginx"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || lacking="$lacking postgresql"
if [ -n "$lacking" ]; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  # shellcheck disable=SC2086
  { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends $lacking; } ||
    echo "$lacking could not be installed: the tests that need them will say that they are skipped" >&2
fi
