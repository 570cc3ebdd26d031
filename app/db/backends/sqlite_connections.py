"""SQLite connections: one for each thread of each process, opened when it is first needed.

A connection may not cross a fork (POSIX locks belong to the process): a child begins with none, and keeps the parent's
untouched, because even closing them there could harm.
"""

import os
import sqlite3
import threading
import time
import weakref
from pathlib import Path
from typing import Final

from app.db.errors import Unavailable

LAYOUT_VERSION: Final = 1
"""``user_version`` of the files this code reads and writes."""
SYNCHRONOUS: Final = {"full": "FULL", "normal": "NORMAL"}
_CACHE_KIB: Final = 16_384


class _Handle:
    """Owns a thread's connection and closes it when the thread ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._process = os.getpid()

    def close(self) -> None:
        if os.getpid() == self._process:
            self.connection.close()

    def __del__(self) -> None:
        self.close()


class Connections(threading.local):
    """The calling thread's ``connection``; ``open`` makes it. The attributes are per thread, the registry is shared.

    ``connection`` raises AttributeError before ``open``, so that the usual case costs one attribute. ``cursor`` is one
    of the connection's, for statements whose rows are all fetched at once: it saves making a cursor for each.
    """

    connection: sqlite3.Connection
    cursor: sqlite3.Cursor

    def __init__(self, registry: "Registry") -> None:
        self._registry = registry

    def open(self) -> sqlite3.Connection:
        """Connect this thread; the connection is closed when the thread ends or ``Registry.close`` is called."""
        self._handle = self._registry.connect()
        self.connection = self._handle.connection
        self.cursor = self.connection.cursor()
        return self.connection


class Registry:
    """Opens connections to one file and knows those that are open."""

    def __init__(self, path: Path, *, durability: str, busy_timeout: float, create: bool) -> None:
        self.path = path
        self.durability = durability
        self.busy_timeout = busy_timeout
        self.create = create
        self._lock = threading.Lock()
        self._handles: weakref.WeakSet[_Handle] = weakref.WeakSet()
        self._foreign: list[_Handle] = []
        self.local = Connections(self)
        forked = weakref.WeakMethod(self._forget)
        os.register_at_fork(after_in_child=lambda: (method := forked()) is not None and method())

    def connect(self) -> _Handle:
        """A new connection with every pragma set; Unavailable if the file is of a newer layout or not there."""
        if self.create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.path.exists():
            raise Unavailable("The database's file is not there: check SQLITE_PATH, or run 'wherry db prepare'.")
        connection = sqlite3.connect(
            self.path, timeout=self.busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        handle = _Handle(connection)
        with self._lock:
            self._handles.add(handle)
        return handle

    def close(self) -> None:
        """Close every connection of this process. Threads that go on open new ones."""
        with self._lock:
            handles, self._handles = list(self._handles), weakref.WeakSet()
            self.local = Connections(self)
        for handle in handles:
            handle.close()

    def _set_up(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > LAYOUT_VERSION:
            raise Unavailable(
                f"The database has layout {version}, made by a newer release; this one knows {LAYOUT_VERSION}."
            )
        self._turn_to_wal(connection)
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[self.durability]}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    def _turn_to_wal(self, connection: sqlite3.Connection) -> None:
        # Where several open a new file at once, SQLite refuses the change of mode without waiting: so we wait.
        end = time.monotonic() + self.busy_timeout
        while True:
            try:
                if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                    connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
                time.sleep(0.005)
            else:
                return

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._foreign.extend(self._handles)
        self._handles = weakref.WeakSet()
        self.local = Connections(self)
