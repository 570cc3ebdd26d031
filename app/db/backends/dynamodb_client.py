"""Requests to DynamoDB: signed, over kept connections, within a deadline, repeated where that is safe.

The SDK gives credentials (its chain of variables, files and roles, renewed in time) and the region's endpoint. The
requests are our own: the SDK's models and parser take most of the time of a large read.

What may be repeated is said by the request's ``kind``:

    READ        always
    WRITE       only while nothing was applied: not sent whole, or refused for the moment. Else ReplyLost
    IDEMPOTENT  a write that is harmless when it arrives twice (a condition, or a client token): like READ, but if no
                attempt decides and one was lost, ReplyLost; a Refused says ``after_loss``
"""

import ssl
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import cached_property
from time import monotonic
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import botocore.session
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from app.db.backends.dynamodb_errors import DynamoError, NotConfigured, NotSent, Refused, ReplyLost, refusal
from app.db.backends.dynamodb_signing import Credentials, Signer
from app.db.backends.http_pool import Connection, NotConnected, Pool, Reply
from app.db.growing_waits import growing_waits
from app.db.time_limit import bounded

Kind = Literal["READ", "WRITE", "IDEMPOTENT"]
Payload = dict[str, Any]
Answer = dict[str, Any]

AT_ONCE: Final = 16
_CONNECT_TIMEOUT = 1.0
_CREDENTIALS_TIMEOUT = 1.5
_FIRST_WAIT = 0.02
_LONGEST_WAIT = 0.4
_CONNECT_TRIES = 3


class Target:
    """Where requests go and as whom. Empty texts mean: as the environment says. Nothing is looked up before use."""

    def __init__(self, region: str = "", endpoint: str = "", access_key: str = "", secret_key: str = "") -> None:
        self._region, self._endpoint = region, endpoint
        self._own = Credentials(access_key, secret_key, None) if access_key else None

    @cached_property
    def _session(self) -> Any:
        made = botocore.session.Session()
        # Also for the clients that the SDK makes for itself to ask for a role's credentials: a request waits for those.
        made.set_default_client_config(
            Config(
                connect_timeout=_CONNECT_TIMEOUT,
                read_timeout=_CREDENTIALS_TIMEOUT,
                retries={"total_max_attempts": 1, "mode": "standard"},
            )
        )
        return made

    @cached_property
    def region(self) -> str:
        """The region's name; NotConfigured if nobody says one."""
        try:
            found = self._region or self._session.get_config_variable("region")
        except BotoCoreError as error:
            raise NotConfigured(f"The AWS configuration cannot be read: {error}") from error
        if not found:
            raise NotConfigured("No AWS region is set: set DYNAMODB_REGION, such as eu-central-1.")
        return str(found)

    @cached_property
    def endpoint(self) -> str:
        """The service's URL."""
        if self._endpoint:
            parts = urlsplit(self._endpoint)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
                raise NotConfigured("DYNAMODB_ENDPOINT is no address such as http://127.0.0.1:8000.")
            return self._endpoint.rstrip("/")
        try:
            # The SDK's own client knows every partition, variable and variant; it is made for this answer alone.
            client = self._session.create_client(
                "dynamodb",
                region_name=self.region,
                aws_access_key_id="none",
                aws_secret_access_key="none",  # noqa: S106 - it sends nothing
            )
        except BotoCoreError as error:
            raise NotConfigured(f"DYNAMODB_REGION is {self.region!r}, which is no AWS region.") from error
        found = str(client.meta.endpoint_url)
        client.close()
        return found.rstrip("/")

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS settings for the endpoint: this machine's authorities, or those of AWS_CA_BUNDLE."""
        if not self.endpoint.startswith("https:"):
            return None
        try:
            return ssl.create_default_context(cafile=self._session.get_config_variable("ca_bundle"))
        except OSError as error:
            raise NotConfigured("AWS_CA_BUNDLE names no readable file of certificates.") from error

    @cached_property
    def _source(self) -> Any:
        found = self._session.get_credentials()
        if found is None:
            raise NotConfigured(
                "No AWS credentials are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role."
            )
        return found

    def credentials(self) -> Credentials:
        """The credentials of the moment; temporary ones are renewed before they end."""
        if self._own is not None:
            return self._own
        try:
            frozen = self._source.get_frozen_credentials()
        except NotConfigured:
            raise
        except Exception as error:
            # Not only the SDK's own: a token's file that is missing, STS's refusals, what comes back expired.
            raise NotConfigured(
                f"The AWS credentials cannot be had; check the variables, the profile or the role: {error}"
            ) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


class Client:
    """Requests to one target. ``timeout``: seconds for a request with all its repetitions."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.target, self.timeout = target, timeout
        self.skew = 0.0

    @cached_property
    def _pool(self) -> Pool:
        parts = urlsplit(self.target.endpoint)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return Pool(str(parts.hostname), port, tls=self.target.tls, connect_timeout=_CONNECT_TIMEOUT)

    @cached_property
    def _signer(self) -> Signer:
        return Signer(urlsplit(self.target.endpoint).netloc.rpartition("@")[2], self.target.region)

    def deadline(self) -> float:
        """When an operation that begins now has to be over."""
        return bounded(monotonic() + self.timeout)

    def call(self, operation: str, payload: Payload, kind: Kind = "READ", deadline: float | None = None) -> Answer:
        """One request, repeated as its kind allows until its deadline; a DynamoError if that did not help."""
        end = self.deadline() if deadline is None else deadline
        body = orjson.dumps(payload)
        tries, lost, corrected = 0, False, False
        waits = growing_waits(_FIRST_WAIT, _LONGEST_WAIT)
        while True:
            tries += 1
            failed: DynamoError
            try:
                return self._answer(self._exchange(operation, body, end), kind)
            except NotConfigured as error:
                failed, again = error, False
            except NotSent as error:
                failed, again = error, tries < _CONNECT_TRIES
            except ReplyLost as error:
                error.write = kind != "READ"
                failed, again, lost = error, kind != "WRITE", True
            except Refused as error:
                error.after_loss = lost
                failed, again = error, error.passing
                if error.skewed and not corrected:
                    again = corrected = True
            if again:
                wait = next(waits)
                again = monotonic() + wait < end
            if not again:
                known = isinstance(failed, ReplyLost) or (isinstance(failed, Refused) and failed.deciding)
                if known or not lost or kind == "READ":
                    raise failed
                raise ReplyLost(str(failed), write=True) from failed
            time.sleep(wait)

    def call_all(
        self, operation: str, payloads: Sequence[Payload], kind: Kind = "READ", deadline: float | None = None
    ) -> list[Answer | DynamoError]:
        """Several requests under way at once from this thread; for each its answer, or the error that remained."""
        end = self.deadline() if deadline is None else deadline
        results: list[Answer | DynamoError] = []
        for start in range(0, len(payloads), AT_ONCE):
            results += self._wave(operation, payloads[start : start + AT_ONCE], kind, end)
        return results

    def read_all(self, operation: str, payloads: Sequence[Payload], deadline: float | None = None) -> list[Answer]:
        """``call_all`` for reads: the first error is raised."""
        if len(payloads) == 1:
            return [self.call(operation, payloads[0], "READ", deadline)]
        answers = []
        for result in self.call_all(operation, payloads, "READ", deadline):
            if isinstance(result, DynamoError):
                raise result
            answers.append(result)
        return answers

    def close(self) -> None:
        """Close the connections that nobody uses."""
        if "_pool" in self.__dict__:
            self._pool.close()

    def _wave(self, operation: str, payloads: Sequence[Payload], kind: Kind, end: float) -> list[Answer | DynamoError]:
        """All requests are sent before the first answer is read; what fails is then tried again one by one."""
        bodies = [orjson.dumps(payload) for payload in payloads]
        if len(bodies) == 1:
            return [self._settled(operation, payloads[0], kind, end)]
        under_way: list[Connection | None] = []
        results: list[Answer | DynamoError | None] = []
        unsigned: NotConfigured | None = None
        try:
            for body in bodies:
                try:
                    under_way.append(None if unsigned else self._sent(operation, body, end))
                except NotConfigured as error:  # those that are under way have answers of their own
                    unsigned = error
                    under_way.append(None)
            for place, connection in enumerate(under_way):
                results.append(None if connection is None else self._received(connection, kind, self._patience(end)))
                if connection is not None:
                    under_way[place] = None
                    self._pool.give(connection)
        finally:
            for connection in under_way:
                if connection is not None:
                    connection.close()
        return [
            result if result is not None else unsigned or self._settled(operation, payload, kind, end)
            for payload, result in zip(payloads, results, strict=True)
        ]

    def _sent(self, operation: str, body: bytes, end: float) -> Connection | None:
        try:
            return self._send(operation, body, self._patience(end))
        except NotSent:
            return None

    def _received(self, connection: Connection, kind: Kind, end: float) -> Answer | DynamoError | None:
        """The answer, None for what is worth trying again, or the error."""
        try:
            return self._answer(self._receive(connection, end), kind)
        except ReplyLost as error:
            error.write = kind != "READ"
            return error if error.write else None
        except Refused as error:
            return None if error.passing or error.skewed else error

    def _settled(self, operation: str, payload: Payload, kind: Kind, end: float) -> Answer | DynamoError:
        try:
            return self.call(operation, payload, kind, end)
        except DynamoError as error:
            return error

    def _exchange(self, operation: str, body: bytes, end: float) -> Reply:
        patience = self._patience(end)
        connection = self._send(operation, body, patience)
        try:
            return self._receive(connection, patience)
        finally:
            self._pool.give(connection)

    def _patience(self, end: float) -> float:
        """The deadline of one attempt: half of the time, so that a dead connection leaves time for another."""
        return min(end, monotonic() + self.timeout / 2)

    def _send(self, operation: str, body: bytes, end: float) -> Connection:
        """A connection on which the request is under way; NotSent if it is not."""
        request = self._signer.request(self.target.credentials(), operation, body, time.time() + self.skew)
        try:
            connection = self._pool.take(end)
        except NotConnected as error:
            raise NotSent(str(error), tls=isinstance(error.__cause__, ssl.SSLError)) from error
        try:
            connection.send(request, end)
        except OSError as error:
            connection.close()
            raise NotSent(str(error)) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _receive(self, connection: Connection, end: float) -> Reply:
        try:
            return connection.receive(end)
        except (OSError, ValueError) as error:
            raise ReplyLost(str(error) or "no answer", write=False) from error

    def _answer(self, reply: Reply, kind: Kind) -> Answer:
        if reply.status == 200:
            try:
                answer = orjson.loads(reply.body)
            except orjson.JSONDecodeError as error:
                raise ReplyLost("not JSON", write=kind != "READ") from error
            if isinstance(answer, dict):
                return answer
            raise ReplyLost("not an object", write=kind != "READ")
        refused = refusal(reply.status, reply.body)
        if refused.skewed:
            self._correct_clock(reply)
        if reply.status >= 500 and not refused.passing:
            # "The operation might have succeeded", the API's reference says of a write.
            # A gateway's answer, without DynamoDB's words, does not even say that the request is over.
            raise ReplyLost(str(refused), write=kind != "READ", answered=bool(refused.code)) from refused
        raise refused

    def _correct_clock(self, reply: Reply) -> None:
        """Sign with the server's time from now on: a wrong clock is no reason to be down."""
        try:
            theirs = parsedate_to_datetime(reply.header(b"date")).timestamp()
        except ValueError:
            return
        self.skew = theirs - time.time()

    def server_clock(self) -> float | None:
        """How many seconds the server's clock is ahead of this machine's, or None if it does not say."""
        reply = self._exchange("ListTables", b'{"Limit":1}', self.deadline())
        try:
            return parsedate_to_datetime(reply.header(b"date")).timestamp() - time.time()
        except ValueError:
            return None
