import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from app.db.audit import AuditRecord, newest
from app.db.unit_of_work import UnitOfWork
from app.hub import Event, Hub, TenantRequired
from tests.db.kit import Boat, BoatLaunched, Dock, HarbourOpened, open_in_memory


@dataclass(frozen=True)
class TugLaunched(BoatLaunched):
    """A kind of BoatLaunched."""


@pytest.fixture
def dock() -> Dock:
    return Dock(open_in_memory())


def names(dock: Dock) -> list[str]:
    return sorted(document["name"] for (path, _), document in dock.contents().items() if path == "t1/boats")


class TestDuringHandlers:
    def test_a_handler_changes_things_in_the_same_commit(self, dock: Dock) -> None:
        @dock.hub.during(BoatLaunched)
        def add_a_tug(event: BoatLaunched, uow: UnitOfWork) -> None:
            uow.store(Boat).add(Boat(name=f"tug of {event.boat_id}", kind="tug"))

        with dock.unit() as uow:
            uow.store(Boat).add(Boat(name="Ariel"))
            uow.emit(BoatLaunched(boat_id="b1"))
            assert names(dock) == []
            uow.commit()
        assert names(dock) == ["Ariel", "tug of b1"]
        assert len(dock.commits) == 1
        (record,) = newest(dock.unit().store(AuditRecord)).items
        assert len(record.changes) == 2

    def test_a_handler_that_fails_fails_the_commit_and_nothing_is_written(self, dock: Dock) -> None:
        @dock.hub.during(BoatLaunched)
        def fail(event: BoatLaunched, uow: UnitOfWork) -> None:
            uow.store(Boat).add(Boat(name="half"))
            raise ZeroDivisionError

        with dock.unit() as uow:
            uow.store(Boat).add(Boat(name="Ariel"))
            uow.emit(BoatLaunched(boat_id="b1"))
            with pytest.raises(ZeroDivisionError):
                uow.commit()
            assert not uow.has_changes
        assert dock.contents() == {}

    def test_nothing_is_heard_of_what_was_rolled_back(self, dock: Dock) -> None:
        heard: list[Event] = []
        dock.hub.during(Event)(lambda event, uow: heard.append(event))
        with dock.unit() as uow:
            uow.emit(BoatLaunched(boat_id="b1"))
        assert heard == []

    def test_handlers_run_in_the_order_of_registration_and_events_in_that_of_their_emission(self, dock: Dock) -> None:
        heard: list[str] = []
        dock.hub.during(BoatLaunched)(lambda event, uow: heard.append(f"first {event.boat_id}"))
        dock.hub.during(BoatLaunched)(lambda event, uow: heard.append(f"second {event.boat_id}"))
        with dock.unit() as uow:
            uow.emit(BoatLaunched(boat_id="a"))
            uow.emit(BoatLaunched(boat_id="b"))
            uow.commit()
        assert heard == ["first a", "second a", "first b", "second b"]

    def test_a_handler_may_emit_further_events(self, dock: Dock) -> None:
        heard: list[Event] = []
        dock.hub.during(BoatLaunched)(lambda event, uow: uow.emit(HarbourOpened(harbour_id=event.boat_id)))
        dock.hub.during(HarbourOpened)(lambda event, uow: heard.append(event))
        with dock.unit() as uow:
            uow.emit(BoatLaunched(boat_id="a"))
            uow.commit()
        assert [type(event) for event in heard] == [HarbourOpened]
        (record,) = newest(dock.unit().store(AuditRecord)).items
        assert record.events == ("BoatLaunched", "HarbourOpened")

    def test_handlers_that_call_each_other_without_end_are_stopped(self, dock: Dock) -> None:
        dock.hub.during(BoatLaunched)(lambda event, uow: uow.emit(BoatLaunched(boat_id=event.boat_id)))
        with dock.unit() as uow:
            uow.emit(BoatLaunched(boat_id="a"))
            with pytest.raises(RuntimeError, match="without end"):
                uow.commit()
        assert dock.contents() == {}

    def test_ten_generations_of_events_are_fine(self, dock: Dock) -> None:
        heard: list[int] = []

        @dock.hub.during(BoatLaunched)
        def go_on(event: BoatLaunched, uow: UnitOfWork) -> None:
            heard.append(int(event.boat_id))
            if heard[-1] < 10:
                uow.emit(BoatLaunched(boat_id=str(heard[-1] + 1)))

        dock.write(lambda uow: uow.emit(BoatLaunched(boat_id="1")))
        assert heard == list(range(1, 11))

    def test_a_handler_cannot_commit_or_roll_back_the_unit_it_runs_in(self, dock: Dock) -> None:
        for end in (UnitOfWork.commit, UnitOfWork.rollback):
            dock.hub = Hub()
            dock.hub.during(BoatLaunched)(lambda event, uow, end=end: end(uow))  # type: ignore[misc]
            with dock.unit() as uow:
                uow.store(Boat).add(Boat(name="Ariel"))
                uow.emit(BoatLaunched(boat_id="a"))
                with pytest.raises(RuntimeError):
                    uow.commit()
            assert dock.contents() == {}


class TestWhoHears:
    def test_a_handler_of_a_base_class_hears_its_subclasses_and_not_the_other_way_round(self, dock: Dock) -> None:
        heard: list[str] = []
        dock.hub.during(Event)(lambda event, uow: heard.append(f"any {event.name}"))
        dock.hub.during(BoatLaunched)(lambda event, uow: heard.append(f"boat {event.name}"))
        dock.hub.during(TugLaunched)(lambda event, uow: heard.append(f"tug {event.name}"))
        with dock.unit() as uow:
            uow.emit(TugLaunched(boat_id="t"))
            uow.emit(BoatLaunched(boat_id="b"))
            uow.commit()
        assert heard == [
            "any TugLaunched", "boat TugLaunched", "tug TugLaunched", "any BoatLaunched", "boat BoatLaunched"
        ]  # fmt: skip

    def test_a_handler_that_comes_later_is_heard_too(self, dock: Dock) -> None:
        heard: list[str] = []
        dock.write(lambda uow: uow.emit(BoatLaunched(boat_id="a")))
        dock.hub.during(BoatLaunched)(lambda event, uow: heard.append(event.boat_id))
        dock.write(lambda uow: uow.emit(BoatLaunched(boat_id="b")))
        assert heard == ["b"]

    def test_an_event_that_nobody_hears_is_logged(self, dock: Dock, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "app.hub")
        dock.write(lambda uow: uow.emit(BoatLaunched(boat_id="a")))
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("INFO", "no handler for event BoatLaunched")
        ]

    def test_two_hubs_do_not_know_each_other(self, dock: Dock) -> None:
        heard: list[Event] = []
        Hub().during(BoatLaunched)(lambda event, uow: heard.append(event))
        dock.write(lambda uow: uow.emit(BoatLaunched(boat_id="a")))
        assert heard == []


class TestTenants:
    def test_a_handler_of_a_tenants_event_needs_one(self, dock: Dock) -> None:
        @dock.hub.during(BoatLaunched)
        def needs_one(event: BoatLaunched, uow: UnitOfWork) -> None: ...

        with pytest.raises(TenantRequired, match=r"needs_one of BoatLaunched needs a tenant"):
            dock.hub.publish(BoatLaunched(boat_id="a"), dock.unit(None))
        assert dock.hub.publish(BoatLaunched(boat_id="a"), dock.unit("t1")) == 1

    def test_a_handler_of_everything_does_not(self, dock: Dock) -> None:
        dock.hub.during(Event)(lambda event, uow: None)
        assert dock.hub.publish(HarbourOpened(), dock.unit(None)) == 1


class TestEvents:
    def test_each_event_has_an_id_of_its_own(self) -> None:
        one, other = BoatLaunched(boat_id="a"), BoatLaunched(boat_id="a")
        assert one.id != other.id
        assert BoatLaunched(boat_id="a", id="same").id == "same"
        with pytest.raises(AttributeError):
            one.boat_id = "b"  # type: ignore[misc]

    def test_an_event_that_is_no_frozen_dataclass_is_refused(self, dock: Dock) -> None:
        class Forgot(Event):
            scope: ClassVar[Literal["tenant", "installation"]] = "installation"
            boat_id: str

        with pytest.raises(TypeError, match="Forgot"):
            dock.hub.during(Forgot)
        with pytest.raises(TypeError, match="Forgot"):
            dock.unit().emit(Forgot())
        with pytest.raises(TypeError, match="str"):
            dock.hub.during(str)  # type: ignore[type-var]
