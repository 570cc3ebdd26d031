"""Moving to another database while the application works. Each file tells its part; docs/migration.md the whole.

state.py     what each of the two databases says about the migration, and which of them therefore serves
fences.py    the documents by which writers of the past are recognised
changes.py   the records of what was written, and what they are good for
whereabouts.py, captured.py, routing.py    the application's side: where to read, how to write, the service it uses
ends.py, runner.py, tail.py, checking.py, switch.py        the runner's side
board.py, status.py, cli.py                                what is told of it, and what it is told
peers.py     how every process finds the other database
"""
