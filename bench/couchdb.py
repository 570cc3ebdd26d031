"""Client CPU of CouchDB against ``http.client`` with orjson: get, save, page, bulk save.

Both clients keep a real socket whose other end is held by this process: sending a request puts CouchDB's answer into
it, so that each side pays for its own sending, receiving and reading of HTTP, and nobody waits. Ours does more: it
checks documents and ids, bounds the time, makes revisions, looks for commits in flight, and plans the query.
"""

import http.client
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import thread_time
from typing import Any, Final

import orjson

from app.db import Query, where
from app.db.backends.couchdb import CouchDatabase
from app.db.backends.couchdb_http import Session
from app.db.backends.couchdb_layout import design_name
from app.db.backends.http_pool import Connection
from bench.data import COLLECTION, PAGE, PATH, SCHEMA, TENANT, documents, statuses
from bench.figures import Figure
from bench.harness import Effort, Run, measure
from bench.peers.plain_couchdb import PlainCouch

GOALS: Final[dict[str, float | None]] = {
    "get": 1.15,
    "save with _rev": None,
    f"page of {PAGE}": None,
    f"page of {PAGE} with 3 columns": None,
    "bulk save of 100 new": None,
}
OURS, PLAIN = "wherry", "http.client"
_DOCUMENTS: Final = 100
_REV: Final = "1-" + "0" * 32
_CHUNK: Final = 1_490
"""How much CouchDB puts into a chunk of a view's answer."""
_HEAD: Final = (
    b"HTTP/1.1 %b\r\nCache-Control: must-revalidate\r\nContent-Type: application/json\r\n"
    b'Date: Fri, 02 Jan 2026 03:04:05 GMT\r\nETag: "1-0123456789abcdef"\r\nServer: CouchDB/3.4.3 (Erlang OTP/25)\r\n'
    b"%b\r\nX-Couch-Request-ID: 0165caa421\r\nX-CouchDB-Body-Time: 0\r\n\r\n%b"
)
Work = Callable[[int], object]


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``folder`` is not used, and no more than a hundred documents."""
    by_cpu = replace(effort, clock=thread_time)
    given = list(documents(_DOCUMENTS))
    ours, session = _ours(given)
    with closing(_plain(given)) as plain, closing(session):
        sides = {OURS: _our_works(ours, given), PLAIN: _plain_works(plain, given)}
        for title, goal in GOALS.items():
            runs = {side: _repeat(works[title]) for side, works in sides.items()}
            rounds = measure(runs, _places, by_cpu)
            values = rounds.in_microseconds(OURS), rounds.in_microseconds(PLAIN)
            yield Figure.from_rounds(f"CouchDB {title}, client CPU, {OURS} / {PLAIN}", *values, "us", at_most=goal)


class AnsweringSocket(socket.socket):
    """A real socket to which each request brings its answer at once. ``answer`` gets the method and the path."""

    def __init__(self, answer: Callable[[bytes, bytes], bytes]) -> None:
        mine, self._other = socket.socketpair()
        super().__init__(fileno=mine.detach())
        self._answer, self._rest = answer, b""

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Take a request, or the first part of one, whose second is its body."""
        request = self._rest + data
        head, _, body = request.partition(b"\r\n\r\n")
        at = head.find(b"Content-Length: ")
        if at >= 0 and len(body) < int(head[at + 16 :].partition(b"\r\n")[0]):
            self._rest = request
            return
        self._rest = b""
        method, path, _ = head.split(b" ", 2)
        self._other.sendall(self._answer(method, path))

    def close(self) -> None:
        """Both ends."""
        self._other.close()
        super().close()


def answer_of(value: Any, status: bytes = b"200 OK", *, chunked: bool = False) -> bytes:
    """CouchDB's answer, in chunks as it answers views with."""
    body = orjson.dumps(value) + b"\n"
    if not chunked:
        return _HEAD % (status, b"Content-Length: %d" % len(body), body)
    parts = [body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
    return _HEAD % (status, b"Transfer-Encoding: chunked", coded)


def _ours(given: list[tuple[str, Any]]) -> tuple[CouchDatabase, Session]:
    declared = SCHEMA.get(COLLECTION)
    assert declared is not None
    (index,) = declared.indexes
    whole = {id: {"_id": f"{TENANT}:{id}", "_rev": _REV, "~t": "0" * 24, **body} for id, body in given}
    key = f"k{TENANT}:" + "0" * 96
    rows = [{"id": one["_id"], "key": key, "value": one} for one in whole.values()][: PAGE + 1]
    entry = {"scope": "tenant", "indexes": {design_name(None): [], design_name(index): list(index.fields)}}
    info = {"db_name": "any", "cluster": {"n": 1}, "instance_start_time": "0"}
    answers = {
        b"/wherry--system": answer_of(info),
        b"/wherry-agents": answer_of(info),
        b"/wherry--system/collection%3Aagents": answer_of(entry),
        b"/wherry--system/_all_docs": answer_of({"rows": []}),
        b"/wherry-agents/_bulk_docs": answer_of(_made(whole.values()), b"201 Created"),
        b"view": answer_of({"total_rows": 100, "offset": 0, "rows": rows}, chunked=True),
        b"saved": answer_of({"ok": True, "id": "any", "rev": _REV}, b"201 Created"),
        **{f"/wherry-agents/{TENANT}%3A{id}".encode(): answer_of(one) for id, one in whole.items()},
    }
    session = Session("127.0.0.1", 1, user="wherry", password="secret")
    connection = Connection(AnsweringSocket(_answering(answers)))
    connection.reusable = True
    session.pool.give(connection)
    return CouchDatabase(session, "wherry", SCHEMA), session


def _plain(given: list[tuple[str, Any]]) -> PlainCouch:
    whole = {id: {"_id": f"{TENANT}:{id}", "_rev": _REV, "tenant": TENANT, **body} for id, body in given}
    rows = [
        {"id": one["_id"], "key": ["page", TENANT, one["status"], one["name"]], "value": one} for one in whole.values()
    ][: PAGE + 1]
    answers = {
        b"/plain/_bulk_docs": answer_of(_made(whole.values()), b"201 Created"),
        b"view": answer_of({"results": [{"rows": []}, {"total_rows": 100, "offset": 0, "rows": rows}]}, chunked=True),
        b"saved": answer_of({"ok": True, "id": "any", "rev": _REV}, b"201 Created"),
        **{f"/plain/{TENANT}%3A{id}".encode(): answer_of(one) for id, one in whole.items()},
    }
    connection = http.client.HTTPConnection("127.0.0.1", 1)
    connection.sock = AnsweringSocket(_answering(answers))
    return PlainCouch("couchdb://wherry:secret@127.0.0.1:1", "plain", connection)


def _answering(answers: dict[bytes, bytes]) -> Callable[[bytes, bytes], bytes]:
    def answer(method: bytes, path: bytes) -> bytes:
        if method == b"PUT":
            return answers[b"saved"]
        return answers[b"view" if b"/_view/" in path else path.partition(b"?")[0]]

    return answer


def _made(whole: Any) -> list[dict[str, Any]]:
    return [{"ok": True, "id": one["_id"], "rev": _REV} for one in whole]


def _our_works(ours: CouchDatabase, given: list[tuple[str, Any]]) -> dict[str, Work]:
    held = [{**body, "_rev": ours.get(PATH, id)["_rev"]} for id, body in given]
    batch = [{**body, "_id": id} for id, body in given]
    return {
        "get": lambda place: ours.get(PATH, given[place][0]),
        "save with _rev": lambda place: ours.save(PATH, given[place][0], held[place]),
        f"page of {PAGE}": lambda _: ours.query(PATH, _query()),
        f"page of {PAGE} with 3 columns": lambda _: ours.query(PATH, _query(("name", "status", "updated_at"))),
        "bulk save of 100 new": lambda _: ours.write_batch(PATH, batch),
    }


def _plain_works(plain: PlainCouch, given: list[tuple[str, Any]]) -> dict[str, Work]:
    held = [{**body, "tenant": TENANT, "_rev": _REV} for _, body in given]
    batch = [(id, {**body, "tenant": TENANT}) for id, body in given]
    (status,) = statuses(_DOCUMENTS)
    return {
        "get": lambda place: plain.get(TENANT, given[place][0]),
        "save with _rev": lambda place: plain.save(TENANT, given[place][0], held[place]),
        f"page of {PAGE}": lambda _: plain.page(TENANT, status),
        f"page of {PAGE} with 3 columns": lambda _: plain.page(TENANT, status),
        "bulk save of 100 new": lambda _: plain.insert_many(TENANT, batch),
    }


def _query(fields: tuple[str, ...] | None = None) -> Query:
    (status,) = statuses(_DOCUMENTS)
    return Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE, fields=fields)


def _places(chance: random.Random, number: int) -> Sequence[int]:
    return [chance.randrange(_DOCUMENTS) for _ in range(number)]


def _repeat(work: Work) -> Run:
    def run(inputs: Sequence[int]) -> None:
        for place in inputs:
            work(place)

    return run
