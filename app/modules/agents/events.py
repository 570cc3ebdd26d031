"""What other modules can hear of agents. Each is emitted in the commit that makes it true."""

from dataclasses import dataclass

from app.hub import Event


@dataclass(frozen=True)
class AgentCreated(Event):
    """A new agent, or a deleted one that was brought back."""

    agent_id: str
    agent_name: str


@dataclass(frozen=True)
class AgentChanged(Event):
    """An agent has a new current version."""

    agent_id: str
    agent_name: str
    version: int


@dataclass(frozen=True)
class AgentDeleted(Event):
    """An agent is gone; its versions are not."""

    agent_id: str
    agent_name: str
