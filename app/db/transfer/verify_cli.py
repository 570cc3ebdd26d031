"""``wherry db verify`` and ``wherry db check-report``."""

from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import click

from app.db.flask_ext import command_application, command_schema
from app.db.own_collections import INSTALLATION_KEYS
from app.db.service import DatabaseService
from app.db.transfer.cli import FAILED, left_behind_option, opened, print_json, transfer_command
from app.db.transfer.cli import listed as listed_names
from app.db.transfer.differences import Secrets
from app.db.transfer.errors import TransferRefused
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.identity import read_identity, same_database
from app.db.transfer.preparing import SAME
from app.db.transfer.progress import make_progress, shown_bytes, shown_time
from app.db.transfer.references import clearly_same
from app.db.transfer.reports import read_report, write_report
from app.db.transfer.seeking import Difference
from app.db.transfer.selection import Selection
from app.db.transfer.verify_report import VerifyReport, to_json
from app.db.transfer.verifying import VerifyOptions, verify

_WORDS: Final = {
    "missing": "missing in the target",
    "extra": "only in the target",
    "different": "different",
    "revision": "of another revision, with the same content",
    "unreachable": "not reachable by id",
}


def join(group: click.Group) -> None:
    """Add the commands to ``wherry db``."""
    group.add_command(verify_command)
    group.add_command(check_report_command)


@transfer_command("verify", "SOURCE", "TARGET")
@click.option("--collections", multiple=True, callback=listed_names, metavar="NAMES", help="Only these, with commas.")
@click.option("--tenants", multiple=True, callback=listed_names, metavar="IDS", help="Only these tenants' documents.")
@click.option("--repair", is_flag=True, help="Write the source's documents over what is missing or different.")
@click.option("--remove-extra", is_flag=True, help="With --repair: delete what only the target has.")
@click.option("--keep-newer", is_flag=True, help="With --repair: leave what was written later in the target.")
@left_behind_option
@click.option("--same-origin", is_flag=True, help="They are two, though one is a copy of the other's files.")
@click.option(
    "--list", "listed", type=click.IntRange(0), default=100, show_default=True, metavar="N",
    help="Differences to tell of one by one, also in the report; the others are counted.",
)  # fmt: skip
@click.option("--patience", default=60.0, show_default=True, help="Seconds to try a database that does not answer.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a signed report file.")
def verify_command(
    source: str,
    target: str,
    collections: tuple[str, ...] | None,
    tenants: tuple[str, ...] | None,
    repair: bool,
    remove_extra: bool,
    keep_newer: bool,
    left_behind: bool,
    same_origin: bool,
    listed: int,
    patience: float,
    report: Path | None,
    as_json: bool,
) -> None:
    """Compare two databases, document by document, and say what differs and how.

    Exit status 1 when anything differs; after --repair, when anything still does.
    """
    if (remove_extra or keep_newer) and not repair:
        raise click.UsageError("--remove-extra and --keep-newer belong to --repair.")
    key = str(command_application().config.get("SECRET_KEY") or "")
    if report is not None and not key:
        raise TransferRefused("A report is signed with SECRET_KEY, and there is none.")
    selection = Selection(collections, tenants)
    selection.check()
    options = VerifyOptions(collections, tenants, repair, remove_extra, keep_newer, listed, patience)
    progress = make_progress(as_json)
    if clearly_same(source, target):
        raise TransferRefused("SOURCE and TARGET are the same database, which is equal to itself.")
    look: dict[str, Any] = {"left_behind": left_behind, "patience": patience, "progress": progress}
    written = {**look, "left_behind": left_behind and not repair}
    with (
        opened(source, "SOURCE", "read", **look) as ours,
        opened(target, "TARGET", "write" if repair else "read", **written) as theirs,
        seldom_collected(),
    ):
        identities = _identities(ours.service, theirs.service, same_origin)
        if same_origin and repair and same_database(ours.service, theirs.service):
            raise TransferRefused(SAME)
        found = verify(ours.service, theirs.service, options, progress, _secrets(), command_schema())
        told = {"source": ours.name, "target": theirs.name, "only": selection.to_json(), **identities, **to_json(found)}
    if report is not None:
        write_report(report, told, key)
    if as_json:
        print_json(told)
    else:
        _print(found, ours.name, theirs.name, selection)
    if not found.equal:
        raise SystemExit(FAILED)


@transfer_command("check-report", "FILE")
def check_report_command(file: str, as_json: bool) -> None:
    """Check the signature of a report that verify wrote, and print what it says.

    Exit status 1 when the file is not as it was signed with this SECRET_KEY (or one of SECRET_KEY_FALLBACKS).
    """
    config = command_application().config
    keys = [str(config.get("SECRET_KEY") or ""), *map(str, config.get("SECRET_KEY_FALLBACKS") or ())]
    report = read_report(Path(file), keys)
    if as_json:
        print_json(report)
        return
    click.echo(f"The signature is right: written at {report.get('created')}.")
    equal = "equal" if report.get("equal") else "NOT equal"
    only = report.get("only") or {}
    selection = Selection(only.get("collections"), only.get("tenants"))
    within = f" within: {selection}" if str(selection) else ""
    click.echo(f"{report.get('source')} and {report.get('target')} were {equal}{within}.")
    if report.get("same_origin"):
        click.echo("That they are two databases was said by --same-origin; nothing in them told so.")


def _identities(source: DatabaseService, target: DatabaseService, same_origin: bool) -> dict[str, Any]:
    """Both identities for the report; ``same_origin`` there says that only the option tells them apart.

    TransferRefused without the option where nothing does: a database that is equal to itself proves nothing.
    """
    identities = {"source": read_identity(source), "target": read_identity(target)}
    distinct = identities["source"] != identities["target"]
    if not distinct and not same_origin:
        found = (
            "SOURCE and TARGET have the same identity: they are one database by two names, or one is a copy of the"
            " other's files."
            if identities["source"] is not None
            else "Neither SOURCE nor TARGET has the identity that a transfer gives: nothing tells that they are two"
            " databases, and not one by two names."
        )
        raise TransferRefused(f"{found} If they are two, say --same-origin.")
    return {"identities": identities, "same_origin": not distinct}


def _secrets() -> Secrets:
    """The fields that the application's entities declare secret, by collection."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    found[INSTALLATION_KEYS].add("*")
    registry = command_application().extensions.get("wherry")
    for entity in getattr(registry, "entities", ()):
        found[entity.collection] |= entity.secret
    return found


def _print(report: VerifyReport, source: str, target: str, selection: Selection) -> None:
    if report.repaired is not None:
        done = report.repaired
        click.echo(f"Repaired: {done.written:,} documents written, {done.removed:,} removed.")
        if done.newer:
            click.echo(f"{done.newer:,} were left, as they were written later in the target.")
        for one in done.refusals:
            click.echo(f"  {one.collection} {one.id!r} was refused: {one.reason}")
    ours, theirs = report.documents
    size = sum(one.source.bytes for one in report.compared)
    rate = (ours + theirs) / max(report.seconds, 1e-9)
    click.echo(f"{source}: {ours:,} documents, {shown_bytes(size)}")
    click.echo(f"{target}: {theirs:,} documents ({shown_time(report.seconds)}, {rate:,.0f} documents/s of both sides)")
    if report.settled:
        click.echo(f"{report.settled:,} were being written meanwhile, and are equal now.")
    if report.equal:
        whole = "Equal: every document of both, with its revision."
        click.echo(f"Equal within: {selection}. Nothing else was compared." if str(selection) else whole)
        return
    for compared in report.compared:
        if not compared.equal:
            click.echo(f"{compared.path}: {_counted(compared.differing)}")
    for difference in report.differences:
        _print_difference(difference)
    if left := sum(report.differing.values()) - len(report.differences):
        click.echo(f"  ... and {left:,} more: --list N tells of up to N")
    if report.moving:
        click.echo(
            f"{report.moving:,} of them were written while they were looked at: verify again to be sure of these."
        )
    click.echo("NOT equal.")


def _counted(differing: dict[str, int]) -> str:
    return ", ".join(f"{differing[kind]:,} {words}" for kind, words in _WORDS.items() if kind in differing)


def _print_difference(one: Difference) -> None:
    newer = ", written later in the target" if one.newer else ""
    moving = ", written meanwhile" if one.moving else ""
    reason = f" ({one.reason})" if one.reason else ""
    click.echo(f"  {one.path} {one.id!r}: {_WORDS[one.kind]}{newer}{moving}{reason}")
    for field in one.fields:
        click.echo(f"      {field.field}: {field.source} | {field.target}" if field.source else f"      {field.field}")
