#!/bin/sh
# screenshot.sh PAGE PICTURE WIDTH HEIGHT   a picture of a page, as a browser shows it
set -eu
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
    --user-data-dir="$profile" --window-size="$3,$4" --screenshot="$(realpath -m "$2")" \
    "file://$(realpath "$1")" >/dev/null 2>&1
test -s "$2"
