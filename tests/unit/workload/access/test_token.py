"""One token at a time: what is believed, and each thing that is not, by its name."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from tests.unit.workload.access.rooms import BEGINNING, FIRST, MINE, TERMS, claims, document, new_key, token
from workload.access.keys import Algorithm, IssuerKey, read_keys
from workload.access.refusal import AccessRefused, Kind
from workload.access.token import LONGEST, Verified, take_apart, verify

KEYS = read_keys(document(FIRST), [Algorithm.ES256])
GOOD = token()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~"


def judged(text: str, now: float = BEGINNING, keys: Any = KEYS) -> Verified:
    """What the token grants, as the verifier finds it with these keys."""
    shown = take_apart(text)
    key: IssuerKey | None = keys.get(shown.kid)
    if key is None:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, "no such key")
    return verify(shown, key, TERMS, now)


def refused(text: str, **how: Any) -> Kind:
    """The kind of the refusal, which must come."""
    with pytest.raises(AccessRefused) as caught:
        judged(text, **how)
    return caught.value.kind


def raw(header: dict[str, Any], payload: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token as no library would make it."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    signature = base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"=")
    return b".".join((*parts, signature)).decode()


def signed(message: bytes) -> bytes:
    """The issuer's own signature, under whatever header."""
    return JWSRegistry.algorithms["ES256"].sign(message, FIRST)


def test_a_good_token_says_who_asks_and_for_what() -> None:
    """Subject, client, scopes, the certificate, and the end with the leeway."""
    found = judged(GOOD)
    assert (found.caller.subject, found.caller.client) == ("merchant-1", "till-7")
    assert found.caller.scopes == {"payments:write", "payments:read"}
    assert (found.thumbprint, found.ends_at) == (MINE, BEGINNING + 3605)


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_type_of_an_access_token_is_known_in_all_its_forms(kind: str) -> None:
    """RFC 9068 section 4: with and without `application/`, in any case."""
    assert judged(token(header={"typ": kind}))


@pytest.mark.parametrize("kind", ["JWT", "logout+jwt", None, 5])
def test_another_statement_of_the_same_issuer_is_no_access_token(kind: object) -> None:
    """Signed with the same key, for another purpose."""
    header = {"alg": "ES256", "kid": "k1", **({} if kind is None else {"typ": kind})}
    assert refused(raw(header, claims(), signed)) is Kind.UNKNOWN_TOKEN


def test_a_token_without_a_signature_is_refused() -> None:
    """`none` is no algorithm here."""
    bare = raw({"alg": "none", "typ": "at+jwt", "kid": "k1"}, claims(), lambda _: b"")
    assert refused(bare) is Kind.WRONG_ALGORITHM


@pytest.mark.parametrize("secret", ["pem", "jwk"])
def test_a_mac_made_with_the_public_key_is_refused(secret: str) -> None:
    """The public key is no secret: whoever has it could sign whatever they like."""
    public = FIRST.as_pem(private=False) if secret == "pem" else json.dumps(FIRST.as_dict(private=False)).encode()
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "k1"}
    assert refused(raw(header, claims(), lambda message: hmac.digest(public, message, hashlib.sha256))) is Kind.WRONG_ALGORITHM


def test_the_key_says_which_algorithm_it_is_for() -> None:
    """RS256 over an elliptic curve's key, though both algorithms are configured."""
    both = read_keys(document(FIRST), list(Algorithm))
    crossed = raw({"alg": "RS256", "typ": "at+jwt", "kid": "k1"}, claims(), lambda _: b"x" * 256)
    assert refused(crossed, keys=both) is Kind.WRONG_ALGORITHM


def test_an_rsa_token_is_believed_only_where_it_is_configured() -> None:
    """The same token, with and without RS256 among the algorithms."""
    key = RSAKey.generate_key(2048, parameters={"kid": "r1"})
    text = token(key, header={"alg": "RS256"})
    assert judged(text, keys=read_keys(document(key), [Algorithm.RS256]))
    assert refused(text) is Kind.UNKNOWN_TOKEN


def test_a_key_that_a_token_brings_along_is_not_used() -> None:
    """`jwk` in the header: signed with it, and with nothing of the issuer's."""
    own = new_key()
    forged = token(own, header={"jwk": own.as_dict(private=False)})
    assert refused(forged) is Kind.UNKNOWN_TOKEN


@pytest.mark.parametrize("header", [{"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]}, {"b64": True}, {"new": 1}])
def test_extensions_that_nobody_knows_are_refused(header: dict[str, Any]) -> None:
    """What is critical must be understood (RFC 7515 section 4.1.11), and an unencoded payload is no token."""
    base = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    assert judged(raw(base, claims(), signed))
    assert refused(raw({**base, **header}, claims(), signed)) is Kind.UNKNOWN_TOKEN


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"exp": BEGINNING - 6}, Kind.EXPIRED),
        ({"exp": -(10**400)}, Kind.EXPIRED),
        ({"exp": BEGINNING - 61}, Kind.EXPIRED),
        ({"nbf": BEGINNING + 61}, Kind.NOT_YET_VALID),
        ({"iat": BEGINNING + 61}, Kind.NOT_YET_VALID),
        ({"aud": "vault"}, Kind.WRONG_AUDIENCE),
        ({"aud": ["vault", "screening"]}, Kind.WRONG_AUDIENCE),
        ({"aud": {"payments": 1}}, Kind.WRONG_AUDIENCE),
        ({"iss": "https://other.test"}, Kind.UNKNOWN_TOKEN),
        ({"iss": ["https://issuer.test"]}, Kind.UNKNOWN_TOKEN),
        ({"cnf": {"jkt": "x"}}, Kind.WRONG_CERTIFICATE),
        ({"cnf": "x"}, Kind.WRONG_CERTIFICATE),
        ({"cnf": {"x5t#S256": ""}}, Kind.WRONG_CERTIFICATE),
        ({"scope": ["payments:write"]}, Kind.UNKNOWN_TOKEN),
        ({"exp": "tomorrow"}, Kind.UNKNOWN_TOKEN),
        ({"exp": True}, Kind.UNKNOWN_TOKEN),
        *(({name: None}, Kind.UNKNOWN_TOKEN) for name in ("iss", "aud", "sub", "client_id", "jti", "iat", "exp")),
        *(({name: 5}, Kind.UNKNOWN_TOKEN) for name in ("sub", "client_id", "jti")),
    ],
)
def test_each_thing_that_is_wrong_has_its_name(changes: dict[str, Any], kind: Kind) -> None:
    """Signed by the issuer, and still not for this service now."""
    assert refused(token(**changes)) is kind


def test_clocks_may_differ_a_little() -> None:
    """A token is believed four seconds after its end, not six (above), and up to a minute before its beginning."""
    assert judged(token(exp=BEGINNING - 4))
    assert judged(token(nbf=BEGINNING + 59, iat=BEGINNING + 59))


def test_a_service_whose_clock_is_half_a_minute_behind_believes_a_new_token() -> None:
    """Issued in its future: the site would turn every new client away, and no probe would tell. The token ends no later for it."""
    verified = judged(token(iat=BEGINNING + 30, nbf=BEGINNING + 30, exp=BEGINNING + 330))
    assert verified.ends_at == BEGINNING + 335


def test_a_token_may_be_meant_for_several_services() -> None:
    """This one among them."""
    assert judged(token(aud=["vault", "payments"]))


def test_a_token_that_never_ends_is_only_a_very_long_one() -> None:
    """JSON's numbers have no largest one; ours do."""
    assert judged(token(exp=10**400)).ends_at > BEGINNING


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c.d", "!.!.!", "bnVsbA.e30.x", "W10.e30.x", "WyJhbGciLCJiNjQiXQ.e30.x", "ImFsZyI.e30.x", "é.é.é"],
)
def test_what_is_no_token_is_refused_and_nothing_breaks(text: str) -> None:
    """Headers that are lists, words or nothing among them."""
    assert refused(text) is Kind.UNKNOWN_TOKEN


def test_what_is_too_large_is_not_looked_at() -> None:
    """Longer than any header that comes through an edge."""
    assert refused("a" * (LONGEST + 1)) is Kind.UNKNOWN_TOKEN


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(ALPHABET))
def test_any_changed_character_is_refused(at: int, other: str) -> None:
    """Wherever it is, whatever it becomes."""
    if GOOD[at] != other:
        refused(GOOD[:at] + other + GOOD[at + 1 :])


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_the_spare_bits_of_the_last_character_cannot_be_changed_either(segment: int) -> None:
    """base64 decodes several last characters to the same bytes; only one of them is the token."""
    parts = GOOD.split(".")
    for other in ALPHABET[:64]:
        changed = [*parts[:segment], parts[segment][:-1] + other, *parts[segment + 1 :]]
        if changed != parts:
            refused(".".join(changed))


@given(st.integers(0, len(GOOD)), st.sampled_from(ALPHABET))
def test_any_inserted_character_is_refused(at: int, other: str) -> None:
    """Also those that a lenient decoder skips."""
    refused(GOOD[:at] + other + GOOD[at:])


@given(st.integers(0, len(GOOD) - 1))
def test_any_missing_character_is_refused(at: int) -> None:
    """The last one of the signature too."""
    refused(GOOD[:at] + GOOD[at + 1 :])


@given(st.text(max_size=300))
def test_no_text_at_all_breaks_anything(text: str) -> None:
    """Whatever somebody sends: a refusal, no other error."""
    refused(text)
