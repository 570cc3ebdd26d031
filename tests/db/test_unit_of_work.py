import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from app.db import ABSENT, Check, Conflict, InvalidDocument, InvalidQuery, NotFound, Put, TooLarge
from app.db.actors import SYSTEM
from app.db.audit import AuditRecord
from app.db.unit_of_work import UnitOfWork
from app.hub import TenantRequired
from tests.db.dock_fixtures import dock
from tests.db.kit import Boat, BoatLaunched, Dock, Harbour, HarbourOpened

__all__ = ["dock"]


def renamed(uow: UnitOfWork, boat: Boat, name: str) -> Boat:
    mine = uow.store(Boat).get(boat.id)
    mine.name = name
    return uow.store(Boat).save(mine)


def launch_and_fail(uow: UnitOfWork) -> None:
    uow.store(Boat).add(Boat(name="Ariel"))
    raise ZeroDivisionError


class TestCommit:
    def test_everything_registered_is_written_in_one_commit(self, dock: Dock) -> None:
        old, gone = dock.launch("Old", "Gone")
        dock.commits.clear()
        with dock.unit() as uow:
            new = uow.store(Boat).add(Boat(name="New"))
            uow.store(Harbour).add(Harbour(name="Pier"))
            renamed(uow, old, "Renamed")
            uow.store(Boat).remove(uow.store(Boat).get(gone.id))
            uow.commit()
        assert dock.commits == [4 + 2]  # and two audit records: the tenant's and the installation's
        stored = {id: document["name"] for (path, id), document in dock.contents().items() if path == "t1/boats"}
        assert stored == {old.id: "Renamed", new.id: "New"}

    def test_without_commit_nothing_is_written(self, dock: Dock) -> None:
        before = dock.contents()
        with dock.unit() as uow:
            uow.store(Boat).add(Boat(name="Ariel"))
            uow.emit(BoatLaunched(boat_id="b"))
            uow.claim("name", "Ariel", uow.store(Harbour).add(Harbour(name="Pier")))
        assert {key for key in dock.contents() if key[0] != "installation_keys"} == before.keys()
        assert dock.commits == []

    def test_an_exception_writes_nothing(self, dock: Dock) -> None:
        with pytest.raises(ZeroDivisionError), dock.unit() as uow:
            launch_and_fail(uow)
        assert dock.contents() == {}

    def test_entities_go_on_with_their_new_revision_and_times(self, dock: Dock) -> None:
        with dock.unit() as uow:
            boat = uow.store(Boat).add(Boat(name="Ariel"))
            assert boat.created_at == boat.updated_at == dock.clock.now
            uow.commit()
        assert boat.rev == dock.db.get("t1/boats", boat.id)["_rev"]
        made, later = dock.clock.now, dock.clock.go_on()
        with dock.unit() as uow:
            mine = renamed(uow, boat, "Bounty")
            uow.commit()
        assert (mine.created_at, mine.updated_at) == (made, later)
        assert mine.rev != boat.rev
        assert Boat.from_document(dock.db.get("t1/boats", boat.id)) == mine

    def test_what_is_written_is_the_entity_as_it_is_at_the_commit(self, dock: Dock) -> None:
        with dock.unit() as uow:
            boat = uow.store(Boat).add(Boat(name="Ariel"))
            boat.name = "Bounty"
            uow.commit()
        assert dock.db.get("t1/boats", boat.id)["name"] == "Bounty"

    def test_a_change_deep_inside_a_value_is_seen(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel", cargo={"hold": {"tea": 1}})
        with dock.unit() as uow:
            mine = uow.store(Boat).get(boat.id)
            mine.cargo["hold"]["tea"] = 2
            uow.store(Boat).save(mine)
            uow.commit()
        assert dock.db.get("t1/boats", boat.id)["cargo"] == {"hold": {"tea": 2}}

    def test_one_and_true_are_different_values(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel", cargo={"full": True})
        with dock.unit() as uow:
            mine = uow.store(Boat).get(boat.id)
            mine.cargo["full"] = 1
            uow.store(Boat).save(mine)
            uow.commit()
        assert dock.db.get("t1/boats", boat.id)["cargo"]["full"] is not True

    def test_a_value_that_no_backend_takes_is_refused_with_its_place(self, dock: Dock) -> None:
        with dock.unit() as uow:
            uow.store(Boat).add(Boat(name="Ariel", length=float("nan")))
            with pytest.raises(InvalidDocument, match="length"):
                uow.commit()

    def test_saving_what_did_not_change_writes_nothing(self, dock: Dock) -> None:
        boats = dock.launch("Ariel", "Bounty")
        dock.db.save("t1/boats", "old", {"name": "Argo"})  # lacks most fields
        dock.commits.clear()
        dock.clock.go_on()
        before = dock.contents()
        with dock.unit() as uow:
            for id in (*(boat.id for boat in boats), "old"):
                uow.store(Boat).save(uow.store(Boat).get(id))
            uow.commit()
        assert dock.contents() == before
        assert dock.commits == []

    def test_fields_that_this_version_does_not_know_survive(self, dock: Dock) -> None:
        dock.db.save("t1/boats", "b1", {"name": "Argo", "sails": {"jib": 2}})
        with dock.unit() as uow:
            mine = uow.store(Boat).get("b1")
            mine.name = "Ariel"
            uow.store(Boat).save(mine)
            uow.commit()
        found = dock.db.get("t1/boats", "b1")
        assert (found["name"], found["sails"]) == ("Ariel", {"jib": 2})


class TestConflicts:
    def test_the_second_of_two_writers_is_refused_and_nothing_of_it_is_written(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as first, dock.unit() as second:
            renamed(first, boat, "First")
            renamed(second, boat, "Second")
            second.store(Boat).add(Boat(name="Beside"))
            first.commit()
            with pytest.raises(Conflict) as caught:
                second.commit()
        assert caught.value.keys == (("t1/boats", boat.id),)
        names = [document["name"] for (path, _), document in dock.contents().items() if path == "t1/boats"]
        assert names == ["First"]

    def test_the_revision_of_a_form_can_be_expected(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        opened = boat.rev
        dock.write(lambda uow: renamed(uow, boat, "Meanwhile"))
        with dock.unit() as uow:
            mine = renamed(uow, boat, "From the form")
            mine.rev = opened
            with pytest.raises(Conflict):
                uow.commit()

    def test_removing_what_somebody_changed_is_a_conflict(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as uow:
            uow.store(Boat).remove(uow.store(Boat).get(boat.id))
            dock.write(lambda other: renamed(other, boat, "Meanwhile"))
            with pytest.raises(Conflict):
                uow.commit()

    def test_adding_an_id_that_exists_is_a_conflict(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as uow:
            uow.store(Boat).add(Boat(id=boat.id, name="Twin"))
            with pytest.raises(Conflict):
                uow.commit()

    @pytest.mark.parametrize("meanwhile", ["nothing", "changed"])
    def test_a_decision_can_depend_on_what_was_read(self, dock: Dock, meanwhile: str) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as uow:
            uow.require_unchanged(uow.store(Boat).get(boat.id))
            uow.store(Harbour).add(Harbour(name="For Ariel"))
            if meanwhile == "changed":
                dock.write(lambda other: renamed(other, boat, "Other"))
                with pytest.raises(Conflict):
                    uow.commit()
            else:
                uow.commit()

    def test_a_decision_can_depend_on_an_absence(self, dock: Dock) -> None:
        with dock.unit() as uow:
            uow.require_absent(Boat, "b1")
            uow.store(Harbour).add(Harbour(name="Empty"))
            dock.write(lambda other: other.store(Boat).add(Boat(id="b1", name="Ariel")))
            with pytest.raises(Conflict):
                uow.commit()

    def test_a_document_that_must_be_absent_cannot_be_changed_beside(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as uow:
            uow.require_absent(Boat, boat.id)
            renamed(uow, boat, "Bounty")
            with pytest.raises(Conflict):
                uow.commit()

    def test_an_entity_may_be_required_unchanged_and_changed(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as uow:
            uow.require_unchanged(uow.store(Boat).get(boat.id))
            renamed(uow, boat, "Bounty")
            uow.commit()
        assert dock.db.get("t1/boats", boat.id)["name"] == "Bounty"

    def test_after_a_conflict_the_unit_reads_what_is_stored(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        with dock.unit() as uow:
            renamed(uow, boat, "Mine")
            dock.write(lambda other: renamed(other, boat, "Theirs"))
            with pytest.raises(Conflict):
                uow.commit()
            assert uow.store(Boat).get(boat.id).name == "Theirs"


class TestEnding:
    REGISTERING: tuple[Callable[[UnitOfWork], Any], ...] = (
        lambda uow: uow.store(Boat).add(Boat(name="Late")),
        lambda uow: uow.store(Boat).save(uow.store(Boat).get("b1")),
        lambda uow: uow.store(Boat).remove(uow.store(Boat).get("b1")),
        lambda uow: uow.emit(BoatLaunched(boat_id="b1")),
        lambda uow: uow.claim("name", "x", uow.store(Boat).get("b1")),
        lambda uow: uow.release("name", "x", "b1"),
        lambda uow: uow.require_unchanged(uow.store(Boat).get("b1")),
        lambda uow: uow.require_absent(Boat, "b2"),
        lambda uow: uow.commit(),
    )

    @pytest.mark.parametrize("register", REGISTERING)
    @pytest.mark.parametrize("end", [UnitOfWork.commit, UnitOfWork.rollback])
    def test_an_ended_unit_takes_no_change_but_can_still_be_read(
        self, dock: Dock, register: Callable[[UnitOfWork], Any], end: Callable[[UnitOfWork], None]
    ) -> None:
        dock.write(lambda uow: uow.store(Boat).add(Boat(id="b1", name="Ariel")))
        uow = dock.unit()
        end(uow)
        assert uow.store(Boat).get("b1").name == "Ariel"
        with pytest.raises(RuntimeError, match=r"unit of work is (committed|rolled back)"):
            register(uow)

    def test_a_unit_says_whether_it_has_changes(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        for register in (
            lambda uow: uow.store(Boat).add(Boat(name="New")),
            lambda uow: renamed(uow, boat, "New"),
            lambda uow: uow.emit(BoatLaunched(boat_id="b")),
            lambda uow: uow.claim("name", "x", uow.store(Boat).get(boat.id)),
        ):
            uow = dock.unit()
            uow.store(Boat).get(boat.id)
            assert not uow.has_changes
            register(uow)
            assert uow.has_changes

    def test_a_unit_leaves_no_garbage_for_the_collector(self, dock: Dock) -> None:
        gc.disable()
        try:
            uow = dock.unit()
            uow.store(Boat).add(Boat(name="New"))
            uow.commit()
            store = weakref.ref(uow.store(Boat))
            del uow
            assert store() is None
        finally:
            gc.enable()


class TestLimits:
    def test_ninety_documents_fit_with_their_audit_record_and_one_more_does_not(self, dock: Dock) -> None:
        with dock.unit() as uow:
            for number in range(90):
                uow.store(Boat).add(Boat(name=f"b{number}"))
            uow.commit()
        assert dock.commits == [91]
        with dock.unit() as uow:
            for number in range(91):
                uow.store(Boat).add(Boat(name=f"b{number}"))
            with pytest.raises(TooLarge, match="90 documents, not 91"):
                uow.commit()
        assert dock.commits == [91]

    def test_three_megabytes_is_the_most(self, dock: Dock) -> None:
        with dock.unit() as uow:
            for _ in range(10):
                uow.store(Boat).add(Boat(name="x" * 310_000))
            with pytest.raises(TooLarge, match="3,000,000 bytes"):
                uow.commit()

    def test_checks_count_too(self, dock: Dock) -> None:
        with dock.unit() as uow:
            uow.store(Boat).add(Boat(name="Ariel"))
            for number in range(90):
                uow.require_absent(Boat, f"b{number}")
            with pytest.raises(TooLarge):
                uow.commit()


class TestTenants:
    def test_a_tenants_entity_in_a_unit_without_tenant_is_refused(self, dock: Dock) -> None:
        uow = dock.unit(None)
        with pytest.raises(InvalidQuery, match="tenant is required"):
            uow.store(Boat)
        with pytest.raises(InvalidQuery, match="tenant is required"):
            uow.store(AuditRecord)
        assert uow.store(Harbour).count() == (0, True)

    @pytest.mark.parametrize("tenant", ["", "a/b", "a\n", 7])
    def test_what_is_no_tenant_is_refused(self, dock: Dock, tenant: Any) -> None:
        with pytest.raises(InvalidQuery):
            dock.unit(tenant)

    @pytest.mark.parametrize("other", ["a.c", "a_c", "a%", "*", "a:b", "abc"])
    def test_tenants_do_not_see_each_other(self, dock: Dock, other: str) -> None:
        boat = dock.write(lambda uow: uow.store(Boat).add(Boat(name="Ariel")), tenant="abc" if other != "abc" else "a%")
        boats = dock.unit(other).store(Boat)
        assert boats.get_or_none(boat.id) is None
        assert boats.get_many([boat.id]) == {}
        assert boats.count() == (0, True)
        with dock.unit(other) as uow, pytest.raises(NotFound):
            uow.store(Boat).save(boat)

    def test_a_tenants_event_needs_a_tenant(self, dock: Dock) -> None:
        with pytest.raises(TenantRequired):
            dock.unit(None).emit(BoatLaunched(boat_id="b"))
        dock.unit(None).emit(HarbourOpened())

    def test_a_unit_can_be_given_the_tenant_that_it_makes(self, dock: Dock) -> None:
        with dock.unit(None) as uow:
            uow.store(Harbour).add(Harbour(name="Pier"))
            uow.bind_tenant("t9")
            uow.store(Boat).add(Boat(name="Sample"))
            with pytest.raises(RuntimeError, match="another tenant"):
                uow.bind_tenant("t8")
            uow.commit()
        assert {path for path, _ in dock.contents()} == {"harbours", "t9/boats", "t9/audit", "installation_audit"}

    def test_the_default_actor_is_the_system(self, dock: Dock) -> None:
        assert UnitOfWork(dock.db, tenant_id=None).actor is SYSTEM


def test_the_writes_carry_every_expectation(dock: Dock) -> None:
    (old, read) = dock.launch("Old", "Read")
    seen: list[Any] = []
    commit = dock.db.commit

    def watched(writes: Any) -> Any:
        seen.extend(writes)
        return commit(writes)

    dock.db.commit = watched  # type: ignore[method-assign]
    with dock.unit() as uow:
        new = uow.store(Boat).add(Boat(name="New"))
        renamed(uow, old, "Renamed")
        uow.require_unchanged(uow.store(Boat).get(read.id))
        uow.commit()
    expected = {write.id: write.expect for write in seen if write.collection == "t1/boats"}
    assert expected == {new.id: ABSENT, old.id: old.rev, read.id: read.rev}
    assert [type(write) for write in seen if write.id == read.id] == [Check]
    assert [write.expect for write in seen if write.collection == "t1/audit" and isinstance(write, Put)] == [ABSENT]
