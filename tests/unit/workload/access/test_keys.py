"""Which of an issuer's keys would be believed."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.unit.workload.access.rooms import FIRST, document, new_key
from workload.access.keys import MOST_KEYS, Algorithm, UnusableKeys, read_keys

BOTH = list(Algorithm)
RSA = RSAKey.generate_key(2048, parameters={"kid": "r1"})


def listed(*keys: dict[str, Any]) -> bytes:
    """A JWKS of these."""
    return json.dumps({"keys": [*keys, FIRST.as_dict(private=False)]}).encode()


def shown(key: ECKey | RSAKey | OctKey = RSA, **changes: Any) -> dict[str, Any]:
    """One key as an issuer publishes it; None leaves a member out."""
    said = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in said.items() if value is not None}


def test_each_key_has_the_algorithm_of_its_kind() -> None:
    """A curve's key signs with ES256, an RSA key with RS256."""
    found = read_keys(document(FIRST, RSA), BOTH)
    assert {kid: key.algorithm for kid, key in found.items()} == {"k1": Algorithm.ES256, "r1": Algorithm.RS256}


@pytest.mark.parametrize(
    "other",
    [
        shown(kid=None),
        shown(kid=5),
        shown(use="enc"),
        shown(alg="PS256"),
        shown(alg="ES256"),
        shown(n="AQAB"),
        shown(n=None),
        shown(n="!" * 342),
        shown(kty="oct", k="c2VjcmV0"),
        shown(kty="future"),
        shown(ECKey.generate_key("P-384"), kid="p384"),
        shown(new_key("bent"), x="AAAA"),
        shown(new_key("secp"), crv="secp256k1"),
    ],
    ids=[
        "no id",
        "an id that is no text",
        "for encryption",
        "another padding",
        "a curve's algorithm",
        "a short modulus",
        "no modulus",
        "a modulus that is none",
        "a secret",
        "a kind to come",
        "another curve",
        "a point off its curve",
        "a key off its name",
    ],
)
def test_what_does_not_fit_is_left_out_and_the_others_stay(other: dict[str, Any]) -> None:
    """A MAC's secret, a short modulus, a point that is on no curve, a key for encryption."""
    assert set(read_keys(listed(other), BOTH)) == {"k1"}


def test_an_algorithm_that_is_not_configured_has_no_keys() -> None:
    """RS256 is not believed because somebody publishes a key for it."""
    assert set(read_keys(document(FIRST, RSA), [Algorithm.ES256])) == {"k1"}


def test_a_private_part_is_not_read() -> None:
    """An issuer that publishes it has a problem; this process need not have it too."""
    found = read_keys(json.dumps({"keys": [FIRST.as_dict(private=True)]}).encode(), BOTH)
    assert not found["k1"].material.is_private


def test_the_same_id_over_another_key_is_another_key() -> None:
    """What was verified with the one is not verified with the other."""
    one, other = (read_keys(document(new_key("k1")), BOTH)["k1"] for _ in range(2))
    assert one != other and one == read_keys(json.dumps({"keys": [one.material.as_dict(kid="k1")]}).encode(), BOTH)["k1"]


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b'{"keys":[5]}', b"<html>", b"\xff", b"[" * 100_000]
)
def test_a_document_without_a_usable_key_is_none(text: bytes) -> None:
    """What was known before is better than nothing."""
    with pytest.raises(UnusableKeys):
        read_keys(text, BOTH)


def test_a_very_long_list_is_cut() -> None:
    """Whoever publishes thousands of keys gets some of them read."""
    many = [{**FIRST.as_dict(private=False), "kid": f"k{number}"} for number in range(MOST_KEYS + 5)]
    assert len(read_keys(json.dumps({"keys": many}).encode(), BOTH)) == MOST_KEYS
