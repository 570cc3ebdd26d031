"""Requests per second of a page: by wrk where it is installed, else by a few threads of ours."""

import http.client
import re
import shutil
import subprocess
import threading
from time import perf_counter
from typing import Final

CONNECTIONS: Final = 8
SECONDS: Final = 1
"""Of one burst: wrk takes whole seconds."""


def tool() -> str:
    """What makes the load, for the note beside the figures."""
    return f"wrk, {CONNECTIONS} connections" if shutil.which("wrk") else f"client of our own, {CONNECTIONS} connections"


def burst(port: int, path: str, cookie: str) -> float:
    """Requests per second over one burst; AssertionError if any answer is not 200."""
    return _wrk(port, path, cookie) if shutil.which("wrk") else _threads(port, path, cookie)


def _wrk(port: int, path: str, cookie: str) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", f"Cookie: {cookie}"]
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise AssertionError(f"the server failed under load:\n{said}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", said)
    if found is None:
        raise AssertionError(f"wrk said nothing that is understood:\n{said}")
    return float(found[1])


def _threads(port: int, path: str, cookie: str) -> float:
    counts = [0] * CONNECTIONS
    failed: list[int] = []
    end = perf_counter() + SECONDS

    def ask(place: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while perf_counter() < end:
            connection.request("GET", path, headers={"Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failed.append(answer.status)
                return
            counts[place] += 1
        connection.close()

    began = perf_counter()
    threads = [threading.Thread(target=ask, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise AssertionError(f"the server answered {failed[0]} under load")
    return sum(counts) / (perf_counter() - began)
