#!/usr/bin/env bash
# Builds the Label Studio that the tests of this folder run against: an environment of its own (1 GB) and a data
# directory after its first migration, of which each test session takes a copy. What is there already is kept.
#
#   tests/integration/label_studio/build.sh [FOLDER]
#
# FOLDER is by default $LABELROUNDS_TEST_LABEL_STUDIO, else ~/.cache/labelrounds/label-studio, where the tests look too.
set -euo pipefail

version=1.23.2
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${LABELROUNDS_TEST_LABEL_STUDIO:-$HOME/.cache/labelrounds/label-studio}}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python=$folder/env/bin/python

installed=$("$python" -c 'from importlib.metadata import version; print(version("label-studio"))' 2>/dev/null || true)
if [ "$installed" != "$version" ]; then
  if command -v uv >/dev/null; then
    uv venv --quiet --clear --python 3.11 "$folder/env"
    uv pip install --quiet --python "$python" "label-studio==$version"
  else
    python3 -m venv --clear "$folder/env"
    "$python" -m pip install --quiet "label-studio==$version"
  fi
fi

if [ ! -d "$folder/seed" ]; then
  data=$folder/seed.part
  rm -rf "$data"
  mkdir -p "$data"
  port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  mapfile -t settings <"$here/server.env"
  env -i PATH="$folder/env/bin:/usr/bin:/bin" HOME="$data" "${settings[@]}" \
    LABEL_STUDIO_BASE_DATA_DIR="$data" LABEL_STUDIO_DATABASE_NAME="$data/label_studio.sqlite3" \
    "$folder/env/bin/label-studio" start --no-browser --internal-host 127.0.0.1 -p "$port" \
    </dev/null >"$folder/build.log" 2>&1 &
  server=$!
  trap 'kill "$server" 2>/dev/null || true' EXIT
  "$python" - "$port" "$server" <<'PYTHON' || { tail -n 30 "$folder/build.log" >&2; exit 1; }
import os, sys, time, urllib.request

port, server = sys.argv[1:]
deadline = time.monotonic() + 600  # the first migration took 68 s on two quiet cores
while time.monotonic() < deadline:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health/", timeout=5)
        sys.exit()
    except OSError:
        os.kill(int(server), 0)  # ends this script when the server has ended
        time.sleep(1)
sys.exit("Label Studio did not come up in 600 s")
PYTHON
  kill "$server"
  wait "$server" || true
  trap - EXIT
  mv "$data" "$folder/seed"
fi
echo "$folder: Label Studio $version is ready"
