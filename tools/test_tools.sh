#!/usr/bin/env bash
# Install programs that only the tests need: test_tools.sh PROGRAM=PACKAGE...
# Where that is not allowed, tests without their program are skipped; with CI=true they fail.
set -euo pipefail
PATH=$PATH:/usr/sbin

say() { printf '== %s\n' "$*"; }

install() { # PACKAGE
    apt-get update -qq || return
    # A new machine may be installing updates: that is waited for.
    DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq "$1" >/dev/null || return
    # The tests start servers of their own; none of this machine's shall run because of them.
    dpkg -L "$1" | sed -n 's|.*/systemd/system/\([^/@]*\)$|\1|p' \
        | xargs -r systemctl disable --now >/dev/null 2>&1 || true
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
