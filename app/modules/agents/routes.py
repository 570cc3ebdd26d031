"""The module's addresses. A view reads the request, calls one service method, and answers with a page or a redirect."""

from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.errors import Invalid
from app.modules.agents import pages, queries
from app.modules.agents.comparison import merge
from app.modules.agents.entities import STATUSES, Agent, AgentVersion
from app.modules.agents.forms import AgentForm, ResolveForm, RevisionForm
from app.modules.agents.services import AgentService
from app.web import access_control, current
from app.web.context import on_conflict
from app.web.feedback import notify
from app.web.listing import Listing, choice, integer, text
from app.web.tenant_urls import tenant_prefix

blueprint = Blueprint("agents", __name__, url_prefix=tenant_prefix("/agents"), template_folder="templates")

LIST = Listing(
    sorts={"name": ("name_key",), "updated": ("updated_at",)},
    filters={"q": text, "status": choice(*STATUSES), "tag": text, "owner": text},
)
HISTORY = Listing(sorts={"number": ("number",)}, default_sort="-number", limit=20)
COMPARISON = Listing(sorts={"number": ("number",)}, filters={"old": integer(1), "new": integer(1)})
ID = "<id>"  # whatever stands there is for the store to not find
NUMBER = "<int(max=999999999):number>"


def service() -> AgentService:
    """The service for this request's unit of work."""
    return AgentService(current().uow)


@blueprint.get("/")
@access_control("agents.view")
def index() -> ResponseReturnValue:
    """The list."""
    wanted = LIST.parse(request.args)
    search = pages.search_for(wanted)
    agents = current().uow.store(Agent)
    page = agents.rows(wanted.query(search.conditions(), fields=queries.LISTED))
    whole = page.cursor is None and wanted.cursor is None
    counted = (len(page.items), True) if whole else queries.count_agents(agents, search)
    return render_template("agents/index.html", wanted=wanted, search=search, page=page, counted=counted)


@blueprint.route("/new", methods=["GET", "POST"])
@access_control("agents.edit")
def new() -> ResponseReturnValue:
    """A new agent."""
    form = AgentForm() if request.method == "POST" else AgentForm.filled(pages.FIRST_DRAFT)
    if form.is_submitted():
        on_conflict(partial(pages.name_taken, form))
        agent = form.save(service().create, service().check)
        if agent is not None:
            notify("success", f"{agent.name} was created.")
            return redirect(url_for("agents.show", id=agent.id))
    return pages.form_page(form)


@blueprint.get(f"/{ID}")
@access_control("agents.view")
def show(id: str) -> ResponseReturnValue:
    """One agent."""
    agent = service().get(id)
    return render_template("agents/show.html", agent=agent, names=queries.names_of(service().agents, agent.calls))


@blueprint.route(f"/{ID}/edit", methods=["GET", "POST"])
@access_control("agents.edit")
def edit(id: str) -> ResponseReturnValue:
    """Change an agent. Whoever saves second gets the conflict page."""
    if request.method == "GET":
        agent = service().get(id)
        return pages.form_page(AgentForm.filled(agent.content(), rev=agent.rev or "", base=agent.version), agent)
    form = AgentForm()
    on_conflict(partial(pages.conflict, id, form))
    changed = form.save(partial(service().change, id, form.revision or ""), partial(service().check, id=id))
    if changed is None:
        return pages.form_again(id, form)
    notify("success", f"{changed.name} was saved as version {changed.version}.")
    return redirect(url_for("agents.show", id=id))


@blueprint.post(f"/{ID}/resolve")
@access_control("agents.edit")
def resolve(id: str) -> ResponseReturnValue:
    """The answer to a conflict page: one side, some fields of each, or on to merge by hand."""
    posted = ResolveForm()
    theirs = service().version(id, posted.base.data).content()
    if posted.choice.data == "theirs":
        return set_aside(id, posted)
    merged = merge(theirs, posted.content(), posted.picks(request.form))
    form = AgentForm.filled(merged, rev=posted.revision or "", base=posted.base.data)
    if posted.choice.data == "edit":
        return pages.form_again(id, form, sides=(theirs, posted.content()))
    on_conflict(partial(pages.conflict, id, posted))
    change = partial(service().change, id, form.revision or "", given_up=posted.content())
    changed = form.save(change, partial(service().check, id=id))
    if changed is None:
        return pages.form_again(id, form, sides=(theirs, posted.content()))
    notify("success", f"{changed.name} was saved as version {changed.version}. What was left out is in the history.")
    return redirect(url_for("agents.show", id=id))


def set_aside(id: str, form: ResolveForm) -> ResponseReturnValue:
    """Keep theirs as it is, and put mine into the history."""
    on_conflict(partial(pages.conflict, id, form))
    kept = form.save(partial(service().set_aside, id, form.revision or ""), lambda content: None)
    if kept is None:
        return pages.form_again(id, form)
    notify("success", f"Nothing was changed. What you entered is in the history as version {kept.number}.")
    return redirect(url_for("agents.show", id=id))


@blueprint.route(f"/{ID}/delete", methods=["GET", "POST"])
@access_control("agents.delete")
def delete(id: str) -> ResponseReturnValue:
    """Ask, then delete; an agent that was changed since it was asked is asked about again."""
    if request.method == "GET":
        return pages.deletion(service().get(id))
    form = RevisionForm()
    on_conflict(partial(pages.deletion_conflict, id, form))
    agent = service().delete(id, form.revision or "")
    notify("success", f"{agent.name} was deleted. Its history is kept, and brings it back.")
    return redirect(url_for("agents.history", id=id))


@blueprint.get(f"/{ID}/history")
@access_control("agents.view")
def history(id: str) -> ResponseReturnValue:
    """Every version, newest first; of a deleted agent too."""
    wanted = HISTORY.parse(request.args)
    agent = service().agents.get_or_none(id)
    named = agent or service().newest(id)
    page = current().uow.store(AgentVersion).rows(wanted.query(queries.of_agent(id), fields=queries.IN_HISTORY))
    return render_template("agents/history.html", wanted=wanted, page=page, agent=agent, id=id, name=named.name)


@blueprint.get(f"/{ID}/compare")
@access_control("agents.view")
def compare(id: str) -> ResponseReturnValue:
    """What differs between two versions."""
    numbers = COMPARISON.parse(request.args).filters
    new = service().version(id, numbers["new"]) if "new" in numbers else service().newest(id)
    old = service().version(id, numbers.get("old", max(1, new.number - 1)))
    return pages.comparison(id, old, new)


@blueprint.get(f"/{ID}/versions/{NUMBER}")
@access_control("agents.view")
def version(id: str, number: int) -> ResponseReturnValue:
    """One version as it was."""
    found = service().version(id, number)
    names = queries.names_of(service().agents, found.calls)
    agent = service().agents.get_or_none(id)
    return render_template("agents/version.html", version=found, names=names, agent=agent)


@blueprint.post(f"/{ID}/versions/{NUMBER}/restore")
@access_control("agents.edit")
def restore(id: str, number: int) -> ResponseReturnValue:
    """Make an old version the newest one, or bring a deleted agent back."""
    posted = RevisionForm()
    found = service().version(id, number)
    form = AgentForm.filled(found.content(), rev=posted.revision or "", base=posted.base.data)
    on_conflict(partial(pages.conflict, id, form))
    try:
        agent = service().restore(id, number, posted.revision or "")
    except Invalid as invalid:
        form.put_problems(invalid)
        return pages.form_again(id, form)
    notify("success", f"Version {number} was restored as version {agent.version}.")
    return redirect(url_for("agents.show", id=id))
