"""Pages that more than one view answers with: the form, the conflict, the question before a deletion, the diff."""

from typing import Any

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from app.db import Conflict, NotFound
from app.db.claims import Taken
from app.errors import Invalid
from app.modules.agents import queries
from app.modules.agents.comparison import pairs
from app.modules.agents.entities import Agent, AgentContent, AgentVersion
from app.modules.agents.forms import AgentForm, RevisionForm
from app.modules.agents.services import TAKEN, AgentService
from app.web import current
from app.web.difference import lines
from app.web.listing import Wanted

FIRST_DRAFT = AgentContent(
    code="""\
def handler(event):
    name = event.get("name", "stranger")
    return {"greeting": f"Hello, {name}!"}
""",
    input_schema="""\
{
  "type": "object",
  "properties": {
    "name": {"type": "string"}
  }
}""",
)
"""What a new agent begins with: something that works, to be changed."""


def search_for(wanted: Wanted) -> queries.Search:
    """The list's filters; ``owner=me`` is whoever asks."""
    search = queries.Search(**wanted.filters)
    user = current().user
    return search if search.owner != "me" or user is None else queries.Search(**{**wanted.filters, "owner": user.id})


def form_page(form: AgentForm, agent: Agent | None = None, **values: Any) -> tuple[str, int]:
    """The form of a new agent or of ``agent``, with the choices as they are now: 422 if something is wrong in it."""
    agents = current().uow.store(Agent)
    chosen = form.calls.data or []
    form.calls.choices, values["all_shown"] = queries.agents_to_call(agents, chosen, without=agent.id if agent else "")
    if sides := values.pop("sides", None):
        theirs, mine = sides
        values["rows"] = pairs(theirs, mine, queries.names_of(agents, [*theirs.calls, *mine.calls]))
    return form.page("agents/form.html", agent=agent, **values)


def form_again(id: str, form: AgentForm, **values: Any) -> tuple[str, int]:
    """The form of an agent that may be gone by now: then it becomes a new one's (409), so that what was typed is kept.

    NotFound if there never was one.
    """
    service = AgentService(current().uow)
    agent = service.agents.get_or_none(id)
    if agent is not None:
        return form_page(form, agent, **values)
    service.newest(id)
    body, _ = form_page(form, action=url_for("agents.new"), deleted=id)
    return body, 409


def name_taken(form: AgentForm, conflict: Conflict) -> ResponseReturnValue:
    """Somebody took the name between the check and the commit."""
    if not isinstance(conflict, Taken):
        raise conflict
    form.put_problems(Invalid({"name": [TAKEN]}))
    return form_page(form)


def conflict(id: str, form: AgentForm, conflict: Conflict) -> ResponseReturnValue:
    """Both versions beside each other; or the form again, if only the name was taken or the agent was deleted."""
    service = AgentService(current().uow)
    agent = service.agents.get_or_none(id)
    if isinstance(conflict, Taken):
        form.put_problems(Invalid({"name": [TAKEN]}))
    if isinstance(conflict, Taken) or agent is None:
        return form_again(id, form)
    theirs, mine = service.version(id, agent.version), form.content()
    base = version_or_none(service, id, form.base.data)
    names = queries.names_of(service.agents, [*theirs.calls, *mine.calls])
    rows = pairs(theirs.content(), mine, names, base.content() if base else None)
    return render_template("agents/conflict.html", agent=agent, theirs=theirs, form=form, rows=rows, diff=lines), 409


def deletion(agent: Agent, rows: Any = (), status: int = 200) -> ResponseReturnValue:
    """The question before an agent is deleted; ``rows`` say what changed since it was first asked."""
    callers = queries.callers_of(current().uow.store(Agent), agent.id).items
    return render_template("agents/delete.html", agent=agent, callers=callers, rows=rows, diff=lines), status


def deletion_conflict(id: str, form: RevisionForm, conflict: Conflict) -> ResponseReturnValue:
    """Ask again, showing what somebody else changed meanwhile; or say that it is already gone."""
    service = AgentService(current().uow)
    agent = service.agents.get_or_none(id)
    if agent is None:
        return render_template("agents/gone.html", version=service.newest(id)), 409
    base = version_or_none(service, id, form.base.data)
    names = queries.names_of(service.agents, [*agent.calls, *(base.calls if base else [])])
    rows = pairs(base.content() if base else AgentContent(), agent.content(), names)
    return deletion(agent, rows, 409)


def comparison(id: str, old: AgentVersion, new: AgentVersion) -> ResponseReturnValue:
    """What differs between two versions: the code line by line, the rest field by field."""
    service = AgentService(current().uow)
    rows = pairs(old.content(), new.content(), queries.names_of(service.agents, [*old.calls, *new.calls]))
    differing = [row for row in rows if row.differs]
    return render_template("agents/compare.html", id=id, old=old, new=new, rows=differing, diff=lines)


def version_or_none(service: AgentService, id: str, number: int) -> AgentVersion | None:
    """The version, if the number that came with a form is one."""
    try:
        return service.version(id, number)
    except NotFound:
        return None
