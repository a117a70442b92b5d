#!/usr/bin/env bash
# Install programs that only the tests need: test_tools.sh PROGRAM=PACKAGE...
# Where that is not allowed, tests without their program are skipped; with CI=true they fail.
set -euo pipefail
PATH=$PATH:/usr/sbin

say() { printf '== %s\n' "$*"; }

install() { # PACKAGE
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
}

for pair in "$@"; do
    program=${pair%%=*} package=${pair#*=}
    if command -v "$program" >/dev/null; then
        continue
    elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $package with apt-get, for the tests"
        install "$package" || say "$package could not be installed: some tests go without"
    else
        say "some tests need $program. Ask an administrator to run:  apt-get install $package"
    fi
done
