import pytest

from app.db.ambient import ambient_unit
from app.db.unit_of_work import UnitOfWork
from tests.db.dock_fixtures import dock
from tests.db.kit import Boat, Dock, Ping

__all__ = ["dock"]


def launch_and_fail(uow: UnitOfWork) -> None:
    uow.store(Boat).add(Boat(name="Ariel"))
    raise ZeroDivisionError


def join_and_fail(dock: Dock) -> None:
    with ambient_unit(dock.unit) as joined:
        launch_and_fail(joined)


class TestIndependent:
    def test_an_independent_unit_is_written_whatever_becomes_of_the_outer_one(self, dock: Dock) -> None:
        with dock.unit() as uow:
            uow.store(Boat).add(Boat(name="Never"))
            with uow.independent() as own:
                assert (own.tenant_id, own.actor) == (uow.tenant_id, uow.actor)
                own.store(Ping).add(Ping(count=1))
            uow.rollback()
        assert [path for path, _ in dock.contents()] == ["t1/pings"]

    def test_an_exception_inside_rolls_it_back(self, dock: Dock) -> None:
        with pytest.raises(ZeroDivisionError), dock.unit().independent() as own:
            launch_and_fail(own)
        assert dock.contents() == {}

    def test_it_works_when_the_outer_unit_has_ended(self, dock: Dock) -> None:
        uow = dock.unit()
        uow.rollback()
        with uow.independent() as own:
            own.store(Ping).add(Ping(count=1))
        assert len(dock.contents()) == 1


class TestAmbient:
    def test_nested_blocks_join_and_the_outermost_commits_once(self, dock: Dock) -> None:
        with ambient_unit(dock.unit) as outer:
            outer.store(Boat).add(Boat(name="Ariel"))
            with ambient_unit(dock.unit) as inner:
                assert inner is outer
                inner.store(Boat).add(Boat(name="Bounty"))
            assert dock.commits == []
        assert dock.commits == [3]

    def test_an_exception_anywhere_writes_nothing(self, dock: Dock) -> None:
        with pytest.raises(ZeroDivisionError), ambient_unit(dock.unit) as outer:
            join_and_fail(dock)
        assert dock.contents() == {}
        with ambient_unit(dock.unit) as next_one:
            assert next_one is not outer

    def test_another_tenant_does_not_join(self, dock: Dock) -> None:
        with (
            ambient_unit(dock.unit),
            pytest.raises(RuntimeError, match="another tenant"),
            ambient_unit(lambda: dock.unit("t2")),
        ):
            pass
