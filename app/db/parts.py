"""Taking what is to be sent apart into requests that the other side has room for."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def parts_of(items: Iterable[T], size_of: Callable[[T], int], *, number: int, size: int) -> Iterator[list[T]]:
    """The items in order, in lists of at most ``number`` of them and of ``size`` in all, in the unit of ``size_of``.

    An item that is larger than that by itself is a list of its own; no list is empty.
    """
    part: list[T] = []
    whole = 0
    for item in items:
        length = size_of(item)
        if part and (len(part) == number or whole + length > size):
            yield part
            part, whole = [], 0
        part.append(item)
        whole += length
    if part:
        yield part
