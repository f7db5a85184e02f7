"""What cardholders want is fixed beforehand, its numbers are nobody's, and what they hold decides what they ask for next."""

import re
from itertools import islice

import pytest

from lab.vault_load_schedule import Errand, Rates, card_number, errands, letters, named, reason
from lab.vault_load_wallet import Held, Wallet
from workload.kept import REASON
from workload.telemetry.numbers import find_numbers
from workload.vault.numbers import Kind, read_number


def test_errands_come_evenly_and_in_order() -> None:
    """Each kind at its own rate, none before one interval has passed."""
    first = list(islice(errands(Rates(tokenize=10, reveal=5, erase=0.5)), 31))
    assert [due.at for due in first] == sorted(due.at for due in first)
    of = {errand: [due for due in first if due.errand is errand] for errand in Errand}
    assert {errand: len(dues) for errand, dues in of.items()} == {Errand.TOKENIZE: 20, Errand.REVEAL: 10, Errand.ERASE: 1}
    assert [due.number for due in of[Errand.TOKENIZE]] == list(range(20))
    assert (of[Errand.TOKENIZE][0].at, of[Errand.REVEAL][0].at, of[Errand.ERASE][0].at) == (0.1, 0.2, 2.0)


def test_what_has_no_rate_is_never_wanted() -> None:
    """No erasures means none."""
    assert {due.errand for due in islice(errands(Rates(tokenize=10, reveal=0, erase=0)), 50)} == {Errand.TOKENIZE}


def test_numbers_are_of_the_test_range_and_check() -> None:
    """The vault takes them, and nobody has them."""
    numbers = {card_number("run", 1, number) for number in range(200)}
    assert len(numbers) == 200
    for digits in numbers:
        assert digits.startswith("41111111")
        assert len(digits) == 16
        assert read_number(Kind.CARD, digits).text == digits
    assert card_number("run", 1, 7) == card_number("run", 1, 7) != card_number("run", 2, 7)
    assert card_number("other", 1, 7) != card_number("run", 1, 7)


def test_every_attempt_has_a_reason_of_its_own_that_the_vault_takes() -> None:
    """Words only, and no two alike."""
    reasons = {reason(number, attempt) for number in range(60) for attempt in range(1, 40)}
    assert len(reasons) == 60 * 39
    assert all(re.fullmatch(REASON, why) and not find_numbers(why) for why in reasons)


def test_letters_count_on_beyond_one() -> None:
    """As a spreadsheet names its columns."""
    assert [letters(number) for number in (0, 25, 26, 51, 52, 701, 702)] == ["a", "z", "aa", "az", "ba", "zz", "aaa"]
    assert len({letters(number) for number in range(5000)}) == 5000


def wallet(cards: int = 2) -> Wallet:
    return Wallet("run", 1, b"secret", cards)


def fill(held: Wallet, *numbers: int) -> None:
    for number in numbers:
        held.keep(held.card(number), f"t{number}")


def test_ids_are_of_the_run() -> None:
    """Two runs on one vault never share a key or a subject; several cards are of one subject."""
    one, other = wallet(), Wallet("other", 1, b"secret", 2)
    cards = [one.card(number) for number in range(6)]
    assert len({card.key for card in cards}) == 6
    assert [card.subject for card in cards[::2]] == [card.subject for card in cards[1::2]]
    assert len({card.subject for card in cards}) == 3
    assert {card.key for card in cards}.isdisjoint(other.card(number).key for number in range(6))
    assert {card.subject for card in cards}.isdisjoint(other.card(number).subject for number in range(6))
    assert named("run", "token", 1) != named("run", "subject", 1)


def test_a_digest_tells_numbers_apart_only_for_who_has_the_key() -> None:
    """The same number under another run's key is another digest, and no digit is in the card's own words."""
    card = wallet().card(0)
    assert wallet().digest(card.digits) == wallet().digest(card.digits) != wallet().digest(wallet().card(1).digits)
    assert Wallet("run", 1, b"other", 2).digest(card.digits) != wallet().digest(card.digits)
    assert card.digits not in repr(card)


def test_nothing_is_revealed_before_it_was_told() -> None:
    """Nor is anybody erased while a card of theirs is still to be kept."""
    held = wallet()
    assert (held.to_reveal(1), held.to_erase()) == (None, None)
    fill(held, 0)
    assert held.to_reveal(1) == Held(token="t0", subject=held.card(0).subject)
    assert held.to_erase() is None
    fill(held, 1)
    assert held.to_erase() == held.card(0).subject
    assert held.to_erase() is None, "each once"


def test_somebody_may_be_erased_beside_the_last_card() -> None:
    """When another card was told, so that there is something to erase; once, and no more in the ordinary way."""
    held = wallet()
    assert held.leaves_with(1) is None, "nothing of it was told"
    fill(held, 0)
    assert held.leaves_with(0) is None, "another card is still to come"
    assert held.leaves_with(1) == held.card(0).subject
    assert held.leaves_with(1) is None
    fill(held, 1)
    assert held.to_erase() is None
    held.erase(held.card(0).subject)
    assert held.to_reveal(1) is None, "the card that came beside the erasure is not among the living"


@pytest.mark.parametrize("number", [0, 6, 600])
def test_some_reveals_ask_for_what_was_erased(number: int) -> None:
    """From the proof on, and all others ask for what lives."""
    held = wallet()
    fill(held, 0, 1, 2)
    subject = held.card(0).subject
    assert held.to_reveal(number) is not None
    held.erase(subject)
    asked = held.to_reveal(number)
    assert asked is not None
    assert asked.subject == subject
    assert {held.to_reveal(other) for other in range(1, 6)} == {Held(token="t2", subject=held.card(2).subject)}


def test_with_everybody_erased_only_they_are_asked_for() -> None:
    """No reveal of a token that nobody holds."""
    held = wallet()
    fill(held, 0, 1)
    held.erase(held.card(0).subject)
    assert held.to_reveal(1) is None
    assert held.to_reveal(6) is not None
