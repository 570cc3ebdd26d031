"""What can be done with agents. One object per unit of work, whose tenant and actor it uses; it never commits.

Names are unique within a tenant by a claim, so that two people cannot create the same one at the same moment. Every
change stores the whole new state as an AgentVersion in the same commit.

Versions outlive their agent: a deletion is one small commit however long the history, and a slip of the finger can be
undone by restoring a version, which brings the agent back under its old id. What refers to a deleted agent (``calls``)
is left as it is: it shows as deleted, and works again if the agent comes back.
"""

import unicodedata
from typing import Final

from app.db import Conflict, NotFound
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, Problem
from app.modules.agents.entities import Agent, AgentContent, AgentVersion, name_key, version_id
from app.modules.agents.events import AgentChanged, AgentCreated, AgentDeleted
from app.modules.agents.queries import newest_version
from app.modules.agents.rules import problems_of

CLAIM: Final = "agent"
TAKEN: Final = Problem("taken", "Another agent of this tenant has this name, give or take capitals.")
UNKNOWN: Final = Problem("invalid", "An agent that was chosen does not exist any more. Please choose again.")
ITSELF: Final = Problem("invalid", "An agent cannot call itself.")


class AgentService:
    """See the module."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        self.agents = uow.store(Agent)
        self.versions = uow.store(AgentVersion)

    def get(self, id: str) -> Agent:
        """The agent, or NotFound."""
        return self.agents.get(id)

    def version(self, id: str, number: int) -> AgentVersion:
        """One version of an agent that exists or was deleted, or NotFound.

        The current one of an agent that was imported without its versions is the agent itself.
        """
        found = self.versions.get_or_none(version_id(id, number))
        if found is None:
            agent = self.agents.get_or_none(id)
            if agent is None or agent.version != number:
                raise NotFound(self.versions.path, version_id(id, number))
            found = _as_it_is(agent)
        return found

    def newest(self, id: str) -> AgentVersion:
        """The version with the highest number, of an agent that exists or was deleted, or NotFound."""
        found = newest_version(self.versions, id) or self.version(id, 1)
        # An index may lag behind, and the next version must not get a number that is taken: numbers leave no gaps.
        while later := self.versions.get_or_none(version_id(id, found.number + 1)):
            found = later
        return found

    def check(self, content: AgentContent, id: str | None = None) -> None:
        """Invalid with everything that is wrong with ``content`` for the agent ``id``, or for a new one."""
        content = tidy(content)
        problems = problems_of(content)
        key = name_key(content.name)
        if "name" not in problems and self.uow.claimed_by(CLAIM, key, scope="tenant") not in (None, id):
            problems["name"] = [TAKEN]
        if "calls" not in problems:
            if id is not None and id in content.calls:
                problems["calls"] = [ITSELF]
            elif len(self._existing(content.calls)) < len(content.calls):
                problems["calls"] = [UNKNOWN]
        if problems:
            raise Invalid(problems)

    def create(self, content: AgentContent) -> Agent:
        """A new agent that belongs to the actor. Invalid; Conflict at commit if the name was taken meanwhile."""
        content = tidy(content)
        self.check(content)
        agent = Agent(owner=self.uow.actor.id, owner_name=self.uow.actor.name)
        return self._add(agent, content, note="")

    def change(
        self, id: str, rev: str, content: AgentContent, *, note: str = "", given_up: AgentContent | None = None
    ) -> Agent:
        """Give the agent new content, as its next version; nothing happens if nothing differs.

        ``given_up`` is what somebody had entered and then merged into ``content``: it is set aside. Conflict unless the
        agent still has ``rev``, NotFound if there never was one, Invalid. The conflict comes before what is invalid:
        who has to merge first should not mend what may go away.
        """
        content = tidy(content)
        agent = self._expected(id, rev)
        self.check(content, id)
        if given_up is not None and tidy(given_up) != content:
            self._put_aside(agent, given_up, "Set aside for a merge")
        if content == agent.content():
            return agent
        self._keep_former(agent)
        if (key := name_key(content.name)) != agent.name_key:
            self.uow.release(CLAIM, agent.name_key, agent, scope="tenant")
            self.uow.claim(CLAIM, key, agent, scope="tenant")
        agent.replace_content(content)
        agent.newest += 1
        agent.version = agent.newest
        self.agents.save(agent)
        self._keep(agent, content, note)
        self.uow.emit(AgentChanged(agent_id=agent.id, agent_name=agent.name, version=agent.version))
        return agent

    def set_aside(self, id: str, rev: str, content: AgentContent) -> AgentVersion:
        """Put ``content`` into the history without making it current: the side of a conflict that was not kept.

        Only its shape must be right; agents to call that do not exist are left out. Conflict, NotFound, Invalid.
        """
        agent = self._expected(id, rev)
        return self._put_aside(agent, content, f"Set aside in favour of version {agent.version}")

    def restore(self, id: str, number: int, rev: str) -> Agent:
        """Make an old version the newest one, or bring a deleted agent back with it (then ``rev`` is "").

        Agents to call that are gone are left out. Conflict if the agent is not at ``rev``, NotFound, Invalid if the
        name belongs to another agent by now.
        """
        content = self.version(id, number).content()
        content.calls = [called for called in self._existing(content.calls) if called != id]
        note = f"Restored version {number}"
        if rev or self.agents.get_or_none(id) is not None:
            return self.change(id, rev, content, note=note)
        self.check(content, id)
        first = self.versions.get_or_none(version_id(id, 1)) or self.version(id, number)  # an import may lack version 1
        again = Agent(id=id, owner=first.author, owner_name=first.author_name)
        again.version = again.newest = self.newest(id).number + 1
        return self._add(again, content, f"{note} after the agent was deleted")

    def delete(self, id: str, rev: str) -> Agent:
        """Remove the agent and free its name; answers what it was. Conflict unless it still has ``rev``, NotFound."""
        agent = self._expected(id, rev)
        self._keep_former(agent)
        self.uow.release(CLAIM, agent.name_key, agent, scope="tenant")
        self.agents.remove(agent)
        self.uow.emit(AgentDeleted(agent_id=agent.id, agent_name=agent.name))
        return agent

    def _add(self, agent: Agent, content: AgentContent, note: str) -> Agent:
        agent.replace_content(content)
        self.agents.add(agent)
        self.uow.claim(CLAIM, agent.name_key, agent, scope="tenant")
        self._keep(agent, content, note)
        self.uow.emit(AgentCreated(agent_id=agent.id, agent_name=agent.name))
        return agent

    def _keep(self, agent: Agent, content: AgentContent, note: str, set_aside: bool = False) -> AgentVersion:
        """Register ``content`` as the version with the agent's newest number."""
        version = AgentVersion(
            id=version_id(agent.id, agent.newest),
            agent_id=agent.id,
            number=agent.newest,
            author=self.uow.actor.id,
            author_name=self.uow.actor.name,
            note=note,
            set_aside=set_aside,
            **content.model_dump(),
        )
        return self.versions.add(version)

    def _put_aside(self, agent: Agent, content: AgentContent, note: str) -> AgentVersion:
        content = tidy(content)
        if problems := problems_of(content):
            raise Invalid(problems)
        content.calls = self._existing(content.calls)
        self._keep_former(agent)
        agent.newest += 1
        self.agents.save(agent)
        return self._keep(agent, content, note, set_aside=True)

    def _keep_former(self, agent: Agent) -> None:
        """Store the version that is about to go, unless it is stored: an import may bring agents without versions."""
        if self.versions.get_or_none(version_id(agent.id, agent.version)) is None:
            self.versions.add(_as_it_is(agent))

    def _expected(self, id: str, rev: str) -> Agent:
        """The agent at ``rev``; one that was deleted meanwhile is a Conflict, one that never was is NotFound."""
        if self.agents.get_or_none(id) is None:
            self.newest(id)
            raise Conflict([(self.agents.path, id)])
        return self.agents.get(id, rev)

    def _existing(self, ids: list[str]) -> list[str]:
        found = self.agents.get_many(ids)
        return [id for id in ids if id in found]


def _as_it_is(agent: Agent) -> AgentVersion:
    """The agent's current version, made of the agent; who saved it is not known, but whose it is."""
    return AgentVersion(
        id=version_id(agent.id, agent.version),
        agent_id=agent.id,
        number=agent.version,
        author=agent.owner,
        author_name=agent.owner_name,
        **agent.content().model_dump(),
    )


def tidy(content: AgentContent) -> AgentContent:
    """The same with white space trimmed, names in one Unicode form, tags in small letters, and nothing named twice."""
    return content.model_copy(
        update={
            "name": " ".join(word for word in unicodedata.normalize("NFC", content.name).split(" ") if word),
            "description": content.description.strip(),
            "input_schema": content.input_schema.strip(),
            "output_schema": content.output_schema.strip(),
            "tools": list(dict.fromkeys(content.tools)),
            "calls": list(dict.fromkeys(content.calls)),
            "tags": list(dict.fromkeys(tag.lower() for tag in content.tags)),
        }
    )
