"""AWS's Signature Version 4 for DynamoDB's one kind of request: POST / with a JSON body.

Written out because there is so little of it: the general signer of the SDK costs several times a whole request here.
"""

import hmac
from hashlib import sha256
from time import gmtime, strftime
from typing import Final, NamedTuple

CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_TARGET = "DynamoDB_20120810."


class Credentials(NamedTuple):
    """A key, its secret, and the session's token where the key is a temporary one."""

    access_key: str
    secret_key: str
    token: str | None


class Signer:
    """Makes whole HTTP requests to one endpoint. ``host`` is the Host header: with the port, unless it is the usual."""

    def __init__(self, host: str, region: str) -> None:
        self._host, self._region = host, region
        self._second = -1
        self._stamp = ""
        self._key: tuple[str, str, bytes] = ("", "", b"")

    def request(self, credentials: Credentials, operation: str, body: bytes, now: float) -> bytes:
        """The request's bytes, signed for the time ``now`` (seconds since 1970)."""
        second = int(now)
        if second != self._second:
            # The stamp first: another thread that sees the new second must not use the old stamp.
            self._stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(second))
            self._second = second
        stamp = self._stamp
        access_key, secret_key, token = credentials
        scope = f"{stamp[:8]}/{self._region}/dynamodb/aws4_request"
        names = "content-type;host;x-amz-date;x-amz-target"
        session = ""
        if token:
            names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
            session = f"x-amz-security-token:{token}\n"
        headers = (
            f"content-type:{CONTENT_TYPE}\nhost:{self._host}\nx-amz-date:{stamp}\n{session}"
            f"x-amz-target:{_TARGET}{operation}\n"
        )
        canonical = f"POST\n/\n\n{headers}\n{names}\n{sha256(body).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(secret_key, stamp[:8]), to_sign.encode(), "sha256").hex()
        head = (
            f"POST / HTTP/1.1\r\n{headers.replace(chr(10), chr(13) + chr(10))}"
            f"authorization:AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names},"
            f" Signature={signature}\r\ncontent-length:{len(body)}\r\n\r\n"
        )
        return head.encode("latin-1") + body

    def _signing_key(self, secret_key: str, day: str) -> bytes:
        known = self._key
        if known[0] == secret_key and known[1] == day:
            return known[2]
        key = f"AWS4{secret_key}".encode()
        for part in (day, self._region, "dynamodb", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = (secret_key, day, key)
        return key
