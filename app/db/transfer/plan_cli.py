"""``wherry db plan``: what a copy would carry, what stands in its way, about how long it would take."""

from typing import Any, Final

import click

from app.db.flask_ext import command_schema
from app.db.transfer.cli import FAILED, left_behind_option, listed, opened, print_json, transfer_command
from app.db.transfer.errors import TransferRefused
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.planning import Plan, PlanOptions, plan
from app.db.transfer.preparing import SAME
from app.db.transfer.progress import make_progress, shown_bytes, shown_time
from app.db.transfer.references import clearly_same


@click.option("--collections", multiple=True, callback=listed, metavar="NAMES", help="Only these, with commas between.")
@click.option("--tenants", multiple=True, callback=listed, metavar="IDS", help="Only these tenants' documents.")
@click.option("--no-sample", is_flag=True, help="Write nothing to TARGET, not even to see how long it takes.")
@click.option("--into-existing", is_flag=True, help="TARGET may hold documents that are not from SOURCE.")
@left_behind_option
@click.option(
    "--patience", type=float, default=60.0, show_default=True, metavar="SECONDS",
    help="For how long a source that does not answer is tried again.",
)  # fmt: skip
def _plan(source: str, target: str, as_json: bool, no_sample: bool, left_behind: bool, **asked: Any) -> None:
    """Tell what copying SOURCE into TARGET would carry, and what stands in its way.

    Reads all of SOURCE. Writes a few documents to a scratch collection of TARGET and removes them, to see how long it
    takes. Exit status 1 if a copy would not begin, or would leave documents out.
    """
    if clearly_same(source, target):
        raise TransferRefused(SAME)
    progress = make_progress(as_json)
    with (
        opened(source, "SOURCE", "follow", left_behind=left_behind, progress=progress) as origin,
        opened(target, "TARGET", "checked") as goal,
    ):
        options = PlanOptions(**asked, sample=not no_sample, source_name=origin.name)
        with seldom_collected():
            made = plan(origin.service, goal.service, options, progress, command_schema())
    if as_json:
        print_json({"source": origin.name, "target": goal.name, **made.to_json()})
    else:
        click.echo(f"From {origin.name} to {goal.name}:")
        _show(made)
    if not made.well:
        raise SystemExit(FAILED)


plan_command: Final = transfer_command("plan", "SOURCE", "TARGET")(_plan)


def _show(made: Plan) -> None:
    click.echo(f"  {'collection':<32} {'documents':>12} {'size':>12} {'tenants':>9}  largest document")
    for one in made.collections:
        largest = "" if one.largest is None else f"{shown_bytes(one.largest[2])}, {one.largest[0]} {one.largest[1]!r}"
        tenants = f"{one.tenants:,}" if one.scope == "tenant" else "-"
        click.echo(f"  {one.name:<32} {one.documents:>12,} {shown_bytes(one.bytes):>12} {tenants:>9}  {largest}")
    click.echo(f"  {'together':<32} {made.documents:>12,} {shown_bytes(made.bytes):>12}")
    for sentence in made.missing:
        click.echo(f"  the copy creates {sentence.removesuffix(': created').removesuffix(' created')}")
    for finding in made.target:
        click.echo(f"  target, {finding.name}: {'' if finding.ok else 'NOT WELL: '}{finding.detail}")
    time = "unknown" if made.seconds is None else f"about {shown_time(made.seconds)}"
    click.echo(f"  time: {time} (sample: {made.sample})")
    for one in made.collections:
        if one.unfit:
            click.echo(f"{one.unfit:,} documents of {one.name} do not fit and would be left out:", err=True)
        for example in one.examples:
            click.echo(f"  {example.collection} {example.id!r}: {example.reason}", err=True)
    for problem in made.problems:
        click.echo(f"Problem: {problem}", err=True)
    if made.well:
        click.echo("Nothing stands in the way.")
