"""Fewer collections of garbage while documents stream through: they have no cycles, and looking for some in each new
thousand takes a fifth of the time. For commands, which end; a process that serves requests is not to be changed."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_OBJECTS: Final = 100_000


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Within the block, garbage is looked for after 100,000 new objects instead of 700, among the new ones alone."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
