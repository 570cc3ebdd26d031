import random
from itertools import islice

import pytest

from app.db.growing_waits import growing_waits


def test_the_bound_doubles_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: low + high)
    assert list(islice(growing_waits(0.01, 0.05), 5)) == [0.01, 0.02, 0.04, 0.05, 0.05]
