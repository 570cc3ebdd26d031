"""Agents: small programs that answer events. The module that every other module is copied from; see docs/modules.md."""

from flask import Flask

from app.core.dashboard import Card, add_card
from app.core.offers import AgentDirectory, offer
from app.modules.agents.entities import Agent, AgentVersion
from app.modules.agents.offers import Directory, figure
from app.modules.agents.routes import blueprint
from app.modules.agents.samples import add_samples
from app.web.registry import Registry


def register(app: Flask, registry: Registry) -> None:
    """Everything that the rest of the application learns of this module."""
    registry.add_entities(Agent, AgentVersion)
    registry.add_permission("agents.view", "See agents and their history", ("owner", "admin", "member", "viewer"))
    registry.add_permission("agents.edit", "Create and change agents", ("owner", "admin", "member"))
    registry.add_permission("agents.delete", "Delete agents", ("owner", "admin"))
    registry.add_navigation(label="Agents", endpoint="agents.index", permission="agents.view", icon="agents", order=20)
    registry.add_sample_data(add_samples)
    add_card(app, Card("Agents", "agents.index", "agents.view", figure, order=10))
    offer(app, AgentDirectory, Directory())  # type: ignore[type-abstract]  # a Protocol is what it asks for
    app.register_blueprint(blueprint)
