"""A database whose indexes lag behind, made of two of any backend: for what DynamoDB's do in life and its local server
does not.

Documents are read and written by key in one. Index runs are read in the other, which gets every commit as many commits
later as ``lag`` says.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from app.db.backend import Backend
from app.db.documents import Document
from app.db.errors import NotFound
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan
from app.db.service import DatabaseService
from app.db.transfer.live.routing import RoutedDatabase

NEVER = math.inf


class Lagging:
    """Makes the indexes of ``service`` those of ``behind``, which is as empty and gets what is written late."""

    def __init__(self, service: DatabaseService, behind: Backend, lag: float = NEVER) -> None:
        if isinstance(service, RoutedDatabase):
            service = service._home  # an application's database may move; here it stays at home
        assert isinstance(service, Backend)
        self.service, self.behind = service, behind
        self.lag = lag
        self._late: deque[list[tuple[str, str, Document | None]]] = deque()
        hooks: Any = service
        hooks.capabilities = replace(service.capabilities, fresh_queries=False)
        walk, count = hooks._walk, hooks._count
        hooks._walk = lambda name, asked: self._walk(walk, name, asked)
        hooks._count = lambda name, plan, up_to: self._count(count, name, plan, up_to)
        for hook, keys_of in _WRITES.items():
            setattr(hooks, hook, self._noting(getattr(hooks, hook), keys_of))

    def catch_up(self) -> None:
        """Let the indexes notice everything."""
        self._advance(0)

    def _advance(self, most: float) -> None:
        while len(self._late) > most:
            for path, id, document in self._late.popleft():
                if document is not None:
                    (outcome,) = self.behind.write_batch(path, [document], keep_revisions=True)
                    assert outcome.error is None
                elif id in self.behind.get_many(path, [id]):
                    self.behind.delete(path, id)

    def _noting(self, hook: Callable[..., Any], keys_of: "KeysOf") -> Callable[..., Any]:
        def noting(*args: Any, **options: Any) -> Any:
            answer = hook(*args, **options)
            self._late.append([(name.path, id, self._read(name.path, id)) for name, id in keys_of(args)])
            self._advance(self.lag)
            return answer

        return noting

    def _read(self, path: str, id: str) -> Document | None:
        try:
            return self.service.get(path, id)
        except NotFound:
            return None

    def _walk(self, walk: Callable[[Name, Walk], Slice], name: Name, asked: Walk) -> Slice:
        return walk(name, asked) if asked.index is None else self.behind.walk(name, asked)

    def _count(self, count: Callable[[Name, Plan, int], int], name: Name, plan: Plan, up_to: int) -> int:
        return count(name, plan, up_to) if plan.index is None else self.behind.count_run(name, plan, up_to)


KeysOf = Callable[[tuple[Any, ...]], Iterable[tuple[Name, str]]]
_WRITES: dict[str, KeysOf] = {
    "_save": lambda args: [(args[0], args[1])],
    "_delete": lambda args: [(args[0], args[1])],
    "_commit": lambda args: [(write.name, write.id) for write in args[0]],
    "_write_batch": lambda args: [(args[0], id) for id, _ in args[1]],
}
