"""The search for card numbers finds them, in every form, and takes no other number for one."""

import base64
from pathlib import Path

import pytest

from lab.vault_load_schedule import card_number
from tests.lab.number_search import ACCOUNT, PUBLISHED, Search, forms, planted


@pytest.mark.parametrize("digits", [planted(1), planted(77), card_number("run", 1, 5), PUBLISHED, ACCOUNT])
def test_the_search_finds_every_form(tmp_path: Path, digits: str) -> None:
    """Each in a file, at an odd place, among other things; and the neighbour of a number is not taken for it."""
    for number, form in enumerate(forms(digits).values()):
        (tmp_path / f"{number}").write_bytes(b"#" * 13 + form + b"\n")
    found, size = Search([planted(8), digits]).files(tmp_path)
    assert {(one.form, one.digits) for one in found} == {(form, digits) for form in forms(digits)}
    assert size == sum(14 + len(form) for form in forms(digits).values())
    assert Search([planted(2), planted(3)]).files(tmp_path)[0] == []


@pytest.mark.parametrize("shift", range(4))
def test_the_search_finds_what_is_inside_of_base64(tmp_path: Path, shift: int) -> None:
    """Wherever the number stands in what was encoded."""
    digits = planted(5)
    (tmp_path / "token").write_bytes(base64.urlsafe_b64encode(b"x" * shift + b'{"number":"' + digits.encode() + b'"}'))
    assert [one.digits for one in Search([digits]).files(tmp_path)[0]] == [digits]


def test_a_number_at_the_very_beginning_or_end_is_found() -> None:
    """The whole text is looked at."""
    digits = planted(6)
    assert [one.form for one in Search([digits]).within(digits.encode(), "text")] == ["plain"]
    assert [one.form for one in Search([digits]).within(b"x" + digits.encode(), "text")] == ["plain"]
    assert list(Search([digits]).within(digits[:-1].encode(), "text")) == []
