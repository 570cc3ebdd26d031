"""The dashboard's cards: each package adds its own, and the page knows none of them.

add_card(app, Card("Agents", "agents.index", "agents.view", lambda uow: Figure("12", "3 changed today")))
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from app.db.unit_of_work import UnitOfWork

KEY = "wherry.dashboard"


@dataclass(frozen=True, slots=True)
class Figure:
    """What a card says: a number or a word, and a few words about it."""

    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One card: shown to who has the permission (None: every member), a link to a tenant page, and what it says.

    ``figure`` reads through the tenant's unit of work; it should be one query or count.
    """

    label: str
    endpoint: str
    permission: str | None
    figure: Callable[[UnitOfWork], Figure]
    order: int = 50


def add_card(app: Flask, card: Card) -> None:
    """Called at start; lower ``order`` comes first."""
    cards: list[Card] = app.extensions.setdefault(KEY, [])
    cards.append(card)
    cards.sort(key=lambda each: (each.order, each.label))


def cards_for(app: Flask, permissions: frozenset[str]) -> list[Card]:
    """Those that somebody with these permissions sees."""
    cards: list[Card] = app.extensions.setdefault(KEY, [])
    return [card for card in cards if card.permission is None or card.permission in permissions]


def figure_of(count: tuple[int, bool]) -> str:
    """A count as a card shows it: exact, or "1,000+"."""
    number, exact = count
    return f"{number:,}" + ("" if exact else "+")
