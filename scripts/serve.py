"""`make run` and `make demo`: gunicorn in the foreground on this machine's own address.

The port is PORT, else WHERRY_PORT, else the setting. One that is taken is said in one sentence before anything starts.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def wanted_port() -> int:
    """The port to listen on; leaves with a sentence when PORT is no port."""
    text = os.environ.get("PORT") or os.environ.get("WHERRY_PORT") or "8000"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        sys.exit(f"PORT must be a number from 1 to 65535, not {text!r}, for example: make run PORT=8001")
    return int(text)


def stop_if_taken(port: int) -> None:
    """Leave with a sentence when something listens on the port already, or it needs more rights than we have."""
    with socket.socket() as probe:
        # Connections that a server before us has closed do not count: gunicorn binds in the same way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except PermissionError:
            sys.exit(f"Port {port} needs more rights than you have; choose another, for example: make run PORT=8001")
        except OSError:
            other = port + 1 if port < 65_535 else 8001
            sys.exit(f"Port {port} is already in use; choose another, for example: make run PORT={other}")


def gunicorn(port: int, **variables: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment. WHERRY_HOST stays what somebody set on purpose."""
    environment = {"WHERRY_HOST": "127.0.0.1", **os.environ, **variables, "PORT": str(port)}
    return [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"], environment


def demo(port: int) -> int:
    """Serve sample data from a folder that is removed afterwards; answers gunicorn's exit status."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-demo-"))
    command, environment = gunicorn(
        port,
        WHERRY_DATABASE_PROVIDER="sqlite",
        WHERRY_SQLITE_PATH="demo.sqlite3",
        WHERRY_SQLITE_DURABILITY="normal",
        WHERRY_INSTANCE_PATH=str(folder),
    )
    try:
        filled = subprocess.run([sys.executable, "-m", "app.cli", "demo-data"], env=environment, check=False).returncode
        if filled != 0:
            return filled
        server = subprocess.Popen(command, env=environment)
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda *_: server.terminate())  # and wait for it, before its folder goes
        return server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """See the module."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--demo", action="store_true", help="with sample data, on a database that is thrown away")
    chosen = arguments.parse_args()
    os.chdir(ROOT)
    port = wanted_port()
    stop_if_taken(port)
    if chosen.demo:
        sys.exit(demo(port))
    command, environment = gunicorn(port)
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
