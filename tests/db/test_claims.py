from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from app.db import Conflict
from app.db.claims import KEY, Taken
from app.db.unit_of_work import UnitOfWork
from tests.db.dock_fixtures import dock
from tests.db.kit import Boat, Dock, Harbour, open_in_memory

__all__ = ["dock"]


def open_harbour(uow: UnitOfWork, slug: str) -> Harbour:
    harbour = uow.store(Harbour).add(Harbour(name=slug))
    uow.claim("slug", slug, harbour)
    return harbour


def owner(dock: Dock, value: str) -> str | None:
    return dock.unit().claimed_by("slug", value)


def claims(dock: Dock) -> list[dict[str, Any]]:
    return [document for (path, _), document in dock.contents().items() if path == "installation_claims"]


class TestClaiming:
    def test_a_claimed_value_has_its_owner(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        assert owner(dock, "pier") == harbour.id
        assert owner(dock, "quay") is None

    def test_the_claim_shows_neither_the_value_nor_a_hash_that_anybody_could_make(self, dock: Dock) -> None:
        dock.write(lambda uow: open_harbour(uow, "pier"))
        dock.write(lambda uow: open_harbour(uow, "quay"))
        found = claims(dock)
        assert len({claim["_id"] for claim in found}) == 2
        assert all(len(claim["_id"]) == 64 for claim in found)
        assert "pier" not in str(found)

        elsewhere = Dock(open_in_memory())
        elsewhere.write(lambda uow: open_harbour(uow, "pier"))
        assert claims(elsewhere)[0]["_id"] not in {claim["_id"] for claim in found}

    def test_what_is_taken_is_refused_at_once(self, dock: Dock) -> None:
        dock.write(lambda uow: open_harbour(uow, "pier"))
        with dock.unit() as uow:
            with pytest.raises(Taken, match="This slug is already taken") as caught:
                open_harbour(uow, "pier")
            assert caught.value.kind == "slug"
            assert isinstance(caught.value, Conflict)
            assert caught.value.status == 409

    def test_kinds_do_not_meet(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        with dock.unit() as uow:
            assert uow.claimed_by("email", "pier") is None
            uow.claim("email", "pier", uow.store(Harbour).get(harbour.id))
            uow.commit()
        assert len(claims(dock)) == 2

    def test_to_claim_what_one_has_changes_nothing(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        before = dock.contents()
        dock.write(lambda uow: uow.claim("slug", "pier", uow.store(Harbour).get(harbour.id)))
        assert dock.contents() == before

    def test_the_owner_may_be_named_by_id_if_the_unit_knows_it(self, dock: Dock) -> None:
        with dock.unit() as uow:
            harbour = uow.store(Harbour).add(Harbour(name="Pier"))
            uow.claim("slug", "pier", harbour.id)
            with pytest.raises(RuntimeError, match="not in this unit"):
                uow.claim("slug", "quay", "nobody")
            uow.commit()
        assert owner(dock, "pier") == harbour.id

    @pytest.mark.parametrize("value", ["", "x" * 5_000, "\x00/..", "ä€😀", "_design/x"])
    def test_a_value_is_any_text_but_the_empty_one(self, dock: Dock, value: str) -> None:
        if value == "":
            with pytest.raises(ValueError, match="kind and a value"):
                dock.write(lambda uow: open_harbour(uow, value))
            return
        harbour = dock.write(lambda uow: uow.store(Harbour).add(Harbour(name="Pier")))
        dock.write(lambda uow: uow.claim("slug", value, uow.store(Harbour).get(harbour.id)))
        assert owner(dock, value) == harbour.id


class TestReleasing:
    def test_a_rename_claims_the_new_value_and_frees_the_old(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        with dock.unit() as uow:
            mine = uow.store(Harbour).get(harbour.id)
            uow.release("slug", "pier", mine)
            uow.claim("slug", "quay", mine)
            assert (uow.claimed_by("slug", "pier"), uow.claimed_by("slug", "quay")) == (None, mine.id)
            uow.commit()
        assert (owner(dock, "pier"), owner(dock, "quay")) == (None, harbour.id)
        assert len(claims(dock)) == 1
        other = dock.write(lambda uow: open_harbour(uow, "pier"))
        assert owner(dock, "pier") == other.id

    def test_a_rename_that_does_not_commit_keeps_the_old(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        with dock.unit() as uow:
            mine = uow.store(Harbour).get(harbour.id)
            uow.release("slug", "pier", mine)
            uow.claim("slug", "quay", mine)
        assert (owner(dock, "pier"), owner(dock, "quay")) == (harbour.id, None)

    def test_releasing_and_claiming_the_same_value_keeps_it(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        with dock.unit() as uow:
            mine = uow.store(Harbour).get(harbour.id)
            uow.release("slug", "pier", mine)
            uow.claim("slug", "pier", mine)
            uow.commit()
        assert owner(dock, "pier") == harbour.id

    def test_two_entities_may_swap_their_values(self, dock: Dock) -> None:
        one = dock.write(lambda uow: open_harbour(uow, "pier"))
        two = dock.write(lambda uow: open_harbour(uow, "quay"))
        with dock.unit() as uow:
            first, second = uow.store(Harbour).get(one.id), uow.store(Harbour).get(two.id)
            uow.release("slug", "pier", first)
            uow.release("slug", "quay", second)
            uow.claim("slug", "quay", first)
            uow.claim("slug", "pier", second)
            uow.commit()
        assert (owner(dock, "pier"), owner(dock, "quay")) == (two.id, one.id)

    def test_somebody_elses_claim_is_left_alone(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        dock.write(lambda uow: uow.release("slug", "pier", "somebody"))
        dock.write(lambda uow: uow.release("slug", "never claimed", "somebody"))
        assert owner(dock, "pier") == harbour.id


class TestOrphans:
    def test_the_claim_of_an_owner_who_is_gone_may_be_taken_over(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        dock.write(lambda uow: uow.store(Harbour).remove(uow.store(Harbour).get(harbour.id)))
        assert owner(dock, "pier") is None
        heir = dock.write(lambda uow: open_harbour(uow, "pier"))
        assert owner(dock, "pier") == heir.id

    def test_an_owner_who_comes_back_before_the_commit_keeps_it(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        dock.write(lambda uow: uow.store(Harbour).remove(uow.store(Harbour).get(harbour.id)))
        with dock.unit() as uow:
            open_harbour(uow, "pier")
            dock.db.save("harbours", harbour.id, {"name": "restored"})
            with pytest.raises(Conflict):
                uow.commit()
        assert owner(dock, "pier") == harbour.id

    def test_the_value_of_an_owner_who_is_removed_in_the_same_unit_is_free(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: open_harbour(uow, "pier"))
        with dock.unit() as uow:
            uow.store(Harbour).remove(uow.store(Harbour).get(harbour.id))
            heir = open_harbour(uow, "pier")
            uow.commit()
        assert owner(dock, "pier") == heir.id


class TestScopes:
    def test_a_tenants_claims_are_its_own(self, dock: Dock) -> None:
        def launch(uow: UnitOfWork) -> Boat:
            boat = uow.store(Boat).add(Boat(name="Ariel"))
            uow.claim("name", "ariel", boat, scope="tenant")
            return boat

        one = dock.write(launch, tenant="t1")
        two = dock.write(launch, tenant="t2")
        assert dock.unit("t1").claimed_by("name", "ariel", scope="tenant") == one.id
        assert dock.unit("t2").claimed_by("name", "ariel", scope="tenant") == two.id
        assert dock.unit("t1").claimed_by("name", "ariel") is None

    def test_a_tenants_entity_may_own_what_is_unique_in_the_installation(self, dock: Dock) -> None:
        def launch(uow: UnitOfWork) -> Boat:
            boat = uow.store(Boat).add(Boat(name="Ariel"))
            uow.claim("callsign", "ariel", boat)
            return boat

        boat = dock.write(launch, tenant="t1")
        assert dock.unit("t2").claimed_by("callsign", "ariel") == boat.id
        with pytest.raises(Taken):
            dock.write(launch, tenant="t2")


class TestRaces:
    def test_of_two_units_that_claim_one_value_the_second_is_told_that_it_is_taken(self, dock: Dock) -> None:
        with dock.unit() as first, dock.unit() as second:
            winner = open_harbour(first, "pier")
            open_harbour(second, "pier")
            first.commit()
            with pytest.raises(Taken):
                second.commit()
        assert owner(dock, "pier") == winner.id
        assert len([path for path, _ in dock.contents() if path == "harbours"]) == 1

    def test_a_conflict_about_an_entity_is_not_called_taken(self, dock: Dock) -> None:
        harbour = dock.write(lambda uow: uow.store(Harbour).add(Harbour(name="Pier")))
        with dock.unit() as uow:
            mine = uow.store(Harbour).get(harbour.id)
            mine.name = "Quay"
            uow.store(Harbour).save(mine)
            uow.claim("slug", "quay", mine)
            dock.db.save("harbours", harbour.id, {"name": "Meanwhile"})
            with pytest.raises(Conflict) as caught:
                uow.commit()
        assert not isinstance(caught.value, Taken)

    def test_of_many_threads_exactly_one_gets_the_value(self, dock: Dock) -> None:
        threads, rounds = 8, 5
        barrier = Barrier(threads)

        def attempt(number: int) -> list[str]:
            won = []
            for turn in range(rounds):
                barrier.wait()
                with dock.unit(f"t{number}") as uow:
                    try:
                        harbour = open_harbour(uow, f"pier-{turn}")
                        uow.commit()
                    except Taken:
                        continue
                    won.append(f"{turn}:{harbour.id}")
            return won

        with ThreadPoolExecutor(threads) as pool:
            winners = [one for won in pool.map(attempt, range(threads)) for one in won]
        assert sorted(winner.partition(":")[0] for winner in winners) == [str(turn) for turn in range(rounds)]
        assert {f"{turn}:{owner(dock, f'pier-{turn}')}" for turn in range(rounds)} == set(winners)
        assert sum(path == "harbours" for path, _ in dock.contents()) == rounds

    def test_the_first_claims_of_all_use_one_key(self, dock: Dock) -> None:
        first, second = dock.unit(), dock.unit()
        open_harbour(first, "pier")
        key = dock.db.get(*KEY)
        second._claims._new_key(second)
        assert dock.db.get(*KEY) == key
        open_harbour(second, "pier")
        first.commit()
        with pytest.raises(Taken):
            second.commit()
