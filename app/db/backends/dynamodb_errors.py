"""What can go wrong between us and DynamoDB, and what that means in the contract's terms: translated here alone.

DynamoError
├── NotConfigured   no credentials, region or usable endpoint: nothing was sent
├── NotSent         nothing was sent whole: unreachable, unknown host, TLS refused
├── ReplyLost       a whole request was sent and no answer came that decides: a write may have been applied
├── Refused         DynamoDB answered with an error
└── NotOurs         an item that this application cannot have written

Failed conditions and missing tables are part of ordinary work: whoever asked knows what they mean.
"""

import re
from typing import Any, Final

import orjson

from app.db.errors import DatabaseError, InvalidDocument, NotWritable, Throttled, TooLarge, Unauthorised, Unavailable

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
NO_TABLE: Final = "ResourceNotFoundException"
IN_USE: Final = "ResourceInUseException"
CANCELLED: Final = "TransactionCanceledException"
INVALID: Final = "ValidationException"

_THROTTLED: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "LimitExceededException",
    }
)
# Refusals that pass by themselves: nothing was applied, and the same request is soon welcome.
_PASSING: Final = _THROTTLED | {"TransactionConflictException", "TransactionInProgressException"}
_SKEWED: Final = frozenset({"RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException"})
_SKEW_WORDS: Final = ("expired", "not yet current", "too skewed", "request time")
_UNKNOWN_CALLER: Final = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "IncompleteSignatureException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
        "SignatureDoesNotMatch",
    }
)
_NO_INDEX: Final = "does not have the specified index"
_INDEX_BUILT: Final = "backfilling global secondary index"
_OTHER_REGION: Final = "scoped to a valid region"
_RIGHT: Final = re.compile(r"dynamodb:[A-Za-z]+")
_NO_RIGHT: Final = frozenset({"AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired"})


class DynamoError(Exception):
    """The root of this file's errors."""


class NotConfigured(DynamoError):
    """Something is missing or wrong before anything can be sent; the text says which setting to change."""


class NotSent(DynamoError):
    """No whole request left this machine. ``tls`` if the host answered and the encryption failed."""

    def __init__(self, message: str, *, tls: bool = False) -> None:
        super().__init__(message)
        self.tls = tls


class ReplyLost(DynamoError):
    """The request was sent, and its answer did not arrive whole in time, or says only that the server failed.

    ``answered``: it is the latter, so that the request will not be carried out later.
    """

    def __init__(self, message: str, *, write: bool, answered: bool = False) -> None:
        super().__init__(message)
        self.write = write
        self.answered = answered


class Refused(DynamoError):
    """An answer with an error. ``code`` is the name of DynamoDB's exception, ``told`` the whole answer.

    ``after_loss``: an earlier sending of the same request lost its reply, and may be what this one met.
    """

    def __init__(self, status: int, code: str, message: str, told: dict[str, Any]) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.told = told
        self.after_loss = False

    @property
    def passing(self) -> bool:
        """Whether nothing was applied and the same request is worth another try."""
        return self.code in _PASSING

    @property
    def deciding(self) -> bool:
        """Whether this answer also tells what became of an earlier sending of the same write."""
        return self.code in (CONDITION_FAILED, CANCELLED, IN_USE, INVALID)

    @property
    def skewed(self) -> bool:
        """Whether our clock, and not our key, was refused."""
        return self.code in _SKEWED and any(word in self.message.lower() for word in _SKEW_WORDS)

    @property
    def reasons(self) -> list[str]:
        """Why a transaction was cancelled, a code for each of its entries; empty for other errors."""
        if self.code != CANCELLED:
            return []
        found = self.told.get("CancellationReasons")
        return [str(reason.get("Code")) for reason in found] if isinstance(found, list) else []


class NotOurs(DynamoError):
    """An item of another kind in one of our tables."""


def refusal(status: int, body: bytes) -> Refused:
    """The error that an answer stands for, whatever its body looks like."""
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        told = {}
    code = str(told.get("__type", "")).rpartition("#")[2]
    message = str(told.get("message") or told.get("Message") or "")[:300]
    return Refused(status, code, message, told)


def translate(error: Exception) -> DatabaseError:
    """The contract's error."""
    match error:
        case NotConfigured():
            return Unauthorised(str(error), retry_after=60.0)
        case NotSent(tls=True):
            return Unavailable(
                "DynamoDB's TLS certificate or protocol was refused: check DYNAMODB_ENDPOINT and the certificate, whose"
                " authority AWS_CA_BUNDLE may name.",
                retry_after=30.0,
            )
        case NotSent():
            return Unavailable(
                "DynamoDB cannot be reached: check DYNAMODB_REGION, DYNAMODB_ENDPOINT and the network.", retry_after=2.0
            )
        case ReplyLost(write=True):
            return Unavailable("DynamoDB did not answer a write.", retry_after=2.0, outcome="unknown")
        case ReplyLost():
            return Unavailable(
                "DynamoDB gave no whole answer in time: check DYNAMODB_ENDPOINT and the network.", retry_after=2.0
            )
        case Refused():
            return _translate_answer(error)
        case NotOurs():
            return Unavailable(f"A table of DynamoDB holds what is not Wherry's: {error}.", retry_after=60.0)
    return Unavailable("DynamoDB gave an answer that makes no sense.", retry_after=5.0)


def _translate_answer(error: Refused) -> DatabaseError:
    if error.skewed:
        return Unauthorised("DynamoDB refuses the time of the request: set this machine's clock.", retry_after=30.0)
    if error.code in _UNKNOWN_CALLER:
        if _OTHER_REGION in error.message.lower():
            return Unauthorised(
                "DynamoDB refuses the region of the request: check DYNAMODB_REGION and DYNAMODB_ENDPOINT.",
                retry_after=30.0,
            )
        # A region that the account has not enabled refuses like this, too.
        return Unauthorised(
            "DynamoDB refuses the credentials: check AWS_ACCESS_KEY_ID and its secret, the profile or the role, and"
            " DYNAMODB_REGION.",
            retry_after=30.0,
        )
    if error.code in _NO_RIGHT:
        named = _RIGHT.search(error.message)
        right = f"the right {named[0]}" if named else "a right"
        return Unauthorised(
            f"DynamoDB refuses this: the credentials lack {right} (see docs/backends/dynamodb.md).", retry_after=30.0
        )
    if error.code == NO_TABLE or _NO_INDEX in error.message.lower():
        return Unavailable(
            "A table or index is missing in DynamoDB: check DYNAMODB_REGION and DYNAMODB_PREFIX,"
            " or run 'wherry db prepare'.",
            retry_after=30.0,
        )
    if error.passing or "ThrottlingError" in error.reasons or "ProvisionedThroughputExceeded" in error.reasons:
        return Throttled("DynamoDB asks for fewer requests.", retry_after=1.0)
    if "TransactionConflict" in error.reasons:
        return Throttled("The same documents are being changed by too many others.", retry_after=1.0)
    if _INDEX_BUILT in error.message.lower():
        return Unavailable("An index of DynamoDB is still being built.", retry_after=30.0)
    if error.code in (INVALID, "ItemCollectionSizeLimitExceededException", CANCELLED):
        words = error.message.lower()
        if "size" in words and ("exceed" in words or "maximum" in words or "too large" in words):
            return TooLarge("This is larger than DynamoDB accepts.")
        return InvalidDocument(f"DynamoDB refuses it: {error.message}")
    if error.code in ("RequestEntityTooLarge", "SerializationException") or error.status == 413:
        return TooLarge("This is larger than DynamoDB accepts.")
    if error.code in (IN_USE, "TableNotFoundException"):
        return Unavailable("A table of DynamoDB is being changed.", retry_after=10.0)
    if error.code in ("ReplicatedWriteConflictException", "ReadOnlyException"):
        return NotWritable("DynamoDB's table takes no writes in this region.", retry_after=60.0)
    return Unavailable("DynamoDB failed to answer.", retry_after=2.0)
