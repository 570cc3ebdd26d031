"""Two contents beside each other: for the diff of versions, and for the person who has to settle a conflict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.modules.agents.entities import CONTENT, AgentContent

Side = Literal["theirs", "mine"]
LABELS: Final[Mapping[str, str]] = {
    "name": "Name",
    "description": "Description",
    "code": "Code",
    "input_schema": "Input schema",
    "output_schema": "Output schema",
    "tools": "Tools",
    "calls": "May call",
    "status": "Status",
    "tags": "Tags",
}


@dataclass(frozen=True, slots=True)
class FieldPair:
    """One field of two contents, as text. ``pick`` is the side that a person most likely wants to keep."""

    field: str
    label: str
    theirs: str
    mine: str
    differs: bool
    pick: Side = "mine"
    both_changed: bool = False

    @property
    def sides(self) -> tuple[str, str, str]:
        """For the macro that shows two versions beside each other."""
        return self.label, self.theirs, self.mine


def pairs(
    theirs: AgentContent, mine: AgentContent, names: Mapping[str, str], base: AgentContent | None = None
) -> list[FieldPair]:
    """Every field of both. With the content that ``mine`` began with, a field that only they changed picks theirs.

    ``names`` are those of the agents in ``calls``.
    """
    found = []
    for field in CONTENT:
        one, other = getattr(theirs, field), getattr(mine, field)
        was = getattr(base, field) if base else None
        found.append(
            FieldPair(
                field,
                LABELS[field],
                as_text(theirs, field, names),
                as_text(mine, field, names),
                differs=one != other,
                pick="theirs" if base and other == was else "mine",
                both_changed=bool(base) and one != other and was not in (one, other),
            )
        )
    return found


def merge(theirs: AgentContent, mine: AgentContent, picks: Mapping[str, str]) -> AgentContent:
    """Of each field the side that was picked, ``mine`` where nothing was."""
    return AgentContent(
        **{field: getattr(theirs if picks.get(field) == "theirs" else mine, field) for field in CONTENT}
    )


def as_text(content: AgentContent, field: str, names: Mapping[str, str]) -> str:
    """A field as a person reads it: a line for each agent it may call, words separated by commas."""
    value = getattr(content, field)
    if field == "calls":
        return "\n".join(names.get(id, "an agent that was deleted") for id in value)
    return ", ".join(value) if isinstance(value, list) else value
