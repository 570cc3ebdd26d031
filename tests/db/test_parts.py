"""Requests that the other side has room for."""

import pytest

from app.db.parts import parts_of


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1, 1, 1, 1], [[1, 1, 1], [1]]),
        ([5, 5, 1], [[5, 5], [1]]),
        ([5, 6, 4], [[5], [6, 4]]),
        ([40, 1, 40], [[40], [1], [40]]),
    ],
)
def test_a_part_has_room_for_three_and_for_ten_in_all(sizes: list[int], expected: list[list[int]]) -> None:
    assert list(parts_of(sizes, lambda size: size, number=3, size=10)) == expected
