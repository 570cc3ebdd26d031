"""Reading ahead: the next page is on its way while this one is worked on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")
_LOOK_EVERY: Final = 0.1


class _Brought(NamedTuple, Generic[T]):
    """What the thread hands over: items, an error, or (neither) the end."""

    item: T | None
    error: BaseException | None = None
    end: bool = False


@contextmanager
def ahead(items: Iterable[T], stop: Event, depth: int = 2) -> Iterator[Iterator[T]]:
    """The items, which a thread of its own fetches, at most ``depth`` before they are asked for.

    An error in it is raised where its item would be. When the block ends the thread does: ``stop`` is set for it if it
    is still at work, so it is for the whole of what the caller does.
    """
    handed: Queue[_Brought[T]] = Queue(depth)
    over = Event()

    def put(brought: _Brought[T]) -> bool:
        while not over.is_set():
            try:
                handed.put(brought, timeout=_LOOK_EVERY)
            except Full:
                continue
            return True
        return False

    def fetch() -> None:
        try:
            for item in items:
                if not put(_Brought(item)):
                    return
        except BaseException as error:  # noqa: BLE001 - handed over, and raised by whoever asks next
            put(_Brought(None, error))
        else:
            put(_Brought(None, end=True))

    def brought() -> Iterator[T]:
        while True:
            try:
                item, error, end = handed.get(timeout=1.0)
            except Empty:
                continue
            if error is not None:
                raise error
            if end:
                return
            yield item  # type: ignore[misc]

    thread = Thread(target=fetch, name="ahead", daemon=True)
    thread.start()
    try:
        yield brought()
    except BaseException:
        stop.set()
        raise
    finally:
        over.set()
        thread.join()
