"""The table of mutants fits the code. `make mutants` tries them, which takes minutes."""

from collections import Counter
from pathlib import Path

import pytest

from tests.db.mutant import Mutant
from tests.db.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mutant_changes_one_place_of_the_code_that_is_there(mutant: Mutant) -> None:
    found = (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.right)
    assert found == 1, f"its text is {found} times in {mutant.file}: bring tests/db/mutants.py up to date"
    assert mutant.right != mutant.wrong


def test_every_mutant_has_a_name_of_its_own_and_tests_that_exist() -> None:
    assert [name for name, number in Counter(mutant.name for mutant in MUTANTS).items() if number > 1] == []
    for mutant in MUTANTS:
        assert mutant.tests
        for test in mutant.tests:
            assert (ROOT / test.partition("::")[0]).is_file()
