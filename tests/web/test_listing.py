from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import MultiDict

from app.web.listing import BadParameter, Listing, Wanted, choice, integer, text

LIST = Listing(
    sorts={"name": ("name",), "updated": ("updated_at", "name")},
    filters={"q": text, "status": choice("active", "retired"), "version": integer(1, 99)},
)


def read(query: str) -> Wanted:
    return LIST.parse(MultiDict(parse_qsl(query, keep_blank_values=True)))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("colour=red", "colour"),
        ("q=a&colour=", "colour"),
        ("$where=1", "$where"),
        ("status[$ne]=x", "status[$ne]"),
        ("__proto__=x", "__proto__"),
        ("sort=password", "sort"),
        ("sort=name,-updated", "sort"),
        ("sort=--name", "sort"),
        ("sort=updated_at", "sort"),
        ("status=sunk", "status"),
        ("version=0", "version"),
        ("version=1e9", "version"),
        ("version=%D9%A3", "version"),
        ("version=" + "9" * 5000, "version"),
        ("q=" + "a" * 201, "q"),
        ("q=a&q=b", "q"),
        ("sort=name&sort=name", "sort"),
        ("cursor=%00", "cursor"),
        ("cursor=a b", "cursor"),
        ("cursor=" + "a" * 5000, "cursor"),
        ("cursor=a&trail=<script>", "trail"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=99999999999", "page"),
    ],
)
def test_what_a_list_does_not_know_is_a_400_that_names_it(query: str, name: str) -> None:
    with pytest.raises(BadParameter) as caught:
        read(query)
    assert caught.value.status == 400
    assert caught.value.name == name
    assert str(caught.value).startswith(name[:80])


def test_empty_boxes_of_the_filter_form_count_as_not_given() -> None:
    wanted = read("q=&status=&sort=&cursor=")
    assert not wanted.filtered
    assert wanted.sort == "name"
    assert wanted.cursor is None


def test_filters_are_parsed_and_kept_as_typed() -> None:
    wanted = read("q=%20harbour%20&status=active&version=07")
    assert wanted.filters == {"q": "harbour", "status": "active", "version": 7}
    assert wanted.value("version") == "07"
    assert wanted.value("nothing") == ""
    assert wanted.filtered


def test_the_query_takes_its_fields_from_the_allow_list_and_not_from_the_address() -> None:
    query = read("sort=-updated&cursor=abc").query()
    assert tuple(query.order_by) == ("updated_at", "name")
    assert query.descending
    assert (query.limit, query.cursor) == (50, "abc")


def test_a_column_head_sorts_and_turns_round() -> None:
    assert read("").sorted_by("updated") == "?sort=updated"
    assert read("sort=updated").sorted_by("updated") == "?sort=-updated"
    assert read("sort=-updated&q=a").sorted_by("updated") == "?q=a&sort=updated"
    assert [read(query).direction("name") for query in ("", "sort=-name", "sort=updated")] == [
        "ascending",
        "descending",
        "none",
    ]


def test_sorting_anew_begins_at_the_first_page() -> None:
    assert "cursor" not in read("cursor=abc&page=2").sorted_by("updated")


def walk(wanted: Wanted, link: str | None) -> Wanted:
    assert link is not None
    return read(link.removeprefix("?"))


def test_next_and_previous_walk_the_same_pages_and_keep_filters_and_sort() -> None:
    pages = [read("q=a%26b&sort=-updated")]
    for number in range(30):
        pages.append(walk(pages[-1], pages[-1].next(f"c{number}")))
    here = pages[-1]
    for earlier in reversed(pages[-12:-1]):
        here = walk(here, here.previous())
        assert (here.cursor, here.page, here.sort, here.value("q")) == (earlier.cursor, earlier.page, "-updated", "a&b")


def test_the_first_pages_lead_back_to_the_first() -> None:
    first = read("")
    second = walk(first, first.next("c1"))
    third = walk(second, second.next("c2"))
    assert first.previous() is None
    assert walk(second, second.previous()).cursor is None
    assert walk(walk(third, third.previous()), walk(third, third.previous()).previous()).cursor is None


def test_past_the_trail_there_is_no_previous_that_would_leave_a_gap() -> None:
    here = read("")
    for number in range(40):
        here = walk(here, here.next(f"c{number}"))
    for _ in range(12):
        here = walk(here, here.previous())
    assert here.previous() is None
    assert walk(here, here.first()).cursor is None


def test_links_stay_short_however_far_one_walks() -> None:
    here = read("")
    for _ in range(100):
        here = walk(here, here.next("c" * 120))
    assert len(here.next("c" * 120)) < 2000
