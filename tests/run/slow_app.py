"""The application with one more page, whose answer waits until somebody opens a named pipe for writing."""

import os
from pathlib import Path

from app import create_app
from app.web.access import access_control

app = create_app()


@app.get("/wait")
@access_control(open=True)
def wait() -> str:
    """Blocks in `open` until the test opens the other end."""
    return Path(os.environ["TEST_PIPE"]).read_text()
