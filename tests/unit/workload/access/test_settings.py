"""What a service's `[access]` table may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from workload.access.settings import AccessSettings

GOOD: dict[str, Any] = {"issuer": "https://issuer.test", "audience": "payments", "keys_url": "https://issuer.test/jwks"}


def test_tokens_are_bound_and_signed_with_one_algorithm_unless_somebody_says_otherwise() -> None:
    """The defaults are the careful ones."""
    found = AccessSettings.model_validate(GOOD)
    assert (found.unbound, [*found.algorithms], found.edges, dict(found.services)) == (False, ["ES256"], (), {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithms": []},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"keys_url": "http://issuer.test/jwks"},
        {"longest_age": 400, "refresh": 300},
        {"leeway": 600},
        {"edges": ["aws"]},
        {"services": {"trimaran://service/vault": ["two words"]}},
        {"edges": ["trimaran://edge/aws"], "services": {"trimaran://edge/aws": ["payments:write"]}},
        {"secret": "x"},
    ],
    ids=str,
)
def test_what_would_let_strangers_in_is_no_setting(wrong: dict[str, Any]) -> None:
    """Secrets as algorithms, keys without TLS, an edge that is a service."""
    with pytest.raises(ValidationError):
        AccessSettings.model_validate({**GOOD, **wrong})
