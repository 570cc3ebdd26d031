"""The measurements of CouchDB run, at a small size, and ask what they say they ask; their times are not judged here."""

from pathlib import Path

import pytest

from bench import couchdb, couchdb_server
from bench.harness import Effort
from tests.db.couchdb_fixtures import couchdb_url

__all__ = ["couchdb_url"]

SHORT = Effort(rounds=5, pieces=1, piece_seconds=1e-5, limit=1.0)


def test_the_clients_cpu_is_measured_without_a_server(tmp_path: Path) -> None:
    figures = list(couchdb.run(tmp_path, 100, SHORT))
    assert [figure.at_most for figure in figures] == [1.15, None, None, None, None]
    assert all(figure.ours > 0 and figure.theirs > 0 for figure in figures)


def test_a_request_in_two_parts_is_answered_once_it_is_whole() -> None:
    asked = []

    def answer(method: bytes, path: bytes) -> bytes:
        asked.append((method, path))
        return couchdb.answer_of({}, chunked=True)

    with couchdb.AnsweringSocket(answer) as sock:
        sock.sendall(b"POST /there HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
        assert not asked
        sock.sendall(b"{}")
        assert sock.recv(4096).endswith(b"\r\n3\r\n{}\n\r\n0\r\n\r\n")
    assert asked == [(b"POST", b"/there")]


@pytest.mark.server
@pytest.mark.usefixtures("couchdb_url")
def test_round_trips_are_measured_beside_a_client_by_hand_and_the_package(tmp_path: Path) -> None:
    figures = {figure.name: figure for figure in couchdb_server.run(tmp_path, 300, SHORT)}
    goals = {name: figure.at_most for name, figure in figures.items() if figure.has_goal}
    assert goals == {
        "CouchDB get, round trip, wherry / http.client": 1.10,
        "CouchDB page of 50, round trip, wherry / http.client": 1.10,
        "CouchDB page of 50 with 3 columns, round trip, wherry / _find of whole documents": 0.4,
        "CouchDB save with _rev, round trip, wherry / http.client": 1.10,
        "CouchDB bulk save of 100 new, round trip, wherry / http.client": 1.10,
        "CouchDB bulk save of 100 that exist, round trip, wherry / http.client": 1.10,
    }
    # Five requests within a database, three more for each further one.
    assert figures["CouchDB commit of 100 in 1 database / one document"].note == "5 requests"
    assert figures["CouchDB commit of 100 in 3 databases / one document"].note == "11 requests"
