"""What stands in for associated data at Key Vault, and which version wraps."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from azure.core.exceptions import HttpResponseError
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import Refused
from controller.providers.azure.errors import translated
from workload.vault.errors import Wrap, WrapBroken, WrapDenied, WrapRefused
from workload.vault.kms.azure import KeyVault, Version, _denials, _reads, bind, opened
from workload.vault.kms.telling import told

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONGEST = 190
"""Bytes that RSA-OAEP with SHA-256 takes with the smallest key: RFC 8017, 7.1.1, for 2048 bits."""

bytestrings = st.binary(max_size=64)


@given(key=st.binary(min_size=1, max_size=64), context=bytestrings, other=bytestrings)
def test_a_payload_opens_in_its_own_context_only(key: bytes, context: bytes, other: bytes) -> None:
    """Whatever the key and the contexts are, also when one could be mistaken for a part of the other."""
    payload = bind(key, context)
    assert opened(payload, context) == key
    if other != context:
        with pytest.raises(WrapBroken):
            opened(payload, other)


@given(key=st.binary(min_size=1, max_size=64), context=bytestrings, moved=st.integers(min_value=1, max_value=8))
def test_no_byte_moves_between_key_and_digest(key: bytes, context: bytes, moved: int) -> None:
    """A payload that was cut is none."""
    payload = bind(key, context)
    for cut in (payload[:-moved], b"", payload[len(key) :]):
        with pytest.raises(WrapBroken):
            opened(cut, context)


def test_a_data_key_fits_into_the_smallest_rsa_key() -> None:
    """With its digest."""
    assert len(bind(b"k" * 32, b"context")) <= LONGEST


@pytest.mark.parametrize(
    ("version", "usable"),
    [
        (Version(name="1", created=NOW, enabled=True, begins=None, ends=None), True),
        (Version(name="1", created=NOW, enabled=False, begins=None, ends=None), False),
        (Version(name="1", created=NOW, enabled=True, begins=NOW, ends=NOW + HOUR), True),
        (Version(name="1", created=NOW, enabled=True, begins=NOW + HOUR, ends=None), False),
        (Version(name="1", created=NOW, enabled=True, begins=None, ends=NOW), False),
    ],
)
def test_a_version_wraps_within_its_time_and_while_it_is_enabled(version: Version, usable: bool) -> None:
    """The vault lets an expired one unwrap; a new wrap with it would be born old."""
    assert version.usable(NOW) is usable


def test_a_vault_without_tls_is_refused() -> None:
    """Every request carries a bearer token."""
    with pytest.raises(Refused, match="https"):
        KeyVault(client=lambda: pytest.fail("nobody is asked"), vault_url="http://127.0.0.1:1", key="vault")


@pytest.mark.parametrize(
    ("inner", "becomes"),
    [
        ({"innererror": {"code": "KeyDisabled"}}, WrapRefused),
        ({"innererror": {"code": "ForbiddenByRbac"}}, WrapDenied),
        ({"innererror": {"code": "ForbiddenByPolicy"}}, WrapDenied),
        ({"innererror": "KeyDisabled"}, WrapDenied),
        ({}, WrapDenied),
    ],
)
def test_a_disabled_version_is_no_missing_permission(inner: dict[str, object], becomes: type[Wrap]) -> None:
    """Both are a 403. What the vault has looked at may be wrapped anew; what it was not allowed to look at may open to another key."""
    body = json.dumps({"error": {"code": "Forbidden", "message": "not allowed", **inner}})
    answer = SimpleNamespace(status_code=403, reason="Forbidden", headers={}, text=lambda encoding=None: body)
    with pytest.raises(Wrap) as caught, told("azure", _reads, _denials), translated("UnwrapKey"):
        raise HttpResponseError(response=answer)  # type: ignore[arg-type]
    assert type(caught.value) is becomes
