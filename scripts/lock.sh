#!/bin/sh
# Remakes requirements/*.txt: every version and hash, for Linux and macOS and every supported Python at once.
# uv does the resolving; it lives in a virtual environment of its own under build/, so that nothing else depends on it.
set -eu
tools=build/lock-tools
if [ ! -x "$tools/bin/uv" ]; then
    .venv/bin/python -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet "uv>=0.5"
fi

compile() {
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "$@"
}

# Each file contains the one before it, at the same versions, so that all of them fit into one .venv.
compile "$@" pyproject.toml --group build --output-file requirements/run.txt
compile "$@" pyproject.toml --extra all --group build --constraints requirements/run.txt \
    --output-file requirements/all.txt
compile "$@" pyproject.toml --extra all --group dev --constraints requirements/all.txt --output-file requirements/dev.txt
compile "$@" pyproject.toml --extra all --group dev --group bench --constraints requirements/dev.txt \
    --output-file requirements/bench.txt
