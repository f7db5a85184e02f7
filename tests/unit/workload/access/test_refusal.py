"""What a refused caller is told, as the standards have it."""

import json

import pytest

from workload.access.refusal import AccessRefused, Kind, answer

STATUSES = {
    Kind.NO_TOKEN: 401,
    Kind.MALFORMED: 400,
    Kind.UNKNOWN_TOKEN: 401,
    Kind.WRONG_ALGORITHM: 401,
    Kind.EXPIRED: 401,
    Kind.NOT_YET_VALID: 401,
    Kind.WRONG_AUDIENCE: 401,
    Kind.WRONG_CERTIFICATE: 401,
    Kind.MISSING_SCOPE: 403,
    Kind.KEYS_UNKNOWN: 503,
}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_status_and_says_that_nothing_happened(kind: Kind) -> None:
    """401 asks for another token, 403 for another scope, 503 for patience."""
    given = answer(AccessRefused(kind, "why"), realm="payments", instance="/v1/payments")
    document = json.loads(bytes(given.body))
    assert given.status_code == document["status"] == STATUSES[kind]
    assert document["type"] == f"urn:trimaran:problem:{kind}" and document["outcome"] == "nothing-happened"
    assert given.headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in given.headers) is (kind is not Kind.KEYS_UNKNOWN)
    assert given.headers.get("retry-after") in (("1", "2") if kind is Kind.KEYS_UNKNOWN else (None,))


def test_who_showed_nothing_is_told_no_error() -> None:
    """RFC 6750 section 3.1: a challenge without a code."""
    assert AccessRefused(Kind.NO_TOKEN, "why").challenge("payments") == 'Bearer realm="payments"'


def test_who_lacks_a_scope_is_told_which() -> None:
    """RFC 6750 section 3: the scope that would do."""
    told = AccessRefused(Kind.MISSING_SCOPE, "the scope payments:write is needed", "payments:write").challenge("payments")
    assert 'error="insufficient_scope"' in told and 'scope="payments:write"' in told


def test_no_text_ends_its_field() -> None:
    """A quote or a line break in a detail would make another field, or another header."""
    told = AccessRefused(Kind.EXPIRED, 'a", error="none\r\nSet-Cookie: a=b\\').challenge("payments")
    assert told.count('"') == 6 and "\n" not in told and "\r" not in told and "\\" not in told
