"""What one module needs of another, without importing it: a Protocol here, an object that one of them offers.

    offer(app, AgentDirectory, directory)             # in the module that has it, at start
    directory = offered(app, AgentDirectory)          # in the one that needs it; None if that module is off

Whoever asks copes with None: modules can be switched off one by one.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar, cast, runtime_checkable

from flask import Flask

from app.db.unit_of_work import UnitOfWork

KEY = "wherry.offers"
P = TypeVar("P")


@runtime_checkable
class AgentDirectory(Protocol):
    """What others may know of a tenant's agents."""

    def names(self, uow: UnitOfWork, ids: Iterable[str]) -> Mapping[str, str]:
        """The names of those agents that exist, by id."""
        ...


def offer(app: Flask, protocol: type[P], provider: P) -> None:
    """Called at start. A second provider of the same Protocol is a mistake and raises ValueError."""
    offers: dict[type, object] = app.extensions.setdefault(KEY, {})
    if protocol in offers:
        raise ValueError(f"{protocol.__name__} is offered twice.")
    if not isinstance(provider, protocol):
        raise TypeError(f"{type(provider).__name__} does not have what {protocol.__name__} promises.")
    offers[protocol] = provider


def offered(app: Flask, protocol: type[P]) -> P | None:
    """The provider, or None if nobody offers it."""
    return cast("P | None", app.extensions.get(KEY, {}).get(protocol))
