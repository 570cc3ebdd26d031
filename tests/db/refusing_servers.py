"""Servers that refuse: what a real one says to a wrong password or a missing right, where it cannot be provoked here.

Also a server whose TLS certificate nobody vouches for, made when it is asked for.
"""

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.db.backends.firestore_messages import grpc
from tests.db.dynamodb_proxy import Decide, Proxy
from tests.db.server_process import free_port


def self_signed(folder: Path) -> Path:
    """A file with the key and certificate of localhost, good for a day, which no authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a stand-in")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "stand-in.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    return file


@contextmanager
def tls_server(certificate: Path, answer: bytes = b"") -> Iterator[int]:
    """The port of a server that speaks TLS with this certificate, and gives one answer to all that come so far."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(client: socket.socket) -> None:
        try:
            with context.wrap_socket(client, server_side=True) as sock:
                while sock.recv(65_536):
                    sock.sendall(answer)
        except OSError:  # they did not trust us, or do not speak TLS
            client.close()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # the end of the test
                return
            client.settimeout(10)
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # or the thread would wait on


def service_account(folder: Path) -> Path:
    """A service account's file with a key that Google has never seen."""
    key = rsa.generate_private_key(65_537, 2048)
    file = folder / "account.json"
    told = {
        "type": "service_account",
        "client_email": "stand-in@some-project.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "token_uri": f"http://127.0.0.1:{free_port()}/token",
    }
    file.write_text(json.dumps(told))
    return file


@contextmanager
def refusing_firestore(status: Any, details: str) -> Iterator[str]:
    """The address of a server that answers every call with one gRPC status."""

    def answer(_: bytes, context: Any) -> bytes:
        context.abort(status, details)
        return b""

    class Everything(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            streaming = any(name in call.method for name in ("Batch", "Query")) and "BatchWrite" not in call.method
            return (grpc.unary_stream_rpc_method_handler if streaming else grpc.unary_unary_rpc_method_handler)(answer)

    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool, handlers=[Everything()])
        server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


@contextmanager
def refusing_dynamodb(decide: Decide, port: int = 1) -> Iterator[str]:
    """The endpoint of a server that answers as it is told; what may pass goes to the server at ``port``."""
    with closing(Proxy(port)) as proxy:
        proxy.decide = decide
        yield f"http://127.0.0.1:{proxy.port}"
