from typing import Any

import pytest

from app.db import Conflict, InvalidDocument, InvalidQuery, NotFound, Query, where
from app.db.rows import EntityPage
from app.db.stores import EntityStore
from tests.db.dock_fixtures import dock
from tests.db.kit import Boat, Dock, Harbour

__all__ = ["dock"]
BY_NAME = Query(order_by=("name",))


def tugs(boats: EntityStore[Boat]) -> EntityPage[Boat]:
    """A named query is a plain function."""
    return boats.find(Query(where=(where("kind").eq("tug"),), order_by=("name",)))


class TestReadingById:
    def test_an_entity_is_one_object_within_a_unit_however_it_was_found(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        boats = dock.unit().store(Boat)
        first = boats.get(boat.id)
        assert first is boats.get(boat.id)
        assert first is boats.get_many([boat.id])[boat.id]
        assert first is boats.find(BY_NAME).items[0]
        assert first is boats.first(BY_NAME)
        assert first == boat

    def test_two_units_have_two_objects(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        assert dock.unit().store(Boat).get(boat.id) is not dock.unit().store(Boat).get(boat.id)

    def test_a_missing_entity_is_none_or_not_found(self, dock: Dock) -> None:
        boats = dock.unit().store(Boat)
        assert boats.get_or_none("nobody") is None
        with pytest.raises(NotFound):
            boats.get("nobody")

    @pytest.mark.parametrize("id", ["", "x" * 513, "\u00e9" * 257, "\ud800", "a\udfff"])
    def test_an_id_that_nothing_can_have_is_absent(self, dock: Dock, id: str) -> None:
        (boat,) = dock.launch("Ariel")
        boats = dock.unit().store(Boat)
        assert boats.get_or_none(id) is None
        with pytest.raises(NotFound):
            boats.get(id)
        assert list(boats.get_many([id, boat.id])) == [boat.id]

    def test_an_id_that_is_no_text_is_a_mistake_of_the_program(self, dock: Dock) -> None:
        with pytest.raises(InvalidDocument):
            dock.unit().store(Boat).get_or_none(7)  # type: ignore[arg-type]

    def test_get_many_answers_those_found_in_the_order_asked_for(self, dock: Dock) -> None:
        one, two = dock.launch("Ariel", "Bounty")
        boats = dock.unit().store(Boat)
        boats.get(two.id)
        assert list(boats.get_many([two.id, "nobody", one.id, two.id])) == [two.id, one.id]

    def test_what_was_registered_is_seen_before_it_is_written(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        boats = dock.unit().store(Boat)
        new = boats.add(Boat(name="Cutty"))
        boats.remove(boats.get(boat.id))
        assert boats.get(new.id) is new
        assert boats.get_or_none(boat.id) is None
        assert list(boats.get_many([boat.id, new.id])) == [new.id]

    def test_a_form_that_is_out_of_date_is_a_conflict(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        boats = dock.unit().store(Boat)
        assert boats.get(boat.id, rev=boat.rev).name == "Ariel"
        with pytest.raises(Conflict) as caught:
            boats.get(boat.id, rev="0" * 24)
        assert caught.value.keys == (("t1/boats", boat.id),)


class TestQueries:
    def test_named_queries_take_a_store(self, dock: Dock) -> None:
        dock.launch("Ariel")
        dock.launch("Zeal", "Hercules", kind="tug")
        assert [boat.name for boat in tugs(dock.unit().store(Boat)).items] == ["Hercules", "Zeal"]

    def test_pages_go_on_where_they_ended(self, dock: Dock) -> None:
        dock.launch(*"edcba")
        boats = dock.unit().store(Boat)
        page = boats.find(Query(order_by=("name",), limit=3))
        assert page.cursor is not None
        rest = boats.find(Query(order_by=("name",), limit=3, cursor=page.cursor))
        assert [boat.name for boat in (*page.items, *rest.items)] == list("abcde")
        assert [boat.name for boat in boats.iterate(Query(order_by=("name",), limit=2))] == list("abcde")

    def test_queries_read_committed_data(self, dock: Dock) -> None:
        one, two = dock.launch("Ariel", "Bounty")
        boats = dock.unit().store(Boat)
        boats.add(Boat(name="Aaa"))
        changed = boats.get(one.id)
        changed.name = "Zzz"
        boats.save(changed)
        boats.remove(boats.get(two.id))
        assert boats.find(BY_NAME).items == [changed]
        assert [row.name for row in boats.rows(BY_NAME).items] == ["Ariel", "Bounty"]
        assert boats.count() == (2, True)

    def test_first_and_count(self, dock: Dock) -> None:
        dock.launch("Bounty", "Ariel")
        boats = dock.unit().store(Boat)
        first = boats.first(BY_NAME)
        assert first is not None
        assert first.name == "Ariel"
        assert boats.first(Query(where=(where("name").eq("x"),), order_by=("name",))) is None
        assert boats.count((where("name").eq("Ariel"),)) == (1, True)
        assert boats.count(up_to=1) == (1, False)

    @pytest.mark.parametrize("field", ["nmae", "id", "rev", "_id"])
    def test_a_field_that_the_entity_does_not_have_is_refused(self, dock: Dock, field: str) -> None:
        boats = dock.unit().store(Boat)
        with pytest.raises(InvalidQuery, match=field):
            boats.find(Query(where=(where(field).eq("x"),)))
        with pytest.raises(InvalidQuery, match=field):
            boats.find(Query(order_by=(field,)))
        with pytest.raises(InvalidQuery, match=field):
            boats.rows(Query(fields=(field,)))
        with pytest.raises(InvalidQuery, match=field):
            boats.count((where(field).eq("x"),))

    def test_find_does_not_load_parts_of_entities(self, dock: Dock) -> None:
        with pytest.raises(InvalidQuery, match="rows takes fields"):
            dock.unit().store(Boat).find(Query(fields=("name",)))


class TestRows:
    def test_rows_have_the_fields_that_were_asked_for_and_cannot_be_changed(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel", sailed_at=dock.clock.now)
        (row,) = dock.unit().store(Boat).rows(Query(order_by=("name",), fields=("name", "sailed_at"))).items
        assert (row.id, row.rev, row.name, row.sailed_at) == (boat.id, boat.rev, "Ariel", dock.clock.now)
        with pytest.raises(AttributeError, match="kind"):
            _ = row.kind
        with pytest.raises(AttributeError):
            row.name = "Zeal"
        with pytest.raises(AttributeError):
            del row.name
        assert "name='Ariel'" in repr(row)

    def test_a_row_of_an_older_document_has_the_default(self, dock: Dock) -> None:
        dock.db.save("t1/boats", "old", {"name": "Argo"})
        boats = dock.unit().store(Boat)
        (row,) = boats.rows(Query(order_by=("name",), fields=("name", "kind", "sailed_at"))).items
        assert (row.kind, row.sailed_at) == ("wherry", None)
        (whole,) = boats.rows(BY_NAME).items
        assert (whole.kind, whole.created_at, whole.length) == ("wherry", Boat(name="x").created_at, 1)

    def test_nested_fields_can_be_asked_for(self, dock: Dock) -> None:
        dock.launch("Ariel", cargo={"tea": {"kg": 3}, "rum": 1})
        (row,) = dock.unit().store(Boat).rows(Query(order_by=("name",), fields=("cargo.tea",))).items
        assert row.cargo == {"tea": {"kg": 3}}

    def test_rows_do_not_join_the_unit(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        uow = dock.unit()
        uow.store(Boat).rows(BY_NAME)
        assert uow.held(boat.id) is None


class TestRegistering:
    def test_an_entity_is_added_once(self, dock: Dock) -> None:
        boats = dock.unit().store(Boat)
        boat = boats.add(Boat(name="Ariel"))
        with pytest.raises(RuntimeError, match="already"):
            boats.add(boat)
        with pytest.raises(RuntimeError, match="already"):
            boats.add(Boat(id=boat.id, name="Other"))

    def test_a_new_entity_cannot_be_saved_or_removed_without_being_added(self, dock: Dock) -> None:
        boats = dock.unit().store(Boat)
        with pytest.raises(RuntimeError, match="never stored"):
            boats.save(Boat(name="Ariel"))
        with pytest.raises(RuntimeError, match="never stored"):
            boats.remove(Boat(name="Ariel"))

    def test_an_entity_of_another_kind_is_refused(self, dock: Dock) -> None:
        boats: Any = dock.unit().store(Boat)
        with pytest.raises(TypeError, match="Harbour cannot be added in the store of Boat"):
            boats.add(Harbour(name="Pier"))

    def test_a_second_object_of_one_entity_is_refused(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        boats = dock.unit().store(Boat)
        boats.get(boat.id)
        with pytest.raises(RuntimeError, match="another object"):
            boats.save(boat)

    def test_what_was_added_and_removed_again_leaves_nothing(self, dock: Dock) -> None:
        before = dock.contents()
        with dock.unit() as uow:
            boats = uow.store(Boat)
            boats.remove(boats.add(Boat(name="Ariel")))
            assert not uow.has_changes
            uow.commit()
        assert dock.contents() == before

    def test_what_was_removed_cannot_be_saved(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        boats = dock.unit().store(Boat)
        mine = boats.get(boat.id)
        boats.remove(mine)
        with pytest.raises(RuntimeError, match="removed"):
            boats.save(mine)
        with pytest.raises(RuntimeError, match="already"):
            boats.add(Boat(id=boat.id, name="Again"))

    def test_an_entity_from_an_earlier_unit_can_be_saved_unless_it_was_changed_meanwhile(self, dock: Dock) -> None:
        (boat,) = dock.launch("Ariel")
        boat.name = "Bounty"
        dock.write(lambda uow: uow.store(Boat).save(boat))
        assert dock.db.get("t1/boats", boat.id)["name"] == "Bounty"
        stale = boat.model_copy(update={"rev": "0" * 24})
        with pytest.raises(Conflict):
            dock.unit().store(Boat).save(stale)
