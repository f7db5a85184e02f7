"""Every type and every property that a rule names exists: a rule with a typing error in it holds for nothing, and nobody notices."""

from collections.abc import Mapping
from functools import cache

import pytest

from policies.controls import CONTROLS, LOOKED_AT
from policies.rules import identity, sources
from tests.policies.sdk import exists, takes
from tests.policies.spying import TYPES, asked

MADE_UP = frozenset({"id", "arn", "name"})
"""Outputs that resources are joined by."""
EVERY_TYPE = frozenset({"region", "location", "zone", "tags", "labels"})
"""Asked of all types, whether they have them or not."""


@pytest.mark.parametrize("token", sorted((LOOKED_AT | sources.KEYS | set(sources.DEFERRED)) - {sources.REFERENCE}))
def test_every_type_is_in_the_sdk(token: str) -> None:
    """By its class there."""
    assert exists(token)


def test_what_no_rule_could_look_up_is_of_sdks_that_are_not_here() -> None:
    """Four types are named that cannot be checked here; all are refused, or are sources of secrets."""
    named = set(identity.FORBIDDEN) | sources.MAKES_SECRETS
    unchecked = {token for token in named if not exists(token)}
    assert {token.partition(":")[0] for token in unchecked} <= {"azuread", "random", "tls"}


@cache
def _everything() -> Mapping[str, set[str]]:
    return asked(CONTROLS)


@pytest.mark.parametrize("token", TYPES)
def test_every_property_is_in_the_sdk(token: str) -> None:
    """The whole way down, as it is called on the wire."""
    paths = {path for path in _everything()[token] if path.partition(".")[0] not in EVERY_TYPE and path not in MADE_UP}
    assert {path for path in paths if not takes(token, path)} == set()


def test_what_is_not_in_the_sdk_would_be_noticed() -> None:
    """The test above can fail: on a type, on a property, and further down."""
    assert takes("aws:rds/instance:Instance", "multiAz") and not takes("aws:rds/instance:Instance", "multiAZ")
    assert takes("gcp:sql/databaseInstance:DatabaseInstance", "settings.ipConfiguration.sslMode")
    assert not takes("gcp:sql/databaseInstance:DatabaseInstance", "settings.ipConfiguration.requireSsl2")
    assert not exists("aws:rds/instance:Instances")
    assert "settings.ipConfiguration.sslMode" in _everything()["gcp:sql/databaseInstance:DatabaseInstance"]
