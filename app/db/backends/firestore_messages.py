"""gRPC and Google's raw message classes, for the Firestore backend: imported here and nowhere else.

gRPC has to be told before it is loaded that its process may fork (gunicorn's workers, Python's multiprocessing), and
that a failed handshake is no news for standard error: whoever called gets it as an error, in our words. The message
classes are protobuf's own, without the wrappers (proto-plus) that the client library puts around them: those take most
of the time of a large page.
"""

import os
from typing import Any, Final

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import grpc
from google.cloud.firestore_v1.types import document as document_types
from google.cloud.firestore_v1.types import firestore as service_types
from google.cloud.firestore_v1.types import query as query_types

__all__ = [
    "STREAMING",
    "BatchGetDocumentsRequest",
    "BatchWriteRequest",
    "CommitRequest",
    "Document",
    "GetDocumentRequest",
    "Query",
    "RunAggregationQueryRequest",
    "RunQueryRequest",
    "grpc",
    "message_classes",
]

Document: Final[Any] = document_types.Document.meta.pb
GetDocumentRequest: Final[Any] = service_types.GetDocumentRequest.meta.pb
BatchGetDocumentsRequest: Final[Any] = service_types.BatchGetDocumentsRequest.meta.pb
CommitRequest: Final[Any] = service_types.CommitRequest.meta.pb
BatchWriteRequest: Final[Any] = service_types.BatchWriteRequest.meta.pb
RunQueryRequest: Final[Any] = service_types.RunQueryRequest.meta.pb
RunAggregationQueryRequest: Final[Any] = service_types.RunAggregationQueryRequest.meta.pb
Query: Final[Any] = query_types.StructuredQuery.meta.pb

STREAMING: Final = frozenset({"BatchGetDocuments", "RunQuery", "RunAggregationQuery"})
"""The calls whose answers come in parts."""


def message_classes(call: str) -> tuple[Any, Any]:
    """The raw classes of a call's request and of its answer, or of one part of it."""
    answer = document_types.Document if call == "GetDocument" else getattr(service_types, f"{call}Response")
    return getattr(service_types, f"{call}Request").meta.pb, answer.meta.pb
