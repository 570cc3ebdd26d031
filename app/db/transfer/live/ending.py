"""Ending a migration whose other database is lost for good, and with it the usual way through both."""

from contextlib import suppress
from dataclasses import replace

from app.db.errors import DatabaseError
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live.board import Action, Displaced, read_run, write_run
from app.db.transfer.live.ends import End
from app.db.transfer.live.state import State, Timing
from app.db.transfer.live.switch import forget_alone


def end_alone(serving: End, state: State, action: Action, *, timing: Timing | None = None) -> str:
    """Give a migration up before its cut-over ("rollback"), or finish it after ("finish"), with the serving side only.

    What became of it, in a sentence. Should the other side come back, it still says that the data is here, and a
    runner that waits for it ends. TransferRefused while a switch is under way, or for the action of the other case.
    """
    if state.phase != "capturing":
        raise TransferRefused(
            f"{serving.name} does not serve alone: it says {state.phase!r}. A pause whose runner is gone ends by itself"
            " within some seconds; try again then. Where the database that was left is lost in the middle of a switch,"
            " docs/migration.md tells what to do."
        )
    if action != ("rollback" if state.role == "source" else "finish"):
        raise TransferRefused(
            "There was no cut-over yet: give the migration up with 'wherry db live rollback --other-lost'."
            if state.role == "source"
            else f"{serving.name} serves since the cut-over, and there is no way back without the other database:"
            " 'wherry db live finish --other-lost' stays here for good."
        )
    forget_alone(serving, state, timing if timing is not None else Timing())
    run = read_run(serving.service)
    if run is not None:
        with suppress(Displaced, DatabaseError):
            write_run([serving.service], replace(run, stage="forgotten" if action == "rollback" else "finished"))
    return f"{serving.name} serves, and knows of no migration any more. {state.peer} was not told."
