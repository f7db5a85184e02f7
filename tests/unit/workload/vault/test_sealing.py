"""Seals: opened by the right key in the right place, and nowhere else."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.vault import sealing
from workload.vault.errors import SealBroken
from workload.vault.model import DataKey
from workload.vault.numbers import Kind, read_number
from workload.vault.sealing import NONCE_BYTES, Binding, Purpose, seal, unseal

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NONCE = bytes(range(12))
TEXT = "4111111111111111"
HERE = Binding(token=UUID(int=1), kind=Kind.CARD, subject=UUID(int=2), data_key=UUID(int=3))
NUMBER = read_number(Kind.CARD, TEXT)


def sealed() -> bytes:
    """The number, sealed."""
    return seal(KEY, NONCE, TEXT, HERE, Purpose.NUMBER)


def test_what_was_sealed_can_be_opened() -> None:
    """Nonce first, then the ciphertext with its tag; nothing of the text in it."""
    assert unseal(KEY, sealed(), HERE, Purpose.NUMBER) == TEXT
    assert sealed().startswith(NONCE) and len(sealed()) == NONCE_BYTES + len(TEXT) + 16
    assert TEXT.encode() not in sealed()


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(HERE, token=UUID(int=9)),
        replace(HERE, kind=Kind.IBAN),
        replace(HERE, subject=UUID(int=9)),
        replace(HERE, data_key=UUID(int=9)),
        replace(HERE, token=HERE.subject, subject=HERE.token),
    ],
)
def test_a_seal_that_was_moved_is_broken(elsewhere: Binding) -> None:
    """Whoever may write rows cannot have another row's number revealed under a token of his own."""
    with pytest.raises(SealBroken):
        unseal(KEY, sealed(), elsewhere, Purpose.NUMBER)


def test_a_hint_is_not_taken_for_a_number() -> None:
    """Both are sealed with one key and belong to one row."""
    with pytest.raises(SealBroken):
        unseal(KEY, sealed(), HERE, Purpose.HINT)


@given(bit=st.integers(0, 8 * (NONCE_BYTES + len(TEXT) + 16) - 1))
def test_one_changed_bit_breaks_it(bit: int) -> None:
    """Anywhere: nonce, ciphertext, tag."""
    changed = bytearray(sealed())
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        unseal(KEY, bytes(changed), HERE, Purpose.NUMBER)


@pytest.mark.parametrize("length", [0, 5, NONCE_BYTES, NONCE_BYTES + 15])
def test_a_seal_that_was_cut_off_is_broken(length: int) -> None:
    """At any length."""
    with pytest.raises(SealBroken):
        unseal(KEY, sealed()[:length], HERE, Purpose.NUMBER)


def test_another_key_opens_nothing() -> None:
    """And says so without a word of the number."""
    with pytest.raises(SealBroken) as caught:
        unseal(OTHER, sealed(), HERE, Purpose.NUMBER)
    assert TEXT not in str(caught.value)


@pytest.mark.parametrize(("key", "nonce"), [(KEY[:16], NONCE), (KEY, NONCE * 2), (b"", NONCE), (KEY, b"")])
def test_shorter_keys_and_other_nonces_are_refused(key: bytes, nonce: bytes) -> None:
    """The library would take some of them: AES-128, hashed nonces."""
    with pytest.raises(ValueError, match="32"):
        seal(key, nonce, TEXT, HERE, Purpose.NUMBER)


AGAIN = UUID(int=77)
"""An idempotency key."""


def test_a_digest_is_of_one_order_of_one_subject_and_one_number() -> None:
    """The same for a replay; another for whatever else is asked, so that it is refused."""
    first = sealing.digest(KEY, HERE.subject, AGAIN, NUMBER)
    assert first == sealing.digest(KEY, HERE.subject, AGAIN, read_number(Kind.CARD, "4111 1111 1111 1111"))
    others = {
        sealing.digest(OTHER, HERE.subject, AGAIN, NUMBER),
        sealing.digest(KEY, HERE.token, AGAIN, NUMBER),
        sealing.digest(KEY, HERE.subject, HERE.token, NUMBER),
        sealing.digest(KEY, HERE.subject, AGAIN, read_number(Kind.CARD, "5555555555554444")),
    }
    assert len(others) == 4 and first not in others, "who reads rows cannot tell which tokens are of one number"


def test_a_check_tells_the_right_key_from_any_other() -> None:
    """Of this id, of this length."""
    known = sealing.check(KEY, HERE.data_key)
    assert sealing.is_key(KEY, HERE.data_key, known)
    assert not sealing.is_key(OTHER, HERE.data_key, known)
    assert not sealing.is_key(KEY, HERE.token, known)
    assert not sealing.is_key(KEY[:16], HERE.data_key, sealing.check(KEY[:16], HERE.data_key))
    assert KEY.hex() not in known.hex() and known != sealing.digest(KEY, HERE.data_key, AGAIN, NUMBER)[:16]


def test_a_key_is_shown_by_nothing() -> None:
    """Not by the value that holds it."""
    key = DataKey(id=UUID(int=3), subject=UUID(int=2), material=KEY)
    assert "material" not in repr(key) and repr(KEY) not in repr(key)
