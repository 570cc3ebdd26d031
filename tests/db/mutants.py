"""The known ways to break the database layer, each with the tests that have to notice. `make mutants` tries them.

A mutant replaces one piece of text that is once in its file. Where code changes, its mutants change with it:
test_mutants.py says which no longer apply. Those of the commit protocol are in mutants_commits.py, those of CouchDB,
Firestore and DynamoDB in mutants_servers.py.
"""

from tests.db.mutant import Mutant
from tests.db.mutants_commits import COMMITS
from tests.db.mutants_servers import SERVERS

MEMORY = "app/db/backends/memory.py"
BACKEND = "app/db/backend.py"
SQLITE = "app/db/backends/sqlite.py"
TABLES = "app/db/backends/sqlite_tables.py"


def on_memory(*classes: str) -> tuple[str, ...]:
    """Classes of the suite, run on memory."""
    return tuple(f"tests/db/test_memory.py::{name}" for name in classes)


def on_sqlite(*classes: str) -> tuple[str, ...]:
    """Classes of the suite, run on SQLite."""
    return tuple(f"tests/db/test_sqlite.py::{name}" for name in classes)


MUTANTS = (
    # Tenants
    Mutant(
        "memory: a query forgets the tenant",
        MEMORY,
        "            partition = self._partition(name)\n            if walk.index is None:",
        "            partition = next(iter(self._table(name).partitions.values()), self._partition(name))\n"
        "            if walk.index is None:",
        on_memory("TestTenants"),
    ),
    Mutant(
        "SQLite: a query forgets the tenant",
        TABLES,
        'run = f"FROM {table} WHERE tenant = ? AND {key} >= ?',
        'run = f"FROM {table} WHERE ? IS NOT NULL AND {key} >= ?',
        on_sqlite("TestTenants"),
    ),
    Mutant(
        "SQLite: a list forgets the tenant",
        TABLES,
        'return f"SELECT id, rev, data FROM {table} WHERE tenant = ?{after}',
        'return f"SELECT id, rev, data FROM {table} WHERE ? IS NOT NULL{after}',
        on_sqlite("TestTenants"),
    ),
    Mutant(
        "SQLite: get forgets the tenant",
        TABLES,
        'return f"SELECT rev, data FROM {quoted(self.name)} WHERE tenant = ?',
        'return f"SELECT rev, data FROM {quoted(self.name)} WHERE ? IS NOT NULL',
        on_sqlite("TestTenants"),
    ),
    Mutant(
        "SQLite: get_many forgets the tenant",
        TABLES,
        'return f"SELECT id, rev, data FROM {quoted(self.name)} WHERE tenant = ?',
        'return f"SELECT id, rev, data FROM {quoted(self.name)} WHERE ? IS NOT NULL',
        on_sqlite("TestTenants"),
    ),
    Mutant(
        "SQLite: a count forgets the tenant",
        TABLES,
        "SELECT 1 FROM {quoted(self.name)} WHERE tenant = ?",
        "SELECT 1 FROM {quoted(self.name)} WHERE ? IS NOT NULL",
        on_sqlite("TestTenants"),
    ),
    Mutant(
        "SQLite: a delete forgets the tenant",
        TABLES,
        'return f"DELETE FROM {quoted(self.name)} WHERE tenant = ?',
        'return f"DELETE FROM {quoted(self.name)} WHERE ? IS NOT NULL',
        on_sqlite("TestTenants"),
    ),
    Mutant(
        "a tenant is a pattern",
        TABLES,
        'return f"SELECT rev, data FROM {quoted(self.name)} WHERE tenant = ?',
        'return f"SELECT rev, data FROM {quoted(self.name)} WHERE tenant LIKE ?',
        on_sqlite("TestTenants"),
    ),
    Mutant(
        "a cursor is good for every tenant",
        "app/db/cursors.py",
        "asked: list[Any] = [*name, ",
        "asked: list[Any] = [name.collection, ",
        on_memory("TestTenants"),
    ),
    Mutant(
        "a collection may be the installation's and a tenant's",
        BACKEND,
        '        if (scope == "tenant") != bool(name.tenant):',
        '        if scope == "nobody":',
        on_memory("TestCollections"),
    ),
    # Revisions
    Mutant(
        "memory: a write ignores the revision it expects",
        MEMORY,
        "    if expect is ANY:\n        return",
        "    if expect is not ABSENT:\n        return",
        on_memory("TestRevisions"),
    ),
    Mutant(
        "SQLite: a write ignores the revision it expects",
        TABLES,
        "WHERE tenant = ? AND id = ? AND rev = ?",
        "WHERE tenant = ? AND id = ? AND ? IS NOT NULL",
        on_sqlite("TestRevisions"),
    ),
    Mutant(
        "SQLite: a write ignores the revision it expects, as the state machine sees it",
        TABLES,
        "WHERE tenant = ? AND id = ? AND rev = ?",
        "WHERE tenant = ? AND id = ? AND ? IS NOT NULL",
        on_sqlite("TestModel"),
    ),
    Mutant(
        "SQLite: a delete ignores the revision it expects",
        TABLES,
        'return f"{self.delete} AND rev = ?"',
        'return f"{self.delete} AND ? IS NOT NULL"',
        on_sqlite("TestRevisions"),
    ),
    Mutant(
        "SQLite: a check is not made",
        SQLITE,
        "        if row is not None if expect is ABSENT else row is None or row[0] != split_rev(str(expect))[0]:",
        "        if False:",
        on_sqlite("TestExpectations"),
    ),
    Mutant(
        "the whole revision decides a conflict, not the token",
        MEMORY,
        "row is None or row.token != split_rev(str(expect))[0]",
        "row is None or row.token != str(expect)",
        on_memory("TestRevisions"),
    ),
    Mutant(
        "create replaces",
        BACKEND,
        "rev = self._save(name, id, portable, ABSENT)",
        "rev = self._save(name, id, portable, ANY)",
        on_memory("TestWriting"),
    ),
    Mutant(
        "a copy gets revisions of its own",
        SQLITE,
        "token = new_token() if portable.rev is None else split_rev(portable.rev)[0]",
        "token = new_token()",
        on_sqlite("TestKeptRevisions"),
    ),
    Mutant(
        "a conflict names the first key only",
        BACKEND,
        "            if not _holds(write.expect, document):",
        "            if False:",
        on_memory("TestExpectations"),
    ),
    # Copies
    Mutant(
        "memory: reads hand out one live document",
        MEMORY,
        "        document: Document = orjson.loads(row.data)\n",
        '        live = self.__dict__.setdefault("live", {})\n'
        "        document: Document = live.setdefault((id, row), orjson.loads(row.data))\n",
        on_memory("TestReading"),
    ),
    Mutant(
        "SQLite: reads hand out one live document",
        SQLITE,
        "        document: Document = loads(row[1])\n",
        '        live = self.__dict__.setdefault("live", {})\n'
        "        document: Document = live.setdefault((name, id, row), loads(row[1]))\n",
        on_sqlite("TestReading"),
    ),
    Mutant(
        "a save changes what it was given",
        "app/db/documents.py",
        "    body = document.copy()\n",
        "    body = document\n",
        on_memory("TestRevisions", "TestWriting"),
    ),
    # Commits
    Mutant(
        "SQLite: a commit is not one transaction",
        SQLITE,
        'with self._transaction("BEGIN IMMEDIATE") as connection:\n                if self._passes_guard',
        'with __import__("contextlib").nullcontext(self._connection()) as connection:\n'
        "                if self._passes_guard",
        on_sqlite("TestAllOrNothing"),
    ),
    Mutant(
        "memory: a commit writes before everything was checked",
        MEMORY,
        "                _expect(partition, write.name, write.id, write.expect)\n"
        "            revs: list[str | None] = []\n"
        "            for write, partition in zip(writes, partitions, strict=True):\n",
        "                pass\n"
        "            revs: list[str | None] = []\n"
        "            for write, partition in zip(writes, partitions, strict=True):\n"
        "                _expect(partition, write.name, write.id, write.expect)\n",
        on_memory("TestAllOrNothing"),
    ),
    Mutant(
        "SQLite: documents are read together without a snapshot",
        SQLITE,
        'with self._transaction("BEGIN"):\n            return [self._get(',
        "if True:\n            return [self._get(",
        on_sqlite("TestStorms", "TestProcesses"),
    ),
    Mutant(
        "a commit takes one key twice",
        BACKEND,
        "            if (name, id) in seen:",
        "            if False:",
        on_memory("TestAllOrNothing"),
    ),
    # Indexes
    Mutant(
        "memory: a replaced document stays in the index",
        MEMORY,
        "            self._unlist(id, old)\n",
        "            pass\n",
        on_memory("TestCommits", "TestWritingInBulk"),
    ),
    Mutant(
        "SQLite: a writer that does not know a new index is not stopped",
        TABLES,
        "WHEN NEW.layout <> {layout}",
        "WHEN 0",
        on_sqlite("TestTwoServices"),
    ),
    Mutant(
        "SQLite: a new index is not filled",
        TABLES,
        "    _fill_keys(connection, table.name, added)\n",
        "",
        on_sqlite("TestPreparing"),
    ),
    Mutant(
        "SQLite: field names that differ in case share an index",
        TABLES,
        "    return index.name.translate(_FOLDED)",
        "    return index.name",
        on_sqlite("TestPreparing"),
    ),
    # Queries
    Mutant(
        "what an index does not decide is not filtered",
        "app/db/paging.py",
        "            if not all(condition.matches(document) for condition in plan.residual):\n",
        "            if False:\n",
        on_memory("TestConditions"),
    ),
    Mutant(
        "cut strings count as exact",
        "app/db/sortkeys.py",
        "    return len(key) > KEY_BYTES",
        "    return False",
        on_memory("TestTheOneOrder"),
    ),
    Mutant(
        "negative numbers are sorted backwards",
        "app/db/sortkeys.py",
        "~bits & (2 * _TOP_BIT - 1)",
        "bits & (_TOP_BIT - 1)",
        on_memory("TestTheOneOrder"),
    ),
    Mutant(
        "a NUL ends a string in the order",
        "app/db/sortkeys.py",
        'raw = raw.replace(b"\\x00", b"\\x00\\xff")',
        'raw = raw.replace(b"\\x00", b"\\x00\\x01")',
        on_memory("TestTheOneOrder"),
    ),
    Mutant(
        "half of an escaped NUL stays at the cut",
        "app/db/sortkeys.py",
        "(cut[:-1] if cut[-1] == 0 else cut)",
        "cut",
        ("tests/db/test_sortkeys.py", *on_memory("TestTheOneOrder")),
    ),
    Mutant(
        "greater includes equal",
        "app/db/planner.py",
        "(key if cut else after, last), not cut",
        "(key, last), not cut",
        on_memory("TestConditions"),
    ),
    Mutant(
        "a range goes on into the next type",
        "app/db/planner.py",
        "_CLASS_BOUNDS.get(type_class(operand), everything)",
        "everything",
        on_memory("TestConditions"),
    ),
    Mutant(
        "true equals one",
        "app/db/query.py",
        'return bool(value == operand) and type_class(value) == type_class(operand) != ""',
        "return bool(value == operand)",
        on_memory("TestConditions"),
    ),
    Mutant(
        "null counts as missing",
        "app/db/query.py",
        '"exists": lambda value, present: (value is not MISSING) is present',
        '"exists": lambda value, present: (value is not MISSING and value is not None) is present',
        on_memory("TestConditions"),
    ),
    Mutant(
        "memory: the runs of an in are not merged",
        MEMORY,
        "merged = heapq.merge(*runs, key=itemgetter(0, 1), reverse=walk.descending)",
        "merged = iter([entry for run in runs for entry in run])",
        on_memory("TestTwoFieldsAndMerging"),
    ),
    Mutant(
        "SQLite: the runs of an in are not merged",
        TABLES,
        "({runs} ORDER BY place {direction}, id {direction} LIMIT ?) AS chosen",
        "({runs} ORDER BY id {direction} LIMIT ?) AS chosen",
        on_sqlite("TestTwoFieldsAndMerging"),
    ),
    Mutant(
        "a sort without an index is always ascending",
        "app/db/paging.py",
        "pick = heapq.nlargest if query.descending else heapq.nsmallest",
        "pick = heapq.nsmallest",
        on_memory("TestTheOneOrder"),
    ),
    Mutant(
        "a query that no index serves is let through",
        BACKEND,
        "        if self.strict:\n",
        "        if False:\n",
        on_memory("TestUnservedQueries"),
    ),
    # Cursors and counts
    Mutant(
        "memory: a cursor forgets the id among equal keys",
        MEMORY,
        "(span.prefix + walk.after.key, walk.after.id)",
        '(span.prefix + walk.after.key, "" if walk.descending else "\\U0010ffff" * 600)',
        on_memory("TestTheOneOrder"),
    ),
    Mutant(
        "SQLite: a cursor forgets the id among equal keys",
        TABLES,
        'f" AND ({key}, id) {beyond} (?, ?)"',
        'f" AND {key} {beyond} ? AND ? IS NOT NULL"',
        on_sqlite("TestTheOneOrder"),
    ),
    Mutant(
        "a cursor's seal is not checked",
        "app/db/cursors.py",
        "    if not compare_digest(raw[:_SEAL_BYTES], _digest(seal, payload)) or ",
        "    if ",
        on_memory("TestCursors"),
    ),
    Mutant(
        "a page that ends early has no cursor",
        "app/db/paging.py",
        "        if len(found) == query.limit or examined >= EXAMINE_AT_MOST:\n",
        "        if examined >= EXAMINE_AT_MOST and len(found) < query.limit:\n"
        "            return Page(_projected(found, query), None)\n"
        "        if len(found) == query.limit:\n",
        on_memory("TestEarlyEnds"),
    ),
    Mutant(
        "a count is off by one at its bound",
        BACKEND,
        "return min(found, up_to), found <= up_to",
        "return min(found, up_to), found < up_to",
        on_memory("TestCounts"),
    ),
    Mutant(
        "SQLite: a scan shows the last document of a page twice",
        TABLES,
        "WHERE (tenant, id) > (?, ?)",
        "WHERE (tenant, id) >= (?, ?)",
        on_sqlite("TestScans"),
    ),
    # Documents
    Mutant(
        "integral floats stay floats",
        "app/db/documents.py",
        "return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else value",
        "return value",
        on_memory("TestPortableValues"),
    ),
    Mutant(
        "only the JSON's length counts as a size",
        "app/db/documents.py",
        "return max(len(data), _dynamodb_size(body), 32 + _firestore_size(body))",
        "return len(data)",
        on_memory("TestSizes"),
    ),
    Mutant(
        "depth is counted one too far",
        "app/db/documents.py",
        "    if depth > MAX_DEPTH:",
        "    if depth > MAX_DEPTH + 1:",
        on_memory("TestRefusedValues"),
    ),
    *COMMITS,
    *SERVERS,
)
