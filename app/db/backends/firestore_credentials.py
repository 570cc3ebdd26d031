"""Google's credentials: found once in a process, in a thread of their own, so that nobody waits longer than he may.

Looking for them can take many seconds (a machine's metadata is asked for, with repetitions), and each new object begins
with an exchange for a token: so one is made, and every channel uses it.
"""

import threading
import time
from concurrent.futures import Future
from typing import Any, Final

from google.auth import default
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.oauth2.service_account import Credentials

from app.db.backends.firestore_errors import CredentialsLateError
from app.db.backends.firestore_fork import fork_gate

SCOPES: Final = ("https://www.googleapis.com/auth/datastore",)
_FAILURE_STANDS: Final = 5.0
"""Seconds that a failure is told without another try, which might take longer than anybody waits."""


class GoogleCredentials:
    """The credentials of a service account's ``file``, or if that is empty the application's default ones."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.forget()

    def forget(self) -> None:
        """Find them anew at the next use, as a forked process has to."""
        self._lock = threading.Lock()
        self._found: Future[Any] | None = None
        self._failed_at = 0.0

    def get(self, end: float) -> Any:
        """The credentials; GoogleAuthError if there are none, CredentialsLateError if that is not known by ``end``
        (``time.monotonic``)."""
        with self._lock:
            found = self._found
            failed = found is not None and found.done() and found.exception() is not None
            if found is None or (failed and time.monotonic() - self._failed_at > _FAILURE_STANDS):
                found = self._found = Future()
                threading.Thread(target=self._find, args=(found,), name="google-credentials", daemon=True).start()
        try:
            return found.result(max(0.0, end - time.monotonic()))
        except TimeoutError as error:
            raise CredentialsLateError from error

    def _find(self, found: "Future[Any]") -> None:
        try:
            with fork_gate:
                credentials = self._look()
        except Exception as error:  # noqa: BLE001 - those who wait for it get it
            self._failed_at = time.monotonic()
            known = isinstance(error, GoogleAuthError)
            found.set_exception(error if known else DefaultCredentialsError(str(error)))  # type: ignore[no-untyped-call]
        else:
            found.set_result(credentials)

    def _look(self) -> Any:
        if self._file:
            return Credentials.from_service_account_file(self._file, scopes=SCOPES)  # type: ignore[no-untyped-call]
        credentials, _ = default(scopes=SCOPES)
        return credentials
