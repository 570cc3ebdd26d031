"""``wherry db copy``: carry everything over, or go on where a copy was cut off."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from app.db.flask_ext import command_schema
from app.db.transfer.cli import REJECTED, left_behind_option, listed, opened, print_json, transfer_command
from app.db.transfer.copying import CopyOptions, CopyReport, copy
from app.db.transfer.errors import TransferRefused
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.plan_cli import plan_command
from app.db.transfer.preparing import SAME
from app.db.transfer.progress import make_progress, shown_bytes, shown_time
from app.db.transfer.references import Opened, clearly_same


def join(group: click.Group) -> None:
    """Add ``plan`` and ``copy`` to ``wherry db``."""
    group.add_command(plan_command)
    group.add_command(copy_command)


@click.option("--collections", multiple=True, callback=listed, metavar="NAMES", help="Only these, with commas between.")
@click.option(
    "--tenants",
    multiple=True,
    callback=listed,
    metavar="IDS",
    help="Only these tenants' documents, and none of the installation.",
)
@click.option("--dry-run", is_flag=True, help="Read and compare everything, write nothing.")
@click.option("--rate", type=float, metavar="N", help="At most so many documents a second.")
@click.option("--workers", type=int, metavar="N", help="So many bulk writes at a time.  [default: what TARGET can use]")
@click.option("--chunk", type=int, default=1_000, show_default=True, metavar="N", help="Documents in one bulk write.")
@click.option(
    "--into-existing",
    is_flag=True,
    help="TARGET may hold documents that are not from SOURCE; those deleted there come again.",
)
@click.option("--overwrite", is_flag=True, help="SOURCE wins also over newer documents of TARGET.")
@click.option("--restart", is_flag=True, help="Begin anew, and not where a copy was cut off.")
@left_behind_option
@click.option(
    "--patience", type=float, default=60.0, show_default=True, metavar="SECONDS",
    help="For how long a database that does not answer is tried again.",
)  # fmt: skip
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for documents that do not fit, a JSON line each.  [default: wherry-rejected-<time>.jsonl]",
)
def _copy(
    source: str, target: str, as_json: bool, overwrite: bool, restart: bool, left_behind: bool, **asked: Any
) -> None:
    """Copy the documents of SOURCE into TARGET, in bulk and with their revisions.

    SOURCE and TARGET are URLs, names of settings environments, or env:VARIABLE, a variable that holds a URL. Run it
    again at any time: after an interruption it goes on where it was, and then looks again through what it had read
    before; a document of TARGET that is newer stands, and one that an earlier copy had brought and that was deleted in
    TARGET stays so, is named and makes the status 2. Documents are never deleted in TARGET.

    Status 0 means that everything is there that was in SOURCE when this call began.

    Exit status: 0 done; 1 not done, run it again to go on; 2 done, but documents were left out.
    """
    if clearly_same(source, target):
        raise TransferRefused(SAME)
    rejects = asked.pop("rejects") or Path(time.strftime("wherry-rejected-%Y%m%d-%H%M%S.jsonl"))
    progress = make_progress(as_json)
    with (
        opened(source, "SOURCE", "follow", left_behind=left_behind, progress=progress) as origin,
        opened(target, "TARGET", "checked") as goal,
    ):
        check_lasts(origin, goal)
        options = CopyOptions(
            **asked,
            policy="source" if overwrite else "newer",
            resume=not restart,
            rejects=rejects,
            source_name=origin.name,
        )
        with seldom_collected():
            report = copy(origin.service, goal.service, options, progress, command_schema())
    if as_json:
        print_json({"source": origin.name, "target": goal.name, **_to_json(report, options)})
    else:
        _show(report, options, origin, goal)
    if report.rejected or report.deleted:
        raise SystemExit(REJECTED)


copy_command: Final = transfer_command("copy", "SOURCE", "TARGET")(_copy)


def check_lasts(*databases: Opened) -> None:
    """TransferRefused for a database that ends with this command: what is copied there would be gone."""
    for one in databases:
        if not one.service.capabilities.durable:
            raise TransferRefused(f"{one.name} is in the memory of this command alone and ends with it.")


def tell_deleted(report: CopyReport) -> None:
    """Print what stays deleted, if anything does."""
    if report.deleted:
        click.echo(f"  {report.deleted:,} were brought earlier and deleted in the target, and stay so")
        click.echo("    --into-existing brings them again")


def _to_json(report: CopyReport, options: CopyOptions) -> dict[str, Any]:
    return {
        **asdict(report),
        "rejections": [one._asdict() for one in report.rejections],
        "rejects": str(options.rejects) if report.rejections and not options.dry_run else None,
        "dry_run": options.dry_run,
    }


def _show(report: CopyReport, options: CopyOptions, source: Opened, target: Opened) -> None:
    would = "would be " if options.dry_run else ""
    for sentence in report.done:
        click.echo(f"{sentence.removesuffix('created')}{would}created" if sentence.endswith("created") else sentence)
    dealt = report.moved + report.again
    rate = dealt / report.seconds if report.seconds > 0 else 0
    click.echo(f"From {source.name} to {target.name}:")
    click.echo(f"  {report.copied:,} documents {would}copied, {shown_bytes(report.bytes)} read")
    click.echo(f"  {report.same:,} were there already")
    if report.kept:
        click.echo(f"  {report.kept:,} are newer in the target and {'would stand' if would else 'stand'}")
    click.echo(f"  {report.rejected:,} {would}left out because they do not fit")
    tell_deleted(report)
    for one in report.rejections:
        click.echo(f"    {one.collection} {one.id!r}: {one.reason}")
    if report.rejected + report.deleted > len(report.rejections):
        click.echo("    ...")
    if report.rejections and not options.dry_run:
        click.echo(f"  All of them are in {options.rejects}")
    again = ", after an interruption" if report.resumed else ""
    if report.again:
        click.echo(f"  {report.again:,} that earlier calls had read were looked through again")
    click.echo(f"{dealt:,} documents in {shown_time(report.seconds)}, {rate:,.0f} a second{again}")
