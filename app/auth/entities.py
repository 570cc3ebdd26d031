"""Sessions, and the state of the installation's first start."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.db.entities import Entity, Timestamp
from app.db.schema import Index

LONGEST_AGENT = 200
Scope = Literal["tenant", "installation"]


class UserSession(Entity):
    """Somebody signed in with one browser. The id is the digest of what the browser's cookie holds.

    It is good until it was idle too long, until ``expires_at``, and as long as the account has the same ``stamp``.
    """

    collection: ClassVar[str] = "sessions"
    scope: ClassVar[Scope] = "installation"
    indexes: ClassVar[tuple[Index, ...]] = (Index("user_id", "last_seen_at"), Index("expires_at"))
    audited: ClassVar[bool] = False

    user_id: str
    stamp: str
    address: str
    agent: str = Field(max_length=LONGEST_AGENT)
    last_seen_at: Timestamp
    expires_at: Timestamp


class SetUpLink(BaseModel):
    """A link that was printed on a terminal: the digest of its token, and until when it is good."""

    model_config = ConfigDict(frozen=True)

    digest: str
    expires_at: Timestamp


class SetUp(Entity):
    """The first start, one document for all workers. Completed for good with the first account, however made."""

    ONLY_ID: ClassVar[str] = "set-up"

    collection: ClassVar[str] = "set_up"
    scope: ClassVar[Scope] = "installation"
    audited: ClassVar[bool] = False

    links: list[SetUpLink] = Field(default_factory=list)
    completed_at: Timestamp | None = None
