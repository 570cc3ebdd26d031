"""``wherry db live start|status|cutover|rollback|finish``: move to another database while the application works.

``start`` is the runner: it stays in the foreground until the migration is over. The others tell it what to do, and wait
for its answer; where no runner lives they do it themselves. Whatever goes wrong is one sentence on standard error, and
exit status 1. Every command may be given again at any time.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import click
import orjson

from app.db.backend import Backend
from app.db.cli_errors import one_sentence
from app.db.errors import Unavailable
from app.db.flask_ext import SETTINGS_OF, command_application, command_schema
from app.db.transfer.copying import CopyOptions
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live.board import Command, is_alive, read_run, send_command, withdraw_command
from app.db.transfer.live.ending import end_alone
from app.db.transfer.live.ends import End, look
from app.db.transfer.live.peers import check_reference, open_peer, reference_of
from app.db.transfer.live.runner import Runner
from app.db.transfer.live.state import read_state
from app.db.transfer.live.status import Status, read_status
from app.db.transfer.live.tail import Superseded
from app.db.transfer.progress import make_progress

_PATIENCE: Final = 60.0
_COPY_PATIENCE: Final = 10.0
_HOPS: Final = 12


@click.group("live")
def live_commands() -> None:
    """Move to another database while the application works."""


def join(group: click.Group) -> None:
    """Add ``live`` to ``wherry db``."""
    group.add_command(live_commands)


@live_commands.command()
@click.argument("references", nargs=-1, required=True, metavar="[SOURCE] TARGET")
@click.option("--rate", type=float, metavar="N", help="Copy at most so many documents a second.")
@click.option("--into-existing", is_flag=True, help="TARGET may hold documents; those that SOURCE lacks are deleted.")
@one_sentence()
def start(references: tuple[str, ...], rate: float | None, into_existing: bool) -> None:
    """Begin a migration to TARGET, or go on with one, and stay as its runner until it is over.

    SOURCE is the application's own database unless it is given. A reference is a URL without a password, the name of a
    settings environment, or env:VARIABLE, and must mean the same to every process of the application.
    """
    if len(references) > 2:
        raise click.UsageError("At most SOURCE and TARGET.")
    if not command_application().extensions["settings"].live_migration:
        raise TransferRefused("LIVE_MIGRATION is off: processes that do not look where the data is would stay behind.")
    # A short patience: the runner itself waits for as long as it takes, and hears commands meanwhile.
    options = CopyOptions(rate=rate, into_existing=into_existing, patience=_COPY_PATIENCE)
    options.check()
    with ExitStack() as stack:
        first = stack.enter_context(_end(references[0], "SOURCE") if len(references) == 2 else _home())
        second = stack.enter_context(_end(references[-1], "TARGET"))
        runner = Runner(first, second, command_schema(), make_progress(), options=options)
        runner.begin()
        click.echo(f"{first.name} -> {second.name}. Stop with Ctrl-C: the same command goes on later.", err=True)
        try:
            while not runner.over:
                try:
                    runner.step()
                except Unavailable as outage:  # whoever walks away for the night finds it at work
                    runner.wait_out(outage)
        except KeyboardInterrupt:
            click.echo("Stopped. The migration stands as it is; the same command goes on with it.", err=True)
            raise SystemExit(130) from None
        except Superseded:
            raise TransferRefused("Another runner has taken over: this one ends.") from None
        finally:
            runner.close()
        run = read_run(first.service)
        click.echo(f"The migration is {'over' if run is None else run.stage}.")


@live_commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@one_sentence()
def status(as_json: bool) -> None:
    """Say how far the migration is: phase, lag, rate, differences, and the workers that were seen."""
    with _home() as home:
        found = read_status(home.service)
        if as_json:
            click.echo(orjson.dumps(found.to_json(), option=orjson.OPT_INDENT_2).decode())
        else:
            _show(found)


@live_commands.command()
@click.option("--force", is_flag=True, help="Although documents differ, do not fit, or a process cannot reach TARGET.")
@one_sentence()
def cutover(force: bool) -> None:
    """Let the application work on the target. Writes pause for a few seconds, reads go on."""
    _command(Command("cutover", force=force))


@live_commands.command()
@click.option("--force", is_flag=True, help="Although documents do not fit SOURCE: they are left behind.")
@click.option("--other-lost", is_flag=True, help="Before a cut-over: give up without TARGET, which is lost for good.")
@one_sentence()
def rollback(force: bool, other_lost: bool) -> None:
    """Go back to the source; before a cut-over: give the migration up."""
    _command(Command("rollback", force=force), other_lost=other_lost)


@live_commands.command()
@click.option("--keep-rollback", is_flag=True, help="Let the source go on following the target.")
@click.option("--other-lost", is_flag=True, help="Finish without SOURCE, which is lost for good.")
@one_sentence()
def finish(keep_rollback: bool, other_lost: bool) -> None:
    """After a cut-over: stay on the target for good. From then on there is no way back but another migration."""
    if keep_rollback and other_lost:
        raise click.UsageError("--keep-rollback needs the other database, which --other-lost says is lost.")
    _command(Command("finish", keep_rollback=keep_rollback), other_lost=other_lost)


def _command(command: Command, *, other_lost: bool = False) -> None:
    """Ask the runner, or do it here if there is none."""
    with _home() as home:
        state = read_state(home.service)
        if state is None:
            raise TransferRefused("No migration is under way: 'wherry db live start TARGET' begins one.")
        if other_lost:
            click.echo(end_alone(home, state, command.action))
            return
        with _end(state.peer, "The other database") as peer:
            click.echo(_ask((home, peer) if state.role == "source" else (peer, home), command))


def _ask(ends: tuple[End, End], command: Command) -> str:
    try:
        serving = look(*ends).serving
    except Unavailable as outage:
        raise TransferRefused(
            f"One of the two databases is away: {outage} Try again. If it is lost for good: 'wherry db live rollback"
            " --other-lost' before the cut-over, 'wherry db live finish --other-lost' after it."
        ) from outage
    # The serving side first: it must take the command, and its board is the one that is read.
    services = [end.service for end in sorted(ends, key=lambda end: end is not serving)]
    if not is_alive(services[0]):
        return _do(ends, command)
    send_command(services, command)
    return _answer(services, command)


def _answer(services: list[Backend], command: Command) -> str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        for service in services:  # a switch changes where the runner writes first
            run = read_run(service)
            if run is not None and run.answer.get("id") == command.id:
                return _said(run.answer)
        time.sleep(0.2)
    withdraw_command(services, command)
    raise TransferRefused(
        f"The runner has not answered for {_PATIENCE:.0f} seconds, and the command is withdrawn: see 'wherry db live"
        " status'."
    )


def _do(ends: tuple[End, End], command: Command) -> str:
    """Be the runner for as long as it takes to do this one thing."""
    runner = Runner(*ends, command_schema(), make_progress())
    runner.begin()
    try:
        while command.action == "cutover" and not command.force and not _verified(ends):
            runner.step()
        send_command([end.service for end in ends], command)
        while True:
            runner.step()
            run = read_run(ends[0].service)
            if run is not None and run.answer.get("id") == command.id:
                break
        if not runner.over:
            click.echo("No runner is at work: 'wherry db live start' again keeps the other side up to date.", err=True)
        return _said(run.answer)
    except Superseded:
        raise TransferRefused("Another runner has taken over: ask again.") from None
    finally:
        runner.close()


def _verified(ends: tuple[End, End]) -> bool:
    """Whether everything was compared once."""
    run = read_run(ends[0].service)
    return run is not None and run.differences is not None


def _said(answer: dict[str, Any]) -> str:
    if not answer["ok"]:
        raise TransferRefused(answer["said"])
    return str(answer["said"])


def _show(found: Status) -> None:
    for label, value in found.lines():
        click.echo(f"{label:<14}{value}")


@contextmanager
def _end(reference: str, role: str) -> Iterator[End]:
    """One of the two databases, closed at the end. The runner makes what is missing there."""
    application = command_application()
    settings = application.extensions["settings"]
    check_reference(reference, role)
    service, name = open_peer(
        reference, settings, application.extensions[SETTINGS_OF], command_schema(), create_missing=True
    )
    try:
        yield End(service, reference, name)
    finally:
        service.close()


@contextmanager
def _home() -> Iterator[End]:
    """The application's own database; where its data has moved for good, the one that it has moved to."""
    with ExitStack() as stack:
        home = stack.enter_context(_end(_own_reference(), "The application's database"))
        for _ in range(_HOPS):
            state = read_state(home.service)
            if state is None or state.phase != "moved":
                break
            peer = stack.enter_context(_end(state.peer, "The database that the data has moved to"))
            theirs = read_state(peer.service)
            if theirs is not None and theirs.migration == state.migration:
                break  # a migration between these two is under way
            home = peer
        yield home


def _own_reference() -> str:
    reference = reference_of(command_application().extensions["settings"])
    if not reference:
        raise TransferRefused("The application's data is in the memory of one process: it cannot be moved live.")
    return reference
