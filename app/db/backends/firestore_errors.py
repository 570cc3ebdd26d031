"""What Firestore's errors mean: gRPC statuses (google.rpc.Code) as the contract's errors, in one place."""

from typing import Final, Literal

from google.auth.exceptions import GoogleAuthError

from app.db.backends.firestore_messages import grpc
from app.db.errors import DatabaseError, InvalidDocument, Throttled, TooLarge, Unauthorised, Unavailable


class CredentialsLateError(GoogleAuthError):
    """Whether there are credentials was not known in time; nothing was sent."""


DRIVER_ERRORS: Final[tuple[type[Exception], ...]] = (grpc.RpcError, GoogleAuthError)
PRECONDITION: Final = frozenset(
    {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.NOT_FOUND}
)
"""How a commit says that an expectation did not hold. Nothing was applied."""
LOST: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)
"""After these a write may have been applied, or may still be."""

_STATUS: Final = {status.value[0]: status for status in grpc.StatusCode}
_NO_TOKEN: Final = "Getting metadata from plugin failed"  # noqa: S105 - a message of gRPC's, no password
_NOT_SENT: Final = (
    "failed to connect",
    _NO_TOKEN.lower(),
    "dns resolution failed",
    "name resolution",
    "errors resolving",
    "address lookup failed",
)
_TLS: Final = ("certificate", "handshake failed", "sslerror")
_NO_TOKEN_SERVER: Final = ("max retries exceeded", "connection aborted", "timed out")
"""What Google's library says when the host that gives out tokens cannot be asked."""
_TOO_LONG: Final = ("exceeds maximum size", "larger than max", "exceeds the maximum", "longer than", "too large")


def was_sent(error: grpc.RpcError) -> bool:
    """Whether the request may have reached the server. gRPC says so in words only; unknown words mean yes."""
    return _may_be_sent(error.code(), (error.details() or "").lower())


def _may_be_sent(status: grpc.StatusCode, text: str) -> bool:
    return not (status is grpc.StatusCode.UNAVAILABLE and any(words in text for words in _NOT_SENT))


def translate(error: Exception, outcome: Literal["unknown"] | None = None) -> DatabaseError:
    """Our error for the driver's; ``outcome`` is for those after which a write's outcome is not known."""
    if isinstance(error, grpc.RpcError):
        return translate_status(error.code(), error.details() or "", outcome)
    if isinstance(error, CredentialsLateError):
        return Unavailable(
            "Google's credentials did not come in time: check the network, and FIRESTORE_CREDENTIALS.", retry_after=2
        )
    return Unauthorised(
        "There are no usable Google credentials: set FIRESTORE_CREDENTIALS or GOOGLE_APPLICATION_CREDENTIALS.",
        retry_after=60,
    )


def translate_code(code: int, details: str) -> DatabaseError:
    """The same for the status of one document in a bulk write."""
    return translate_status(_STATUS.get(code, grpc.StatusCode.UNKNOWN), details)


def translate_status(status: grpc.StatusCode, details: str, outcome: Literal["unknown"] | None = None) -> DatabaseError:
    """The same for a status and its text."""
    text = details.lower()
    if status is grpc.StatusCode.INVALID_ARGUMENT:
        if any(words in text for words in _TOO_LONG):
            return TooLarge("Firestore refuses a value or a request of this size.")
        if "jwt" in text:  # the emulator's word for a bad token
            return Unauthorised("Firestore refuses the credentials: check FIRESTORE_CREDENTIALS.", retry_after=60)
        return InvalidDocument("Firestore refuses a value of this request.")
    if status is grpc.StatusCode.PERMISSION_DENIED:
        return Unauthorised(
            "Firestore denies access: check FIRESTORE_PROJECT, and grant the account roles/datastore.user.",
            retry_after=60,
        )
    if not _may_be_sent(status, text):
        if any(words in text for words in _TLS):
            return Unavailable(
                "Firestore's TLS certificate or protocol was refused: check the proxy before it, and name its"
                " authority in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH.",
                retry_after=30,
            )
        if _NO_TOKEN not in details or any(words in text for words in _NO_TOKEN_SERVER):
            return Unavailable(
                "Firestore cannot be reached: check the network, and FIRESTORE_EMULATOR if it is set.", retry_after=2
            )
    if status is grpc.StatusCode.UNAUTHENTICATED or _NO_TOKEN in details:
        return Unauthorised("Firestore refuses the credentials: check FIRESTORE_CREDENTIALS.", retry_after=60)
    if status is grpc.StatusCode.NOT_FOUND:
        return Unavailable(
            "There is no such Firestore database: check FIRESTORE_PROJECT, and create it in native mode.",
            retry_after=60,
        )
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        if any(words in text for words in _TOO_LONG):
            return TooLarge("Firestore refuses a request of this size.")
        return Throttled("Firestore asks for fewer requests, or its quota is used up.", retry_after=5)
    if status is grpc.StatusCode.ABORTED:
        return Throttled("Too many writers of one document at once.", retry_after=1)
    if status is grpc.StatusCode.OUT_OF_RANGE:
        return TooLarge("Firestore refuses a request of this size.")
    if status is grpc.StatusCode.FAILED_PRECONDITION:
        remedy = "deploy firestore.indexes.json" if "index" in text else "is the database in native mode?"
        return Unavailable(f"Firestore cannot do this as it is configured: {remedy}", retry_after=60)
    if outcome is not None:
        return Unavailable("Firestore did not answer; whether it wrote is unknown.", retry_after=2, outcome=outcome)
    return Unavailable("Firestore does not answer.", retry_after=2)
