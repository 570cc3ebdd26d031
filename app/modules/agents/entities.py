"""What is stored of an agent: the part that people edit, the agent around it, and every version it has had.

The fields are plain and unchecked here, so that what an earlier release accepted can always be read; ``rules`` says
what may be saved.
"""

import unicodedata
from typing import ClassVar, Final

from pydantic import BaseModel, Field

from app.db.entities import Entity
from app.db.schema import Index

STATUSES: Final = ("draft", "active", "archived")


class AgentContent(BaseModel):
    """What people edit. An agent has it, each of its versions has it, and a form makes one."""

    name: str = ""
    description: str = ""
    code: str = ""
    input_schema: str = ""
    """JSON text, as typed; "" accepts any event."""
    output_schema: str = ""
    tools: list[str] = Field(default_factory=list)
    """Names of the functions that the code may call."""
    calls: list[str] = Field(default_factory=list)
    """Ids of the agents that it may call. One that was deleted since may still be among them."""
    status: str = "draft"
    tags: list[str] = Field(default_factory=list)

    def content(self) -> "AgentContent":
        """A copy of this part alone."""
        return AgentContent(**{field: getattr(self, field) for field in CONTENT})


CONTENT: Final = tuple(AgentContent.model_fields)


class Agent(AgentContent, Entity):
    """A small program that answers events; ``handler(event)`` is its entrance.

    ``owner`` is the id of whoever created it, ``owner_name`` that person's name at the time: a list of agents must not
    read a page of people. ``version`` numbers what is current, ``newest`` is the highest number given so far (a version
    that was set aside has a number but never became current).
    """

    collection = "agents"
    # Search and sorting by name use name_key; each combination of the filters on status and owner has its own index.
    indexes: ClassVar[tuple[Index, ...]] = (
        Index("name_key"),
        Index("status", "name_key"),
        Index("owner", "name_key"),
        Index("status", "owner", "name_key"),
        Index("updated_at"),
        Index("status", "updated_at"),
        Index("owner", "updated_at"),
        Index("status", "owner", "updated_at"),
    )

    name_key: str = ""
    owner: str = ""
    owner_name: str = ""
    version: int = 1
    newest: int = 1

    def replace_content(self, content: AgentContent) -> None:
        """Take over all of ``content``."""
        for field in CONTENT:
            setattr(self, field, getattr(content, field))
        self.name_key = name_key(content.name)


class AgentVersion(AgentContent, Entity):
    """One state of an agent, never changed again. Its id is made of the agent's and the number, so it is read by key.

    The audit record has the change to the agent; the version would only repeat it.
    """

    collection = "agent_versions"
    indexes: ClassVar[tuple[Index, ...]] = (Index("agent_id", "number"),)
    audited: ClassVar[bool] = False

    agent_id: str
    number: int
    author: str = ""
    author_name: str = ""
    note: str = ""
    set_aside: bool = False
    """Entered by somebody who then kept the other side of a conflict: stored so that nothing is lost, never current."""


def version_id(agent_id: str, number: int) -> str:
    """The id of an agent's version."""
    return f"{agent_id}.{number}"


def name_key(name: str) -> str:
    """What names are compared, searched and sorted by: case, width and white space do not tell two agents apart, nor do
    characters that nobody can see."""
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).casefold().split())
