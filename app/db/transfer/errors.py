"""What a transfer refuses before anything is moved."""

from app.errors import WherryError


class TransferRefused(WherryError):
    """A transfer that is not begun: the sentence says why and what to do. Nothing was moved."""

    status = 409
    title = "This cannot be carried over"
