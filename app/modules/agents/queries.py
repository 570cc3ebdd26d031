"""Named queries: functions over a store. Every one is served by an index that its entity declares."""

from dataclasses import dataclass
from typing import Final

from app.db import Query, where
from app.db.query import Condition
from app.db.rows import RowPage
from app.db.stores import EntityStore
from app.modules.agents.entities import Agent, AgentVersion, name_key

LISTED: Final = (
    "name",
    "description",
    "status",
    "tags",
    "owner",
    "owner_name",
    "version",
    "updated_at",
)
IN_HISTORY: Final = ("number", "author_name", "note", "set_aside", "created_at")
MAX_CHOICES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Search:
    """What a list of agents is narrowed to; "" means any. ``q`` is the beginning of a name."""

    q: str = ""
    status: str = ""
    tag: str = ""
    owner: str = ""

    def conditions(self) -> tuple[Condition, ...]:
        """For a query. Status and owner are served by an index whatever the order is; the beginning of the name is
        when sorted by name, and the tag is filtered."""
        found = [where(field).eq(value) for field in ("status", "owner") if (value := getattr(self, field))]
        if beginning := name_key(self.q):
            found.append(where("name_key").prefix(beginning))
        if self.tag:
            found.append(where("tags").contains(self.tag.lower()))
        return tuple(found)


def count_agents(agents: EntityStore[Agent], search: Search) -> tuple[int, bool] | None:
    """How many match, up to 1,000, and whether that is exact; None with a tag, as that would read every agent."""
    if search.tag:
        return None
    conditions = search.conditions()
    if conditions and not name_key(search.q):
        conditions += (where("name_key").gte(""),)  # holds for all, and lets an index that ends with the name count
    return agents.count(conditions)


def agents_to_call(
    agents: EntityStore[Agent], chosen: list[str], without: str = ""
) -> tuple[list[tuple[str, str]], bool]:
    """(id, name) of what an agent may be allowed to call, by name, and whether that is all.

    The first 1,000 of the tenant, without the archived, and the chosen that exist.
    """
    page = agents.rows(Query(order_by=("name_key",), limit=MAX_CHOICES, fields=("name", "name_key", "status")))
    found = {
        row.id: (row.name_key, row.name)
        for row in page.items
        if row.id != without and (row.status != "archived" or row.id in chosen)
    }
    if page.cursor:
        missing = [id for id in chosen if id not in found and id != without]
        found |= {id: (agent.name_key, agent.name) for id, agent in agents.get_many(missing).items()}
    by_name = sorted(found.items(), key=lambda item: item[1])
    return [(id, name) for id, (_, name) in by_name], page.cursor is None


def names_of(agents: EntityStore[Agent], ids: list[str]) -> dict[str, str]:
    """The names of those that exist."""
    return {id: agent.name for id, agent in agents.get_many(ids).items()} if ids else {}


def callers_of(agents: EntityStore[Agent], id: str) -> RowPage:
    """Up to ten of the agents that may call this one, found among the first 1,000 by name."""
    condition = where("calls").contains(id)
    return agents.rows(Query(where=(condition,), order_by=("name_key",), limit=10, fields=("name",)))


def newest_version(versions: EntityStore[AgentVersion], agent_id: str) -> AgentVersion | None:
    """The version with the highest number that the index knows; None if there never was such an agent."""
    return versions.first(Query(where=of_agent(agent_id), order_by=("number",), descending=True, limit=1))


def of_agent(agent_id: str) -> tuple[Condition, ...]:
    """For queries of the versions of one agent, ordered by number."""
    return (where("agent_id").eq(agent_id),)
