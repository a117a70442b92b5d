#!/usr/bin/env bash
# Make the Python environment: environment.sh FOLDER REQUIREMENT...
# Says what it does, and what to ask an administrator for when something is missing.
set -euo pipefail

folder=$1
shift
python=${PYTHON:-python3}

say() { printf '== %s\n' "$*"; }

install_package() { # PACKAGE
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $1 with apt-get"
        apt-get update -qq
        # A new machine may be installing updates: that is waited for.
        DEBIAN_FRONTEND=noninteractive \
            apt-get -o DPkg::Lock::Timeout=300 install -y -qq "$1" >/dev/null
    else
        say "$1 is missing. Ask an administrator to run:  apt-get install $1"
        exit 1
    fi
}

command -v "$python" >/dev/null || install_package python3
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "$("$python" --version) is too old: Python 3.11 or later is needed (make PYTHON=/path/to/python3.11 …)"
    exit 1
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || install_package python3-venv

if [ ! -x "$folder/bin/python" ]; then
    say "making the environment $folder"
    "$python" -m venv "$folder"
fi
say "installing the packages into $folder (TensorFlow is large: about 3 GB on disk, some minutes)"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
touch "$folder/.installed"
