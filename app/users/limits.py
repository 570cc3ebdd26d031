"""How many tries are allowed, from the settings."""

from dataclasses import dataclass
from typing import Self

from app.settings import Settings
from app.users.throttle import Limit


@dataclass(frozen=True, slots=True)
class Limits:
    """``account``: passwords for one address from anywhere. ``device``: for one account from a browser that it was
    signed in with before. ``network``: sign-ins from one network address. ``confirm``: passwords asked for again of
    somebody who is signed in."""

    account: Limit
    device: Limit
    network: Limit
    confirm: Limit

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """SIGN_IN_ATTEMPTS_PER_ACCOUNT, SIGN_IN_ATTEMPTS_PER_ADDRESS and SIGN_IN_WINDOW."""
        each, all_of_it, window = (
            settings.sign_in_attempts_per_account,
            settings.sign_in_attempts_per_address,
            settings.sign_in_window,
        )
        return cls(
            account=Limit("account", each, window),
            device=Limit("device", each, window),
            network=Limit("network", all_of_it, window),
            confirm=Limit("confirm", each, window),
        )
