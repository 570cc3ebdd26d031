"""Hypothesis: a backend and the memory backend do the same things, and must answer the same; queries against a naive
reading of the rules. CONTRACT_FULL=1 runs 500 examples of 50 steps, and makes a failing example small.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.db import ABSENT, ANY, Check, Conflict, DatabaseService, Delete, Put, Query, where
from app.db.backends.memory import MemoryDatabase
from app.db.errors import DatabaseError, InvalidDocument, InvalidQuery
from app.db.query import Condition
from tests.db.contract.given import ids_of, make_schema
from tests.db.contract.naive import answer
from tests.db.contract.sizes import FULL, sized

Document = dict[str, Any]
Call = Callable[[DatabaseService, int], Any]
NEVER = "0123456789abcdef01234567"
_runs = count()
CALM = settings(
    deadline=None,
    database=None,
    derandomize=not FULL,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    # To make a failing example small takes minutes: that is for the full run.
    phases=list(Phase) if FULL else [Phase.explicit, Phase.generate],
)

LONG = "x" * 300
TEXTS = [
    "",
    "a",
    "ab",
    "b",
    "a\x00",
    "A",
    "é",
    "😀",
    "1",
    "x" * 237,
    "x" * 238,
    "x" * 239,
    LONG,
    LONG + "a",
    LONG + "b",
]
FEW: list[Any] = [True, 1, "a", "b", None, LONG + "a", LONG + "b"]
POOL: list[Any] = [None, False, True, 0, 1, 1.0, -1, -2, 1.5, -0.0, 2**53 - 1, 1e20, *TEXTS]


def among(values: list[Any]) -> st.SearchStrategy[Any]:
    """One of these; not sampled_from, which shows all of them wherever it is described."""
    return st.integers(0, len(values) - 1).map(lambda place: values[place])


numbers = st.integers(-(2**53 - 1), 2**53 - 1) | st.floats(1e-100, 1e100)
# Mostly from a small pool, so that documents, conditions and revisions meet; sometimes anything at all.
scalars = st.one_of(among(FEW), among(FEW), among(FEW), among(POOL), numbers, st.text(max_size=4))
texts = st.one_of(among(TEXTS), among(TEXTS), st.text(max_size=4))
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="_~"), min_size=1, max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("name", "status", "kind", "value", "address.city", "other")
portable = st.fixed_dictionaries(
    {},
    optional={
        "name": scalars,
        "status": scalars,
        "kind": scalars,
        "value": st.one_of(scalars, scalars, values),
        "address": st.one_of(scalars, st.fixed_dictionaries({"city": scalars})),
        "other": values,
        "😀": values,
    },
)
UNPORTABLE = [{"a": float("nan")}, {"_x": 1}, {"a": [2**53]}, {"a": {"": 1}}, {"a": "\ud800"}, {"a": (1,)}]
documents = st.integers(0, 9).flatmap(lambda one: portable if one else among(UNPORTABLE))
ids = st.one_of(
    among(["a", "b"]),
    among(["a", "b", "ab", "A", "a\x00", "é", "😀", "a/b"]),
    st.text(min_size=1, max_size=4),
)


def conditions() -> st.SearchStrategy[Condition]:
    """A condition of any kind on any of the fields, with an operand that some documents have."""
    ordered = scalars.filter(lambda value: value is not None)
    return st.sampled_from(FIELDS).flatmap(
        lambda field: st.one_of(
            st.builds(where(field).eq, scalars),
            st.builds(where(field).in_, st.lists(scalars, max_size=4)),
            st.builds(where(field).contains, scalars),
            st.builds(where(field).prefix, texts),
            st.builds(where(field).exists, st.booleans()),
            *(st.builds(getattr(where(field), name), ordered) for name in ("lt", "lte", "gt", "gte")),
        )
    )


queries = st.builds(
    Query,
    where=st.lists(conditions(), max_size=2).map(tuple),
    order_by=st.one_of(
        st.sampled_from([(), ("name",), ("name", "value"), ("status", "name")]),
        st.lists(st.sampled_from(FIELDS), max_size=2, unique=True).map(tuple),
    ),
    descending=st.booleans(),
    limit=st.integers(1, 5),
    fields=st.none() | st.lists(st.sampled_from(FIELDS), max_size=2, unique=True).map(tuple),
)


class Sides:
    """The backend and the model, side by side, in collections that are this run's own.

    Revisions differ by nature: each is replaced by its place in the history of its document before a comparison.
    """

    def __init__(self, subject: DatabaseService, model: DatabaseService) -> None:
        run = next(_runs)
        self.services = (subject, model)
        self.collections = (f"r{run}.a/notes", f"r{run}_a/notes")
        self.revisions: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.used: set[str] = {"a"}

    def both(self, call: Call) -> Any:
        """Do the same on both sides and compare what came of it; the answers, or None if both refused."""
        outcomes = [self._outcome(call, side) for side in (0, 1)]
        kinds = [outcome[0] for outcome in outcomes]
        assert kinds[0] == kinds[1], outcomes
        if kinds[0] == "answered":
            return tuple(outcome[1] for outcome in outcomes)
        assert outcomes[0] == outcomes[1]
        return None

    def same_documents(self, answers: tuple[list[Document | None], list[Document | None]] | None) -> None:
        """Compare documents, in order, values exactly, revisions by their place."""
        if answers is None:
            return
        shown = [[self._shown(document, side) for document in answers[side]] for side in (0, 1)]
        assert shown[0] == shown[1]

    def saved(self, collection: str, id: str, revs: tuple[str, str]) -> None:
        """Remember the revisions that one write made on both sides."""
        self.used.add(id)
        self.revisions.setdefault((collection, id), []).append(revs)

    def revision(self, collection: str, id: str, choice: str, side: int) -> str | None:
        """A revision of the document on one side: the last, an old one, one that never was, or none."""
        known = self.revisions.get((collection, id), [])
        if choice == "none":
            return None
        if choice == "never" or not known:
            return NEVER
        return known[-1 if choice == "last" else 0][side]

    def _outcome(self, call: Call, side: int) -> tuple[Any, ...]:
        try:
            return "answered", call(self.services[side], side)
        except Conflict as error:
            return "Conflict", error.keys
        except InvalidDocument as error:
            return "InvalidDocument", error.path
        except InvalidQuery as error:
            return "InvalidQuery", error.name
        except DatabaseError as error:
            return (type(error).__name__,)

    def _shown(self, document: Document | None, side: int) -> str:
        if document is None:
            return "absent"
        rev = document["_rev"]
        places = [
            (key, place)
            for key, history in self.revisions.items()
            for place, revs in enumerate(history)
            if revs[side] == rev and key[1] == document["_id"]
        ]
        assert places, f"a revision that no write answered: {document}"
        return repr([places, in_order({key: value for key, value in document.items() if key != "_rev"})])


def in_order(value: Any) -> Any:
    """The value with every object's keys sorted: their order is no part of it, and not every database keeps it."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


class ContractMachine(RuleBasedStateMachine):
    """Steps on both sides. Subclassed with the services to compare."""

    subject: DatabaseService
    model: DatabaseService
    cursors = Bundle("cursors")
    collections = st.integers(0, 1)
    choices = st.sampled_from(["none", "last", "last", "old", "never"])

    def __init__(self) -> None:
        super().__init__()
        self.sides = Sides(self.subject, self.model)

    def _write(self, collection: str, id: str, call: Callable[[DatabaseService, int], str]) -> None:
        revs = self.sides.both(call)
        if revs is not None:
            self.sides.saved(collection, id, revs)

    @rule(number=collections, id=ids, document=documents)
    def create(self, number: int, id: str, document: Document) -> None:
        name = self.sides.collections[number]
        self._write(name, id, lambda service, _: service.create(name, id, document)["rev"])

    @rule(number=collections, data=st.data(), document=documents, choice=choices)
    def save(self, number: int, data: st.DataObject, document: Document, choice: str) -> None:
        name, id = self.sides.collections[number], data.draw(self._known())

        def call(service: DatabaseService, side: int) -> str:
            return service.save(name, id, {**document, "_rev": self.sides.revision(name, id, choice, side)})["rev"]

        self._write(name, id, call)

    @rule(number=collections, data=st.data(), choice=choices)
    def delete(self, number: int, data: st.DataObject, choice: str) -> None:
        name, id = self.sides.collections[number], data.draw(self._known())
        self.sides.both(lambda service, side: service.delete(name, id, self.sides.revision(name, id, choice, side)))

    @rule(number=collections, data=st.data(), more=portable)
    def update(self, number: int, data: st.DataObject, more: Document) -> None:
        name, id = self.sides.collections[number], data.draw(self._known())
        answers = self.sides.both(lambda service, _: service.update(name, id, lambda document: {**document, **more}))
        if answers is not None:
            self.sides.saved(name, id, (answers[0]["_rev"], answers[1]["_rev"]))
            self.sides.same_documents(([answers[0]], [answers[1]]))

    @rule(data=st.data(), size=st.integers(0, 5))
    def commit(self, data: st.DataObject, size: int) -> None:
        drawn = [
            (
                self.sides.collections[data.draw(self.collections)],
                data.draw(self._known()),
                data.draw(st.sampled_from(["put", "put", "delete", "check"])),
                data.draw(st.sampled_from(["any", "absent", "last", "last", "old", "never"])),
                data.draw(portable),
            )
            for _ in range(size)
        ]

        def writes(side: int) -> list[Put | Delete | Check]:
            made: list[Put | Delete | Check] = []
            for name, id, kind, choice, document in drawn:
                expect: Any = {"any": ANY, "absent": ABSENT}.get(choice) or self.sides.revision(name, id, choice, side)
                if kind == "put":
                    made.append(Put(name, id, document, expect))
                else:
                    made.append(Delete(name, id, expect) if kind == "delete" else Check(name, id, expect))
            return made

        answers = self.sides.both(lambda service, side: service.commit(writes(side)))
        for place, (name, id, kind, _, _) in enumerate(drawn if answers else []):
            if kind == "put":
                self.sides.saved(name, id, (answers[0][place]["rev"], answers[1][place]["rev"]))

    @rule(number=collections, given=st.dictionaries(ids, documents, max_size=4))
    def write_batch(self, number: int, given: dict[str, Document]) -> None:
        name = self.sides.collections[number]
        batch = [{**document, "_id": id} for id, document in given.items()]
        answers = self.sides.both(lambda service, _: service.write_batch(name, batch))
        for one, other in zip(*answers, strict=True):
            assert (one.id, type(one.error)) == (other.id, type(other.error))
            if one.rev is not None:
                self.sides.saved(name, one.id, (one.rev, other.rev))

    @rule(number=collections, data=st.data())
    def read_by_key(self, number: int, data: st.DataObject) -> None:
        name, wanted = self.sides.collections[number], data.draw(st.lists(self._known(), max_size=4))
        for id in wanted:
            self.sides.same_documents(self.sides.both(getter(name, id)))
        many = self.sides.both(lambda service, _: list(service.get_many(name, wanted).values()))
        self.sides.same_documents(many)
        keys = [(collection, id) for collection in self.sides.collections for id in wanted]
        self.sides.same_documents(self.sides.both(lambda service, _: service.read_together(keys)))

    @rule(target=cursors, number=collections, query=queries)
    def first_page(self, number: int, query: Query) -> Any:
        return self._page(self.sides.collections[number], (query, query))

    @rule(target=cursors, known=consumes(cursors))
    def next_page(self, known: Any) -> Any:
        return self._page(*known)

    def _page(self, name: str, asked: tuple[Query, Query]) -> Any:
        pages = self.sides.both(lambda service, side: service.query(name, asked[side]))
        self.sides.same_documents((pages[0].documents, pages[1].documents))
        assert (pages[0].cursor is None) == (pages[1].cursor is None)
        if pages[0].cursor is None:
            return multiple()
        return name, tuple(replace(query, cursor=page.cursor) for query, page in zip(asked, pages, strict=True))

    @rule(number=collections, query=queries, up_to=st.integers(1, 6))
    def count_documents(self, number: int, query: Query, up_to: int) -> None:
        counts = self.sides.both(lambda service, _: service.count(self.sides.collections[number], query.where, up_to))
        assert counts[0] == counts[1]

    @invariant()
    def both_hold_the_same(self) -> None:
        for name in self.sides.collections:
            self.sides.same_documents(self.sides.both(lister(name)))

    def _known(self) -> st.SearchStrategy[str]:
        used = st.sampled_from(sorted(self.sides.used))
        return st.one_of(used, used, ids)


def getter(collection: str, id: str) -> Call:
    """A get, for both sides."""
    return lambda service, _: [service.get(collection, id)]


def lister(collection: str) -> Call:
    """A list of everything, for both sides."""
    return lambda service, _: list(service.list_all(collection))


class TestModel:
    def test_a_backend_and_the_memory_backend_do_the_same(self, service: DatabaseService) -> None:
        machine = type("Machine", (ContractMachine,), {"subject": service, "model": MemoryDatabase(make_schema())})
        steps = settings(CALM, max_examples=sized(40, 500), stateful_step_count=sized(30, 50))
        run_state_machine_as_test(machine, settings=steps)


class TestQueriesOfEveryKind:
    @settings(CALM, max_examples=sized(150, 2_000))
    @given(
        stored=st.dictionaries(ids, portable, min_size=3, max_size=12), asked=st.lists(queries, min_size=1, max_size=4)
    )
    def test_a_query_answers_what_the_rules_say(
        self, service: DatabaseService, stored: dict[str, Document], asked: list[Query]
    ) -> None:
        collection = f"q{next(_runs)}/notes"
        outcomes = service.write_batch(collection, [{**document, "_id": id} for id, document in stored.items()])
        assert [outcome.error for outcome in outcomes] == [None] * len(stored)
        listed = list(service.list_all(collection))
        assert [document["_id"] for document in listed] == sorted(stored)
        for query in asked:
            assert ids_of(service, collection, query) == answer(listed, query), query
            unordered = replace(query, order_by=())
            assert service.count(collection, query.where) == (len(answer(listed, unordered)), True), query
