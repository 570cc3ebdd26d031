from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.audit import (
    MASK,
    AnyAuditRecord,
    AuditFilter,
    AuditRecord,
    FieldChange,
    InstallationAuditRecord,
    about,
    newest,
    subject_of,
)
from app.db.audit_record import MAX_BYTES, audit_records
from app.db.documents import check_document, document_size
from app.db.tracking import Change
from app.db.unit_of_work import Actor, UnitOfWork
from tests.db.dock_fixtures import dock
from tests.db.kit import ANN, Berth, Boat, BoatLaunched, Dock, Harbour, HarbourOpened, Ping, open_in_memory

__all__ = ["dock"]
BOB = Actor("user", "u-bob", "Bob")


def records(dock: Dock, tenant: str | None = "t1") -> list[AuditRecord]:
    return newest(dock.unit(tenant).store(AuditRecord)).items


def of_installation(dock: Dock) -> list[InstallationAuditRecord]:
    return newest(dock.unit(None).store(InstallationAuditRecord)).items


def changed(uow: UnitOfWork, boat: Boat, **values: Any) -> Boat:
    mine = uow.store(Boat).get(boat.id)
    for name, value in values.items():
        setattr(mine, name, value)
    return uow.store(Boat).save(mine)


def fields(record: AnyAuditRecord) -> dict[str, FieldChange]:
    (change,) = record.changes
    return {field.field: field for field in change.fields}


class TestWhatIsRecorded:
    def test_who_did_what_to_what_when_and_from_where(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        (record,) = records(dock)
        assert (record.actor_kind, record.actor_id, record.actor_name) == ("user", "u-ann", "Ann")
        assert (record.address, record.correlation_id, record.at) == ("192.0.2.7", "c-1", dock.clock.now)
        (change,) = record.changes
        assert (change.action, change.kind, change.id, change.label) == ("created", "boats", boat.id, "Ariel")

    def test_a_change_shows_the_fields_that_differ_before_and_after(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel", cargo={"tea": 1})
        dock.clock.go_on()
        dock.write(lambda uow: changed(uow, boat, name="Bounty", cargo={"tea": 2}))
        record = records(dock)[0]
        assert fields(record) == {
            "name": FieldChange(field="name", before="Ariel", after="Bounty"),
            "cargo": FieldChange(field="cargo", before={"tea": 1}, after={"tea": 2}),
        }
        assert record.changes[0].label == "Bounty"

    def test_a_deletion_keeps_what_was_there(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        dock.clock.go_on()
        dock.write(lambda uow: uow.store(Boat).remove(uow.store(Boat).get(boat.id)))
        record = records(dock)[0]
        assert record.changes[0].action == "deleted"
        assert fields(record)["name"] == FieldChange(field="name", before="Ariel", after=None)

    def test_a_field_that_an_older_document_lacks_is_no_change(self, dock: Dock) -> None:
        dock.db.save("t1/boats", "old", {"name": "Argo"})
        dock.write(lambda uow: changed(uow, Boat(id="old", name="Argo"), name="Ariel"))
        assert set(fields(records(dock)[0])) == {"name"}

    def test_a_secret_is_masked_on_both_sides_and_in_every_action(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel", code="canary-1")
        dock.write(lambda uow: changed(uow, boat, code="canary-2"))
        dock.write(lambda uow: changed(uow, boat, code=None))
        dock.write(lambda uow: uow.store(Boat).remove(changed(uow, boat, code="canary-3")))
        found = [(fields(record).get("code")) for record in records(dock)]
        sides = {(one.before, one.after) for one in found if one is not None}
        assert sides == {(None, MASK), (MASK, MASK), (MASK, None)}
        assert "canary" not in str([doc for (path, _), doc in dock.contents().items() if path == "t1/audit"])

    def test_a_large_value_is_cut_and_hashed(self, dock: Dock) -> None:
        dock.launch("x" * 1_000)
        name = fields(records(dock)[0])["name"]
        assert name.cut == ("after",)
        assert name.after["bytes"] == 1_002
        assert set(name.after["text"]) == {"x"}
        assert len(name.after["text"]) < 1_000
        assert len(name.after["sha256"]) == 64

    def test_values_as_deep_as_a_document_can_be_are_recorded(self, dock: Dock) -> None:
        deep: Any = 1
        for _ in range(19):
            deep = {"in": deep}
        dock.launch("Ariel", cargo=deep)
        assert fields(records(dock)[0])["cargo"].cut == ("after",)

    def test_events_stand_in_the_record(self, dock: Dock) -> None:
        with dock.unit() as uow:
            uow.store(Boat).add(Boat(name="Ariel"))
            uow.emit(BoatLaunched(boat_id="b"))
            uow.emit(BoatLaunched(boat_id="c"))
            uow.commit()
        assert records(dock)[0].events == ("BoatLaunched",)


class TestWhereItIsRecorded:
    def test_each_committed_change_stands_in_exactly_one_record(self, dock: Dock) -> None:
        with dock.unit() as uow:
            boat = uow.store(Boat).add(Boat(name="Ariel"))
            harbour = uow.store(Harbour).add(Harbour(name="Pier"))
            berth = uow.store(Berth).add(Berth(number=4))
            uow.store(Ping).add(Ping())
            uow.emit(HarbourOpened())
            uow.commit()
        (tenants,), (installations,) = records(dock), of_installation(dock)
        assert set(tenants.subjects) == {f"boats/{boat.id}", f"berths/{berth.id}"}
        assert (installations.subjects, installations.events) == ((f"harbours/{harbour.id}",), ())
        assert tenants.events == ("HarbourOpened",)
        assert tenants.correlation_id == installations.correlation_id

    def test_a_unit_without_tenant_writes_the_installations_record(self, dock: Dock) -> None:
        with dock.unit(None) as uow:
            uow.store(Berth).add(Berth(number=4))
            uow.emit(HarbourOpened())
            uow.commit()
        (record,) = of_installation(dock)
        assert (record.kinds, record.events) == (("berths",), ("HarbourOpened",))
        assert not any(path.endswith("/audit") for path, _ in dock.contents())

    def test_there_is_one_record_for_each_commit_that_changed_something(self, dock: Dock) -> None:
        boats = dock.launch("Ariel", "Bounty", "Cutty")
        for boat in boats:
            dock.write(partial(changed, boat=boat, kind="tug"))
            dock.write(partial(changed, boat=boat, kind="tug"))  # changes nothing
            with dock.unit() as uow:
                changed(uow, boat, kind="wherry")  # is not committed
        assert len(records(dock)) == 6

    def test_a_failed_commit_leaves_no_record(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as uow:
            changed(uow, boat, name="Mine")
            dock.db.save("t1/boats", boat.id, {"name": "Theirs"})
            with pytest.raises(Exception, match="meanwhile"):
                uow.commit()
        assert len(records(dock)) == 1

    def test_what_nobody_wants_to_read_about_is_not_recorded(self, dock: Dock) -> None:
        dock.write(lambda uow: uow.store(Ping).add(Ping()))
        assert records(dock) == []

    def test_an_event_is_recorded_even_if_no_entity_changed(self, dock: Dock) -> None:
        dock.write(lambda uow: uow.emit(BoatLaunched(boat_id="b")))
        assert [(record.events, record.changes) for record in records(dock)] == [(("BoatLaunched",), ())]


class TestAsking:
    @pytest.fixture(autouse=True)
    def history(self, dock: Dock) -> None:
        self.boat, self.other = dock.launch("Ariel", "Bounty")
        self.noon = dock.clock.go_on()
        with dock.unit(actor=BOB) as uow:
            changed(uow, self.boat, name="Zeal")
            uow.commit()
        dock.clock.go_on()
        dock.write(lambda uow: uow.store(Boat).remove(uow.store(Boat).get(self.boat.id)))
        self.records = dock.unit().store(AuditRecord)

    def test_the_newest_comes_first_and_pages_follow(self, dock: Dock) -> None:
        page = newest(self.records, limit=2)
        assert [record.actions for record in page.items] == [("deleted",), ("changed",)]
        rest = newest(self.records, limit=2, cursor=page.cursor)
        assert [record.actions for record in rest.items] == [("created",)] * 2
        assert rest.cursor is None

    def test_about_one_entity_or_a_kind(self, dock: Dock) -> None:
        assert [one.actions[0] for one in about(self.records, "boats", self.boat.id).items] == [
            "deleted",
            "changed",
            "created",
        ]
        assert len(about(self.records, "boats").items) == 4
        assert about(self.records, "pings").items == []

    def test_filters_combine_with_times(self, dock: Dock) -> None:
        def found(**filters: Any) -> list[tuple[str, ...]]:
            return [record.actions for record in self.records.find(AuditFilter(**filters).query()).items]

        assert found(actor_id="u-bob") == [("changed",)]
        assert len(found(actor_id="u-ann")) == 3
        assert len(found(action="created")) == 2
        assert found(since=self.noon) == [("deleted",), ("changed",)]
        assert found(until=self.noon) == [("created",)] * 2
        assert found(since=self.noon, actor_id="u-ann") == [("deleted",)]
        assert found(correlation_id="c-1", action="created", kind="boats") == [("created",)] * 2
        assert found(event="BoatLaunched") == []
        with pytest.raises(ValueError, match="kind"):
            AuditFilter(id="x")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=5),
    max_leaves=12,
)


class TestSize:
    @pytest.mark.parametrize("character", ["x", "\x01", "😀", "0"])
    @pytest.mark.parametrize("count", [1, 90])
    def test_a_record_is_small_whatever_was_changed(self, count: int, character: str) -> None:
        long = 4 if character == "😀" else 1
        crew = tuple(character for _ in range(2_000))
        boats = [
            Boat(id=character * (512 // long - 3) + f"{number:03}", name=character * 20_000, crew=crew)
            for number in range(count)
        ]
        changes = [Change("created", boat, {}, boat.to_document()) for boat in boats]
        (record,) = audit_records(changes, [], actor=ANN, at=boats[0].created_at, tenant=True)
        portable = check_document(record.to_document(), record.id)
        assert document_size(portable.body, portable.data) <= MAX_BYTES
        assert record.subjects == tuple(subject_of("boats", boat.id) for boat in boats)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(st.tuples(st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=4), VALUES), max_size=4)
    )
    def test_any_value_can_be_recorded_and_read_back(self, cargos: list[tuple[dict[str, Any], Any]]) -> None:
        dock = Dock(open_in_memory())
        with dock.unit() as uow:
            for before, after in cargos:
                boat = uow.store(Boat).add(Boat(name="a", cargo=before))
                boat.cargo = {"after": after}
            uow.commit()
        found = records(dock)
        assert len(found) == min(len(cargos), 1)
        assert [len(record.changes) for record in found] == [len(cargos)] * len(found)
