"""How gunicorn serves Wherry: `gunicorn` alone, in this folder, is enough.

Every value comes from the settings (settings.toml, WHERRY_* variables): see docs/running.md. They are read in a process
of their own: the master imports nothing of the application, so that a reload (SIGHUP) starts workers with the new code,
and a mistake in the settings is one sentence and not a stack trace. Each worker builds the application after its fork
and connects to the database at its first use: no connection is ever shared between processes.
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

_root = Path(__file__).resolve().parent
_asked = subprocess.run(
    [sys.executable, "-m", "app.cli", "server-settings"], cwd=_root, stdout=subprocess.PIPE, text=True, check=False
)
if _asked.returncode != 0:
    sys.exit(1)  # the sentence is on the terminal already
_settings = json.loads(_asked.stdout.splitlines()[-1])

chdir = str(_root)
wsgi_app = "app:create_app()"
# Platforms that choose the port say so in PORT.
_port = os.environ.get("PORT") or _settings["port"]
bind = [f"{_settings['host']}:{_port}"]

# Threads suit an application that waits for a database; a worker answers THREADS requests at once.
worker_class = "gthread"
workers = _settings["workers"]
threads = _settings["threads"]
preload_app = False

# A worker that stops answering the master for so long is replaced. Requests in flight at a stop or reload get
# graceful_timeout to finish; new connections wait in the socket's queue for the next workers.
timeout = _settings["worker_timeout"]
graceful_timeout = _settings["graceful_timeout"]
keepalive = _settings["keep_alive"]

# The heartbeat is a file: on a disk that is busy it may stall and get healthy workers killed, so memory is better.
if os.path.isdir("/dev/shm"):  # noqa: S108 - gunicorn makes an unguessable file in it and unlinks it at once
    worker_tmp_dir = "/dev/shm"  # noqa: S108

# Whether a proxy's X-Forwarded-* headers are believed is decided in one place, by PROXY_HOPS, and not here.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

# No remote control, neither of the machine's other users nor left behind in a home folder.
control_socket_disable = True

# One line of JSON for everything. The application writes the line per request itself: it knows user and tenant.
accesslog = None
_json_lines = runpy.run_path(str(_root / "app" / "web" / "json_lines.py"))["JsonLines"]
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": _json_lines}},
    "handlers": {"wherry": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"level": _settings["log_level"], "handlers": ["wherry"]},
    "loggers": {
        "gunicorn.error": {"level": _settings["log_level"], "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}


def when_ready(server: object) -> None:
    """Show one link on the terminal: to the set-up of a new installation, else to the application.

    It is a process of its own, because this one must not connect to the database, and nobody waits for it.
    """
    host = "127.0.0.1" if _settings["host"] in ("0.0.0.0", "::", "[::]") else _settings["host"]  # noqa: S104
    address = _settings["public_url"] or f"http://{host}:{_port}"
    script = 'link=$("$0" -m app.cli first-link --base-url "$1") || link=$1; printf "\\nOpen %s\\n\\n" "$link"'
    subprocess.Popen(["/bin/sh", "-c", script, sys.executable, address], cwd=_root)
