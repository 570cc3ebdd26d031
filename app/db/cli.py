"""``wherry db``: prepare the database, ask how it is, and look at what is stored.

Works on the configured database, or on another one with ``--url``. With ``--json`` a command prints one JSON document.
Whatever goes wrong is one sentence on standard error that names the thing, and exit status 1.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from app.db.backends.firestore_indexes import index_configuration
from app.db.changes.cli import DEFAULT_FOLDER, chosen_changes, list_changes, run_changes
from app.db.cli_errors import one_sentence
from app.db.cli_query import parse_condition
from app.db.factory import open_database
from app.db.flask_ext import command_application, current_database
from app.db.names import parse_name
from app.db.query import Query
from app.db.service import DatabaseService
from app.db.transfer import copy_cli, dump_cli, verify_cli
from app.db.transfer.live import cli as live_cli

URL_HELP = "Another database than the configured one, e.g. sqlite:///wherry.sqlite"


@click.group("db")
def db_commands() -> None:
    """Prepare and inspect the database."""


def _command(needs_schema: bool = False) -> Callable[[Callable[..., None]], click.Command]:
    """A command with --url and --json whose function gets the database first; its errors become one sentence."""

    def register(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        @one_sentence()
        def run(url: str | None, **options: Any) -> None:
            if url is None:
                with command_application().app_context():
                    function(current_database(), **options)
                return
            # Reading must not make tables, so only prepare may create what is missing.
            schema = command_application().extensions["database"].schema if needs_schema else None
            service = open_database(url, schema, create_missing=needs_schema)
            try:
                function(service, **options)
            finally:
                service.close()

        run = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(run)
        run = click.option("--url", help=URL_HELP)(run)
        return db_commands.command(function.__name__.replace("_", "-"))(run)

    return register


@_command(needs_schema=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def prepare(service: DatabaseService, dry_run: bool, as_json: bool) -> None:
    """Create the collections and indexes that the application declares and the database lacks."""
    done = service.prepare(dry_run=dry_run)
    if as_json:
        _print_json({"dry_run": dry_run, "done": done})
        return
    for sentence in done:
        click.echo(sentence)
    if not done:
        click.echo("Everything is there already.")


@_command()
def doctor(service: DatabaseService, as_json: bool) -> None:
    """Look whether the database is well; exit status 1 if it is not."""
    findings = service.doctor()
    well = all(finding.ok for finding in findings)
    if as_json:
        found = [{"name": one.name, "ok": one.ok, "detail": one.detail, "remedy": one.remedy} for one in findings]
        _print_json({"ok": well, "findings": found})
    else:
        for one in findings:
            click.echo(f"{'ok  ' if one.ok else 'FAIL'}  {one.name}: {one.detail}")
            if one.remedy and not one.ok:
                click.echo(f"      {one.remedy}")
    if not well:
        raise SystemExit(1)


@_command()
def recover(service: DatabaseService, as_json: bool) -> None:
    """Settle what commits that were cut off have left behind. Safe at any time, beside running processes."""
    done = service.recover_commits()
    if as_json:
        _print_json({"done": done})
    else:
        click.echo("\n".join(done) or "Nothing was left to settle.")


@_command(needs_schema=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=DEFAULT_FOLDER)
@click.option("--only", metavar="NAME", help="One change, by its name or number.")
@click.option("--list", "only_list", is_flag=True, help="Only say how each stands.")
@click.option("--dry-run", is_flag=True, help="Write nothing, and say what would be changed.")
def changes(
    service: DatabaseService, folder: Path, only: str | None, only_list: bool, dry_run: bool, as_json: bool
) -> None:
    """Make the numbered changes to stored documents that this database lacks. Safe to run again, and to interrupt."""
    found = chosen_changes(folder, only)
    say = _say_nothing if as_json else click.echo
    told = list_changes(service, found, say) if only_list else run_changes(service, found, dry_run, say)
    if as_json:
        _print_json({"dry_run": dry_run, "changes": told})


@_command(needs_schema=True)
def firestore_indexes(service: DatabaseService, as_json: bool) -> None:
    """Print firestore.indexes.json for the application's collections, whichever database is configured."""
    _print_json(index_configuration(service.schema))


@_command()
def collections(service: DatabaseService, as_json: bool) -> None:
    """List the collections, and whether each is the installation's or every tenant's."""
    found = service.collections()
    if as_json:
        _print_json([{"name": one.name, "scope": one.scope} for one in found])
        return
    for one in found:
        click.echo(f"{one.name:<40} {one.scope}")


@_command()
@click.argument("collection")
@click.argument("id")
def get(service: DatabaseService, collection: str, id: str, as_json: bool) -> None:
    """Print one document. COLLECTION is a name, or <tenant id>/name."""
    _check_exists(service, collection)
    document = service.get(collection, id)
    if as_json:
        _print_json(document)
    else:
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


@_command()
@click.argument("collection")
@click.option("--where", "conditions", multiple=True, metavar="FIELD=VALUE", help="May be given again; see above.")
@click.option("--order-by", multiple=True, metavar="FIELD", help="One or two fields; without it the order is by id.")
@click.option("--descending", is_flag=True, help="Turn the whole order.")
@click.option("--limit", default=50, show_default=True, metavar="N", help="1 to 1,000.")
@click.option("--cursor", help="Go on where the last page ended.")
@click.option("--fields", help="Only these, with commas between.")
def query(
    service: DatabaseService,
    collection: str,
    conditions: tuple[str, ...],
    order_by: tuple[str, ...],
    descending: bool,
    limit: int,
    cursor: str | None,
    fields: str | None,
    as_json: bool,
) -> None:
    """Print one page of documents, a line each. COLLECTION is a name, or <tenant id>/name.

    --where takes FIELD=VALUE or FIELD__OPERATOR=VALUE with lt, lte, gt, gte, in, prefix, contains or exists. VALUE is
    JSON (3, true, null, ["a","b"], "3"); what is no JSON is text: name=Ann.
    """
    _check_exists(service, collection)
    asked = Query(
        where=tuple(map(parse_condition, conditions)),
        order_by=order_by,
        descending=descending,
        limit=limit,
        cursor=cursor,
        fields=None if fields is None else tuple(field.strip() for field in fields.split(",")),
    )
    page = service.query(collection, asked)
    if as_json:
        _print_json({"documents": page.documents, "cursor": page.cursor})
        return
    for document in page.documents:
        click.echo(orjson.dumps(document).decode())
    if page.cursor is not None:
        click.echo(f"There is more: --cursor {page.cursor}", err=True)


def _check_exists(service: DatabaseService, collection: str) -> None:
    """A misspelt name must neither answer "nothing" nor create a collection."""
    name = parse_name(collection).collection
    known = [one.name for one in service.collections()]
    if name in known:
        return
    if not known:
        # Perhaps it is another database than was meant: the doctor knows which settings name it.
        remedies = dict.fromkeys(finding.remedy for finding in service.doctor() if not finding.ok)
        raise click.ClickException(" ".join([f"There is no collection {name!r}, nor any other.", *remedies]))
    raise click.ClickException(f"There is no collection {name!r}. There are: {', '.join(known)}.")


def _say_nothing(line: str) -> None:
    """Instead of lines, where JSON is wanted."""


def _print_json(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


copy_cli.join(db_commands)
verify_cli.join(db_commands)
dump_cli.join(db_commands)
live_cli.join(db_commands)
