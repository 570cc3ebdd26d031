"""What a session remembers of its own commits, and that its stores show it."""

import orjson
import pytest

from app.db import Conflict, Query, where
from app.db.recent import WINDOW, RecentCommits
from app.db.unit_of_work import UnitOfWork
from tests.app_database import databases
from tests.db.kit import SCHEMA, Boat, Ping
from tests.db.lagging import Lagging

BY_NAME = Query(order_by=("name",))
TUGS = (where("kind").eq("tug"), where("name").gte(""))


class Machine:
    """A clock to turn."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def recent(machine: Machine) -> RecentCommits:
    return RecentCommits(SCHEMA, machine)


class TestRemembering:
    def test_a_commit_is_remembered_for_five_seconds(self, recent: RecentCommits, machine: Machine) -> None:
        recent.note([("t1/boats", "a")])
        machine.now += 3
        recent.note([("t1/boats", "b"), ("t2/boats", "c")])
        assert recent.ids("t1/boats") == ("a", "b")
        machine.now += WINDOW - 3
        assert recent.ids("t1/boats") == ("b",)
        assert recent.ids("t2/boats") == ("c",)
        machine.now += 3
        assert recent.ids("t2/boats") == ()
        assert recent.dump() == []

    def test_only_what_a_query_can_ask_for_by_an_index_is(self, recent: RecentCommits) -> None:
        recent.note([("t1/pings", "a"), ("installation_claims", "b"), ("t1/unknown", "c")])
        assert recent.dump() == []
        assert not recent.changed
        recent.note([("t1/audit", "a")])
        assert recent.dump() == [["t1/audit", 1_000_000_000, "a"]]

    def test_of_more_than_a_hundred_the_oldest_give_way(self, recent: RecentCommits) -> None:
        recent.note([("t1/boats", str(number)) for number in range(90)])
        recent.note([("t1/boats", str(number)) for number in range(60, 130)])
        assert recent.ids("t1/boats") == tuple(str(number) for number in range(30, 130))
        (group,) = recent.dump(most=2)
        assert group[2:] == ["128", "129"]

    def test_it_is_the_same_after_it_was_carried_along(self, recent: RecentCommits, machine: Machine) -> None:
        recent.note([("t1/boats", "a"), ("t1/audit", "x")])
        machine.now += 1
        recent.note([("t1/boats", "b")])
        again = RecentCommits(SCHEMA, machine)
        again.load(orjson.loads(orjson.dumps(recent.dump())))
        assert again.ids("t1/boats") == ("a", "b")
        assert again.dump() == recent.dump()
        assert not again.changed

    def test_another_machines_clock_may_be_a_little_ahead(self, recent: RecentCommits, machine: Machine) -> None:
        recent.load([["t1/boats", round((machine.now + 2) * 1_000), "a"]])
        assert recent.ids("t1/boats") == ("a",)

    @pytest.mark.parametrize("wrong", [None, 1, "a", {}, [1], [["t1/boats"]], [["t1/boats", "x", "a"]], [[1, 2, "a"]]])
    def test_what_it_never_wrote_is_left_out(self, recent: RecentCommits, wrong: object) -> None:
        recent.load(wrong)
        assert recent.dump() == []


class TestInStores:
    @pytest.fixture
    def lagging(self) -> Lagging:
        behind, service = (databases().open(SCHEMA, strict=True) for _ in range(2))
        return Lagging(service, behind)

    @pytest.fixture
    def recent(self) -> RecentCommits:
        return RecentCommits(SCHEMA)

    def unit(self, lagging: Lagging, recent: RecentCommits | None) -> UnitOfWork:
        return UnitOfWork(lagging.service, tenant_id="t1", recent=recent)

    def test_the_next_unit_finds_what_the_last_one_committed(self, lagging: Lagging, recent: RecentCommits) -> None:
        with self.unit(lagging, recent) as uow:
            ariel, _ = (uow.store(Boat).add(Boat(name=name, kind="tug")) for name in ("Ariel", "Bounty"))
            uow.commit()
        boats = self.unit(lagging, recent).store(Boat)
        assert [boat.name for boat in boats.find(BY_NAME).items] == ["Ariel", "Bounty"]
        assert [row.name for row in boats.rows(BY_NAME).items] == ["Ariel", "Bounty"]
        assert boats.count(TUGS) == (2, True)

        lagging.catch_up()
        with self.unit(lagging, recent) as uow:
            boats = uow.store(Boat)
            boats.get(ariel.id).name = "Zephyr"
            boats.save(boats.get(ariel.id))
            uow.commit()
        assert [row.name for row in self.unit(lagging, recent).store(Boat).rows(BY_NAME).items] == ["Bounty", "Zephyr"]
        assert [row.name for row in self.unit(lagging, None).store(Boat).rows(BY_NAME).items] == ["Ariel", "Bounty"]

        with self.unit(lagging, recent) as uow:
            uow.store(Boat).remove(uow.store(Boat).get(ariel.id))
            uow.commit()
        boats = self.unit(lagging, recent).store(Boat)
        assert boats.count(TUGS) == (1, True)
        first = boats.first(Query(order_by=("name",), descending=True))
        assert first is not None
        assert first.name == "Bounty"

    def test_a_unit_of_its_own_is_the_sessions_too(self, lagging: Lagging, recent: RecentCommits) -> None:
        with self.unit(lagging, recent) as uow, uow.independent() as own:
            own.store(Boat).add(Boat(name="Ariel"))
        assert len(self.unit(lagging, recent).store(Boat).rows(BY_NAME).items) == 1

    def test_after_a_conflict_the_list_shows_what_the_other_wrote(
        self, lagging: Lagging, recent: RecentCommits
    ) -> None:
        with self.unit(lagging, None) as uow:
            boat = uow.store(Boat).add(Boat(name="Ariel"))
            uow.commit()
        lagging.catch_up()
        with self.unit(lagging, recent) as uow, self.unit(lagging, None) as other:
            for unit, name in ((uow, "Mine"), (other, "Theirs")):
                found = unit.store(Boat).get(boat.id)
                found.name = name
                unit.store(Boat).save(found)
            other.commit()
            with pytest.raises(Conflict):
                uow.commit()
        assert [row.name for row in self.unit(lagging, recent).store(Boat).rows(BY_NAME).items] == ["Theirs"]

    def test_whether_there_is_anything_at_all_is_asked_by_key(self, lagging: Lagging) -> None:
        assert self.unit(lagging, None).store(Boat).none_at_all()
        with self.unit(lagging, None) as uow:
            uow.store(Boat).add(Boat(name="Ariel"))
            uow.commit()
        assert not self.unit(lagging, None).store(Boat).none_at_all()
        assert self.unit(lagging, None).store(Ping).none_at_all()
