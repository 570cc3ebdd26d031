"""The mutants of the commit protocol and of its readers, each in the code of app/db/commit_record.py.

The first five, and the two of readers, are those of the model that the protocol was designed with. What notices is the
small world of test_commit_record.py, where the real code runs under a thousand interleavings. That file has the same
mutants as subclasses, which can break more than one place.
"""

from tests.db.mutant import Mutant

FILE = "app/db/commit_record.py"
WORLD = ("tests/db/test_commit_record.py::test_the_protocol_holds",)

COMMITS = (
    Mutant(
        "commit: the record is created at the commit",
        FILE,
        "        hint = self._store.create_record(tx, list(changes), self._clock())\n"
        '        record = Record(tx, hint, "pending", tuple(changes), self._clock())\n'
        "        placed: dict[Key, Cell] = {}\n"
        "        try:\n"
        "            complete = self._place(intents, cells, placed) and self._unchanged(checked, cells)\n",
        "        placed: dict[Key, Cell] = {}\n"
        '        record = Record(tx, "", "pending", tuple(changes), self._clock())\n'
        "        try:\n"
        "            complete = self._place(intents, cells, placed) and self._unchanged(checked, cells)\n"
        "            record = record._replace(hint=self._store.create_record(tx, list(changes), self._clock()))\n",
        WORLD,
    ),
    Mutant(
        "commit: a record is cleaned up while an intent needs it",
        FILE,
        "        keys = {key for record in decided for key in record.keys}\n        bearing",
        "        keys: set[Key] = set()\n        bearing",
        WORLD,
    ),
    Mutant(
        "commit: an intent is overwritten blindly",
        FILE,
        "            read = self._store.read_cells(wanted)\n            bearing",
        "            read = self._store.read_cells(wanted)\n"
        "            read = {key: cell._replace(intent=None) for key, cell in read.items()}\n            bearing",
        WORLD,
    ),
    Mutant(
        "commit: intents are folded before the commit",
        FILE,
        "        if not self._decide(record):\n",
        '        self._fold(placed, "committed")\n        if not self._decide(record):\n',
        WORLD,
    ),
    Mutant(
        "commit: what was only read is not looked at again",
        FILE,
        "            complete = self._place(intents, cells, placed) and self._unchanged(checked, cells)\n",
        "            complete = self._place(intents, cells, placed)\n",
        WORLD,
    ),
    Mutant(
        "commit: the record is decided without comparing",
        FILE,
        '                if self._store.decide_record(record, "committed", self._clock()):',
        '                if self._store.decide_record(record, "committed", self._clock()) or True:',
        WORLD,
    ),
    Mutant(
        "commit: an intent is put in without comparing",
        FILE,
        "            swaps.append(Swap(key, cell.hint, cell._replace(intent=intent)))",
        '            hint = self._store.read_hints([key]).get(key, "")\n'
        "            swaps.append(Swap(key, hint, cell._replace(intent=intent)))",
        WORLD,
    ),
    Mutant(
        "reader: a missing record is taken for an aborted one",
        FILE,
        "        return None if record is None else record.state\n",
        '        return "aborted" if record is None else record.state\n',
        WORLD,
    ),
    Mutant(
        "reader: two documents are read one after the other",
        FILE,
        "            if {key: cell.hint for key, cell in first.items()} == self._store.read_hints(keys):\n",
        "            if first:\n",
        WORLD,
    ),
    Mutant(
        "reader: a pending commit counts as committed",
        FILE,
        '                return "pending"\n',
        '                return "committed"\n',
        WORLD,
    ),
)
