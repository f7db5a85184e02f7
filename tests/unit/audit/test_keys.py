"""Keys: one signs, its public half proves, and what is signed is a text that anybody can make."""

import stat
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from controller.audit.keys import Doubt, key_id, message, ring, understood
from controller.audit.signer import Signer, make_private, read_private
from controller.core.heads import Head, Occasion, Rhythm, occasion
from tests.unit.audit.ground import KEYS, SIGNERS, public, signer

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEAD = Head(service="payments", sequence=7, digest="jcs-0", at=AT, controller="aws", key=SIGNERS["aws"].id)


def test_what_is_signed_is_a_text_that_anybody_can_make() -> None:
    """RFC 8785 of it, with what it is for; the same moment in another zone is the same text."""
    text = (
        '{"at":"2026-01-01T12:00:00.000000+00:00","controller":"aws","digest":"jcs-0",'
        f'"key":"{HEAD.key}","purpose":"trimaran journal head 1","sequence":7,"service":"payments"}}'
    )
    assert message(HEAD) == text.encode()
    assert message(replace(HEAD, at=AT.astimezone(timezone(timedelta(hours=2))))) == text.encode()


def test_every_field_is_signed() -> None:
    """Another value in any of them, and the signature proves nothing."""
    signed, known = SIGNERS["aws"].sign(HEAD), ring(KEYS)
    assert known.doubt(signed) is None
    others = {"service": "vault", "sequence": 8, "digest": "jcs-1", "at": AT + timedelta(microseconds=1)}
    for name, other in others.items():
        assert known.doubt(replace(signed, head=replace(HEAD, **{name: other}))) is Doubt.NO_SIGNATURE, name  # type: ignore[arg-type]
    assert known.doubt(replace(signed, head=replace(HEAD, controller="gcp"))) is Doubt.ANOTHERS_KEY
    assert known.doubt(replace(signed, head=replace(HEAD, key=SIGNERS["gcp"].id))) is Doubt.ANOTHERS_KEY
    assert known.doubt(replace(signed, head=replace(HEAD, key="0" * 16))) is Doubt.UNKNOWN_KEY


def test_a_retired_key_proves_what_it_signed_before() -> None:
    """Up to its last moment."""
    signed = SIGNERS["aws"].sign(HEAD)
    assert ring([public(SIGNERS["aws"], AT)]).doubt(signed) is None
    assert ring([public(SIGNERS["aws"], AT - timedelta(seconds=1))]).doubt(signed) is Doubt.RETIRED_KEY


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """And is the same when it is read; what is there is never replaced."""
    path = tmp_path / "audit.key"
    made = Signer(controller="aws", private=make_private(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer(controller="aws", private=read_private(path)).public == made.public
    assert key_id(b64decode(made.public)) == made.id and made.public not in repr(made)
    with pytest.raises(FileExistsError):
        make_private(path)


def test_what_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    """Another kind of key, one with a password, anything."""
    path, curve = tmp_path / "key", generate_private_key(SECP256R1())
    locked = BestAvailableEncryption(b"password")
    for text in (
        curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        SIGNERS["aws"].private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked),
        b"hello",
    ):
        path.write_bytes(text)
        with pytest.raises(ValueError, match=r".+"):
            read_private(path)
    for text in ("", "AAAA", "no base64!", signer("aws").public + "AA"):
        with pytest.raises(ValueError, match="32 bytes"):
            understood(text)


RHYTHM = Rhythm(entries=10, every=timedelta(minutes=1))


@pytest.mark.parametrize(
    ("last", "sequence", "passed", "ended", "wanted"),
    [
        (None, 0, 0, False, None),
        (None, 1, 0, False, Occasion.FIRST),
        (HEAD, 7, 59, False, None),
        (HEAD, 16, 59, False, None),
        (HEAD, 17, 0, False, Occasion.ENTRIES),
        (HEAD, 8, 0, True, Occasion.PLAN),
        (HEAD, 7, 60, False, Occasion.TIME),
        (HEAD, 7, -60, False, Occasion.TIME),
    ],
)
def test_when_a_head_is_due(last: Head | None, sequence: int, passed: int, ended: bool, wanted: Occasion | None) -> None:
    """At first, after a plan, after entries, after a while, and when the clock was set back."""
    assert occasion(last, sequence, AT + timedelta(seconds=passed), RHYTHM, plan_ended=ended) is wanted
