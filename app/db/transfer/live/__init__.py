"""Moving to another database while the application works. Each file tells its part; docs/migration.md the whole.

state.py     what each of the two databases says about the migration, and which of them therefore serves
fences.py    the documents by which writers of the past are recognised
changes.py   the records of what was written, and what they are good for
whereabouts.py, captured.py, routing.py    the application's side: where to read, how to write, the service it uses
presence.py  a process's sign of life: what it knows, and whether it reaches the other database
ends.py, runner.py, seat.py, backfilling.py, tail.py, checking.py, switch.py    the runner's side
board.py, status.py, cli.py                                what is told of it, and what it is told
peers.py     how every process finds the other database

board        two documents by which the runner and the commands tell each other things
seat         the runner's place at the board, which one runner holds at a time
ends         the two databases, as the runner sees them
capture      to leave a record of each write, in the write's own commit
tail         to carry over, again and again, what those records name
fence        a document that every captured write checks; changing it stops all writers of before
lease        for how long a process may act on what it has read of the state
whereabouts  what a process knows: which database serves, how to write there, until when that holds
presence     what processes say of themselves; nothing but the check before a cut-over depends on it
"""
