"""How Hypothesis runs here: the same examples every time, and no time limit for one, as machines may be busy."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "wherry", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("wherry")
