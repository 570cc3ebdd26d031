import time

from app.web.difference import MAX_LINES, lines


def shown(old: str, new: str) -> list[tuple[str, int, int, str]]:
    return [(line.kind, line.old, line.new, line.text) for line in lines(old, new)]


def test_equal_texts_have_no_difference() -> None:
    assert lines("a\nb", "a\nb\n") == []


def test_a_changed_line_is_shown_removed_and_added_with_its_numbers() -> None:
    assert shown("a\nb\nc", "a\nx\nc") == [
        ("same", 1, 1, "a"),
        ("removed", 2, 0, "b"),
        ("added", 0, 2, "x"),
        ("same", 3, 3, "c"),
    ]


def test_far_unchanged_lines_are_folded() -> None:
    old = "\n".join(str(number) for number in range(20))
    found = shown(old, old.replace("10", "ten"))
    assert found[0] == ("gap", 0, 0, "7 unchanged lines")
    assert found[-1] == ("gap", 0, 0, "6 unchanged lines")
    assert ("removed", 11, 0, "10") in found


def test_from_nothing_and_to_nothing() -> None:
    assert [line[0] for line in shown("", "a\nb")] == ["added", "added"]
    assert [line[0] for line in shown("a\nb", "")] == ["removed", "removed"]


def test_repeated_lines_are_not_counted_twice() -> None:
    assert [line[0] for line in shown("a\na", "a\na\na")].count("added") == 1


def test_every_line_of_both_sides_is_accounted_for() -> None:
    old, new = "\n".join("abcabcab"), "\n".join("bcaabcabx")
    found = lines(old, new)
    assert [line.text for line in found if line.kind in ("same", "removed")] == old.split("\n")
    assert [line.text for line in found if line.kind in ("same", "added")] == new.split("\n")


def test_a_hostile_text_takes_bounded_time() -> None:
    old = "\n".join("ab"[number % 2] for number in range(100_000))
    new = "\n".join("ba"[number % 3 % 2] for number in range(100_000))
    started = time.thread_time()
    found = lines(old, new)
    assert time.thread_time() - started < 2
    assert len(found) > MAX_LINES
