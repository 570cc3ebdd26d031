"""Adopt the documents of a CouchDB that Gofannon wrote into one tenant.

    python migrations_scripts/adopt_gofannon.py http://admin:password@localhost:5984 my-team --dry-run

URL may be env:VARIABLE, a variable that holds it, so that no password stands in a list of processes. TENANT is a slug
or an id. The other database is only read. Ids stay as they are (``asf:jdoe``). What becomes of what:

    agents        agents, as drafts; docs/migration.md says how their fields are mapped
    deployments   adopted_deployments, names of fields in snake_case, values as they are: the application does not show
    tickets       adopted_tickets,     them, but nothing of them is lost
    demos         adopted_demos
    users         adopted_users
    sessions      left out: people sign in anew

Run it again at any time: it adopts what is missing and leaves alone what is there.
"""

import json
import os
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Final

import click

from app.db import DatabaseService, NotFound
from app.db.cli_errors import one_sentence
from app.db.documents import Document
from app.db.flask_ext import current_database
from app.db.transfer.adopting import AdoptionReport, adopt
from app.db.transfer.cli import REJECTED, opened, print_json
from app.db.transfer.errors import TransferRefused
from app.db.transfer.foreign_couchdb import ForeignCouch
from app.db.transfer.mapping import Field, Mapping, moment, text
from app.db.transfer.progress import make_progress
from app.db.transfer.references import VARIABLE
from app.db.unit_of_work import UnitOfWork
from app.modules.agents.entities import Agent, name_key
from app.modules.agents.rules import problems_of
from app.modules.agents.services import CLAIM
from app.tenants.entities import Tenant
from app.tenants.services import SLUG_CLAIM

NO_FIELD: Final = "agents have no such field"
TYPES: Final = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object",
}  # fmt: skip


def schema_text(value: Any) -> str:
    """Gofannon's ``{"inputText": "string"}``, or a JSON Schema, as the text of a JSON Schema."""
    if not value:
        return ""
    if type(value) is not dict:
        raise ValueError("is no object of fields")
    if type(value.get("properties")) is not dict and all(type(kind) is str for kind in value.values()):
        properties = {name: {"type": TYPES.get(kind, kind)} for name, kind in value.items()}
        value = {"type": "object", "properties": properties}
    return json.dumps(value, ensure_ascii=False, indent=2)


def tool_names(value: Any) -> list[str]:
    """The names out of Gofannon's ``{"<address>": ["name", ...]}``; the addresses have no place here."""
    if value is None:
        return []
    if type(value) is list and all(type(name) is str for name in value):
        return list(dict.fromkeys(value))
    if type(value) is not dict or not all(type(names) is list for names in value.values()):
        raise ValueError("is no object of lists of names")
    return list(dict.fromkeys(str(name) for names in value.values() for name in names))


def ids(value: Any) -> list[str]:
    """A list of ids; null is none."""
    if value is None:
        return []
    if type(value) is not list or not all(type(id) is str for id in value):
        raise ValueError("is no list of ids")
    return value


def complete_agent(document: Document) -> None:
    """What Gofannon does not know: a name to sort by, the owner's name, and that somebody has to look at it first."""
    document["name_key"] = name_key(document.get("name", ""))
    document["owner_name"] = document.get("owner", "").rpartition(":")[2]
    document["status"] = "draft"


def remarks_on_agent(agent: Agent) -> list[str]:
    """What has to be mended before the agent can be saved."""
    return [problem.message for problems in problems_of(agent.content()).values() for problem in problems]


AGENTS: Final = Mapping(
    "agents",
    "agents",
    fields={
        "name": Field("name", text),
        "description": Field("description", text),
        "code": Field("code", text),
        "inputSchema": Field("input_schema", schema_text),
        "outputSchema": Field("output_schema", schema_text),
        "tools": Field("tools", tool_names),
        "gofannonAgents": Field("calls", ids),
        "tags": Field("tags", ids),
        "userId": Field("owner", text),
        "owner": Field("owner", text),
        "createdAt": Field("created_at", moment),
        "updatedAt": Field("updated_at", moment),
        "created_at": Field("created_at", moment),
        "updated_at": Field("updated_at", moment),
    },
    dropped={
        "friendlyName": "the name stands for it",
        "docstring": "the description and the code say it",
        "status": "every adopted agent is a draft",
        "swaggerSpecs": NO_FIELD,
        "invokableModels": NO_FIELD,
        "composerModelConfig": NO_FIELD,
        "composerThoughts": NO_FIELD,
        "builtInTools": NO_FIELD,
    },
    others="leave",
    entity=Agent,
    complete=complete_agent,
    unique=(CLAIM, "name_key"),
    remarks=remarks_on_agent,  # type: ignore[arg-type]
)
KEPT: Final = ("deployments", "tickets", "demos", "users")
MAPPINGS: Final = (AGENTS, *(Mapping(name, f"adopted_{name}") for name in KEPT))
IGNORED: Final = {"sessions": "people sign in anew"}


def find_tenant(service: DatabaseService, wanted: str) -> str:
    """The id of the tenant with this id or slug; TransferRefused if there is none."""
    with UnitOfWork(service, tenant_id=None) as uow:
        try:
            return uow.store(Tenant).get(wanted).id
        except NotFound:
            found = uow.claimed_by(SLUG_CLAIM, wanted)
        if found is None:
            raise TransferRefused(f"TENANT is {wanted!r}, but there is no tenant with this slug or id.")
        return found


def _unwrapped(help: str) -> str:
    """For click: every paragraph with the lines that it has."""
    return "\b\n" + help.replace("\n\n", "\n\n\b\n")


@click.command(help=_unwrapped(__doc__))
@click.argument("url", metavar="URL")
@click.argument("tenant", metavar="TENANT")
@click.option("--target", metavar="DATABASE", help="Another database than the configured one: a URL or environment.")
@click.option("--prefix", default="", help="What the names of Gofannon's databases begin with.")
@click.option("--dry-run", is_flag=True, help="Read everything, write nothing.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@one_sentence()
def main(
    url: str, tenant: str, target: str | None, prefix: str, dry_run: bool, report: Path | None, as_json: bool
) -> None:
    """See the module. Exit status: 0 done; 1 not done; 2 done, but documents were left out."""
    chosen = nullcontext(None) if target is None else opened(target, "--target", "write")
    with closing(ForeignCouch.from_url(_resolved(url), prefix)) as foreign, chosen as other:
        service = current_database() if other is None else other.service
        found = adopt(
            foreign,
            service,
            find_tenant(service, tenant),
            MAPPINGS,
            IGNORED,
            make_progress(as_json),
            dry_run=dry_run,
        )
    if report is not None:
        report.write_text(json.dumps(found.to_json(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(found.to_json())
    else:
        show(found)
    if any(one.left_out for one in found.databases.values()):
        raise SystemExit(REJECTED)


def show(report: AdoptionReport) -> None:
    """The report for people."""
    would = "would be " if report.dry_run else ""
    for name, one in report.databases.items():
        print(
            f"{name} -> {one.collection}: {one.adopted:,} {would}adopted, {one.there:,} were there already,"
            f" {one.left_out:,} {would}left out"
        )
    if report.counts:
        print("Left out:")
    for (database, what, reason), number in sorted(report.counts.items()):
        examples = report.examples.get((database, what, reason), [])
        of = f" of {', '.join(examples)}{' ...' if number > len(examples) else ''}" if examples else ""
        print(f"  {number:>6,}  {database}: {what}{of}: {reason}")
    if report.remarks:
        print("Adopted, but to be mended before it can be saved:")
    for collection, id, remark in report.remarks:
        print(f"  {collection} {id}: {remark}")


def _resolved(url: str) -> str:
    if not url.startswith(VARIABLE):
        return url
    found = os.environ.get(url.removeprefix(VARIABLE), "")
    if not found:
        raise TransferRefused(f"URL is {url}, but the variable {url.removeprefix(VARIABLE)!r} is not set.")
    return found


if __name__ == "__main__":
    from app import create_app

    with create_app().app_context():
        main()
