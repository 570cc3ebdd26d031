#!/bin/sh
# Makes .venv from a lock file, or brings it up to date: scripts/venv.sh run|all|dev|bench
# Nothing happens, within milliseconds, when .venv already holds what the lock file says.
#
# .venv/wherry-stamp remembers what was installed: the lock's checksum, its name, and the folder, because a virtual
# environment that was moved with its folder no longer works.
set -eu
lock=${1:-dev}
file=requirements/$lock.txt
stamp=.venv/wherry-stamp
oldest='(3, 11)'

say() { printf '%s\n' "$*" >&2; }

wanted() { printf '%s %s %s\n' "$1" "$(cat "requirements/$1.txt" pyproject.toml | cksum | cut -d' ' -f1,2)" "$PWD"; }

recent() { "$1" -c "import sys; sys.exit(sys.version_info < $oldest)" >/dev/null 2>&1; }

# A larger lock contains the smaller ones: bench > dev > all > run.
current() {
    [ -x .venv/bin/python ] && [ -f "$stamp" ] && .venv/bin/python -c '' >/dev/null 2>&1 || return 1
    found=$(cat "$stamp")
    for larger in run all dev bench; do
        case "$larger" in "$lock") reached=yes ;; esac
        [ "${reached:-no}" = yes ] && [ "$found" = "$(wanted "$larger")" ] && return 0
    done
    return 1
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3; do
        if command -v "$candidate" >/dev/null 2>&1 && recent "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    if command -v "${PYTHON:-python3}" >/dev/null 2>&1; then
        say "Wherry needs Python 3.11 or later, and ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1)." \
            "Install a later one, or name it: make PYTHON=/path/to/python3.12 ..."
    else
        say "Wherry needs Python 3.11 or later, and there is no ${PYTHON:-python3} here." \
            "Install it (Debian: apt install python3 python3-venv; macOS: brew install python), or name it: make PYTHON=..."
    fi
    return 1
}

if current; then
    exit 0
fi

moved=no
if [ -f "$stamp" ]; then
    case "$(cat "$stamp")" in *" $PWD") ;; *) moved=yes ;; esac
    # What was installed for more stays there: `make run` after `make test` must not make the next `make test` slow.
    before=$(cut -d' ' -f1 "$stamp")
    case "$lock $before" in "run all" | "run dev" | "run bench" | "all dev" | "all bench" | "dev bench") lock=$before ;; esac
    file=requirements/$lock.txt
fi
if [ ! -x .venv/bin/python ] || [ "$moved" = yes ] || ! recent .venv/bin/python; then
    python=$(find_python) || exit 1
    say "Making .venv with $("$python" --version 2>&1)"
    if ! "$python" -m venv --clear .venv; then
        say "$python cannot make a virtual environment. On Debian or Ubuntu: apt install python3-venv"
        exit 1
    fi
fi

say "Installing requirements/$lock.txt into .venv (versions and hashes are locked)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$file"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
wanted "$lock" >"$stamp"
