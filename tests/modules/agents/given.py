"""Agents to test with."""

from typing import Any

from app.db.unit_of_work import UnitOfWork
from app.modules.agents.entities import Agent, AgentContent
from app.modules.agents.services import AgentService
from tests.modules.conftest import OpenUnit

CODE = "def handler(event):\n    return {'hello': event['name']}"


def content(name: str = "Greeter", **fields: Any) -> AgentContent:
    """Content that may be saved."""
    return AgentContent(**{"name": name, "code": CODE, **fields})


def create(unit: OpenUnit, name: str = "Greeter", *, actor: str = "Maren", tenant: str = "t1", **fields: Any) -> Agent:
    """An agent that is in the database."""
    uow = unit(actor, tenant)
    agent = AgentService(uow).create(content(name, **fields))
    uow.commit()
    return agent


def change(unit: OpenUnit, agent: Agent, *, actor: str = "Maren", **fields: Any) -> Agent:
    """The agent after somebody changed some fields of it, in the database."""
    uow = unit(actor)
    service = AgentService(uow)
    now = service.get(agent.id)
    changed = service.change(agent.id, now.rev or "", now.content().model_copy(update=fields))
    uow.commit()
    return changed


def documents(uow: UnitOfWork, collection: str) -> list[dict[str, Any]]:
    """What the database holds of a collection of the unit's tenant."""
    return list(uow.service.list_all(f"{uow.tenant_id}/{collection}"))
