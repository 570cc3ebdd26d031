"""What the rest of the application gets from this module without importing it."""

from collections.abc import Iterable, Mapping

from app.core.dashboard import Figure, figure_of
from app.db.unit_of_work import UnitOfWork
from app.modules.agents.entities import Agent
from app.modules.agents.queries import names_of


class Directory:
    """An ``AgentDirectory``: other modules show the names of agents that they refer to."""

    def names(self, uow: UnitOfWork, ids: Iterable[str]) -> Mapping[str, str]:
        """The names of those agents that exist, by id."""
        return names_of(uow.store(Agent), list(ids))


def figure(uow: UnitOfWork) -> Figure:
    """The number of agents, for the dashboard."""
    return Figure(figure_of(uow.store(Agent).count()))
