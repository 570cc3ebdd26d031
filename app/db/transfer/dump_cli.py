"""``wherry db dump`` and ``wherry db restore``."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from app.db.flask_ext import command_schema
from app.db.transfer.cli import REJECTED, left_behind_option, listed, opened, print_json, transfer_command
from app.db.transfer.copy_cli import check_lasts, tell_deleted
from app.db.transfer.dumping import DumpOptions, DumpReport, dump
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.progress import make_progress, shown_bytes, shown_time
from app.db.transfer.rejections import Rejected
from app.db.transfer.restoring import RestoreOptions, RestoreReport, restore

_REJECTS = click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for documents that do not fit, a JSON line each.  [default: wherry-rejected-<time>.jsonl]",
)
_PATIENCE = click.option(
    "--patience", type=float, default=60.0, show_default=True, metavar="SECONDS",
    help="For how long a database that does not answer is tried again.",
)  # fmt: skip
_COLLECTIONS = click.option(
    "--collections", multiple=True, callback=listed, metavar="NAMES", help="Only these, with commas between."
)
_TENANTS = click.option(
    "--tenants",
    multiple=True,
    callback=listed,
    metavar="IDS",
    help="Only these tenants' documents, and none of the installation.",
)


def join(group: click.Group) -> None:
    """Add the commands to ``wherry db``."""
    group.add_command(dump_command)
    group.add_command(restore_command)


@_COLLECTIONS
@_TENANTS
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@left_behind_option
@_PATIENCE
@_REJECTS
def _dump(source: str, file: str, as_json: bool, left_behind: bool, rejects: Path | None, **asked: Any) -> None:
    """Write the documents of SOURCE into FILE: gzip of JSON lines, with a manifest and digests.

    FILE is there only when all of it is. It may be read by its owner alone: it holds whatever the database does, secret
    fields included.

    Exit status: 0 done; 1 not done; 2 done, but documents were left out that could be restored nowhere.
    """
    options = DumpOptions(**asked, rejects=_rejects(rejects))
    progress = make_progress(as_json)
    look: dict[str, Any] = {"left_behind": left_behind, "patience": options.patience, "progress": progress}
    with opened(source, "SOURCE", "follow", **look) as origin, seldom_collected():
        report = dump(origin.service, Path(file), options, progress, name=origin.name, schema=command_schema())
    if as_json:
        print_json({"source": origin.name, "file": file, **asdict(report), **_rejections(report.rejections)})
    else:
        _show_dump(report, origin.name, file, (str(options.rejects),))
    if report.left_out:
        raise SystemExit(REJECTED)


@_COLLECTIONS
@_TENANTS
@click.option("--dry-run", is_flag=True, help="Check FILE, compare it with TARGET, write nothing.")
@click.option(
    "--into-existing",
    is_flag=True,
    help="TARGET may hold other documents, newer ones stand; those deleted there come again.",
)
@click.option("--overwrite", is_flag=True, help="FILE wins also over newer documents of TARGET.")
@click.option("--workers", type=click.IntRange(1, 32), metavar="N", help="So many bulk writes at a time.")
@_PATIENCE
@_REJECTS
def _restore(file: str, target: str, as_json: bool, rejects: Path | None, **asked: Any) -> None:
    """Write the documents of the dump FILE into TARGET, with their revisions.

    All of FILE is checked before anything is written: one that is damaged or cut off is refused. Run it again at any
    time: after an interruption it goes on where it was. Documents are never deleted in TARGET, and one that an earlier
    restore of FILE had brought and that was deleted there stays so, is named and makes the status 2.

    Exit status: 0 done; 1 not done, run it again to go on; 2 done, but documents were left out.
    """
    options = RestoreOptions(**asked, rejects=_rejects(rejects))
    with opened(target, "TARGET", "checked") as goal, seldom_collected():
        check_lasts(goal)
        report = restore(Path(file), goal.service, options, make_progress(as_json), command_schema())
    if as_json:
        carried = asdict(report.carried) | _rejections(report.carried.rejections)
        head = {key: report.manifest.head[key] for key in ("dump", "created", "source", "only")}
        print_json(
            {
                "file": file,
                "target": goal.name,
                "dry_run": options.dry_run,
                "manifest": head,
                **carried,
                "rejects": list(report.rejects),
            }
        )
    else:
        _show_restore(report, options, file, goal.name)
    if report.carried.rejected or report.carried.deleted:
        raise SystemExit(REJECTED)


dump_command: Final = transfer_command("dump", "SOURCE", "FILE")(_dump)
restore_command: Final = transfer_command("restore", "FILE", "TARGET")(_restore)


def _rejects(asked: Path | None) -> Path:
    return asked or Path(time.strftime("wherry-rejected-%Y%m%d-%H%M%S.jsonl"))


def _rejections(found: tuple[Rejected, ...]) -> dict[str, Any]:
    return {"rejections": [one._asdict() for one in found]}


def _show_rejections(number: int, first: tuple[Rejected, ...], files: tuple[str, ...]) -> None:
    for one in first:
        click.echo(f"    {one.collection} {one.id!r}: {one.reason}")
    if number > len(first):
        click.echo("    ...")
    if files and number:
        click.echo(f"  All of them are in {' and '.join(files)}")


def _show_dump(report: DumpReport, source: str, file: str, rejects: tuple[str, ...]) -> None:
    rate = report.documents / max(report.seconds, 1e-9)
    for name, documents in report.collections.items():
        click.echo(f"  {name:<40} {documents:>12,}")
    click.echo(f"{report.documents:,} documents of {source}, {shown_bytes(report.bytes)} of JSON, are in {file}")
    click.echo(f"{shown_bytes(report.size)}, in {shown_time(report.seconds)}, {rate:,.0f} documents a second")
    if report.left_out:
        click.echo(f"{report.left_out:,} were left out: they hold what no database of ours may")
        _show_rejections(report.left_out, report.rejections, rejects)


def _show_restore(report: RestoreReport, options: RestoreOptions, file: str, target: str) -> None:
    would = "would be " if options.dry_run else ""
    done, head = report.carried, report.manifest.head
    for sentence in done.done:
        click.echo(f"{sentence.removesuffix('created')}{would}created" if sentence.endswith("created") else sentence)
    click.echo(
        f"{file} is sound: {report.manifest.end['documents']:,} documents of {head['source']}, {head['created']}"
    )
    click.echo(f"Into {target}:")
    click.echo(f"  {done.copied:,} documents {would}written")
    click.echo(f"  {done.same:,} were there already")
    if done.kept:
        click.echo(f"  {done.kept:,} are newer in the target and {'would stand' if would else 'stand'}")
    click.echo(f"  {done.rejected:,} {would}left out because they do not fit")
    tell_deleted(done)
    _show_rejections(done.rejected + done.deleted, done.rejections, report.rejects)
    rate = done.moved / max(done.seconds, 1e-9)
    again = ", after an interruption" if done.resumed else ""
    click.echo(f"{done.moved:,} documents in {shown_time(done.seconds)}, {rate:,.0f} a second{again}")
