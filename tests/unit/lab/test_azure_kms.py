"""The emulated key vault: what it shows, wraps and refuses, and how it asks whoever shows no token for one."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from lab.clouds import azure_keys
from lab.clouds.azure_arm import Answer, ArmError
from lab.clouds.azure_keys import PAGE, KeyVault, Request, Version, operation, received, spelled
from lab.clouds.faults import FaultKind
from lab.keys import for_azure

QUERY = {"api-version": "2025-07-01"}
KEY = "/keys/vault"
PLAIN = b"k" * 64


class Hand:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


class Vault:
    """The emulated vault without its server, with one key."""

    def __init__(self) -> None:
        self.clock = Hand()
        self.vault = KeyVault(self.clock)
        self.first = self.ask("POST", f"{KEY}/create", {"kty": "RSA", "key_size": 2048})["key"]["kid"].rpartition("/")[2]

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, **more: Any) -> Answer:
        """One request."""
        return self.vault.answer(Request(method=method, path=path, body=body or {}, query=QUERY, **more))

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The body of the answer; raises ArmError."""
        return self.send(method, path, body).body or {}

    def wrap(self, version: str = "") -> str:
        """A wrap as the vault makes it."""
        return str(self.ask("POST", f"{KEY}/{version}/wrapkey", value(spelled(PLAIN)))["value"])

    def unwrap(self, sealed: str, version: str = "") -> bytes:
        """What comes out."""
        found = self.ask("POST", f"{KEY}/{version}/unwrapkey", value(sealed))["value"]
        return received(value(found))


@pytest.fixture
def vault() -> Vault:
    """A fresh one."""
    return Vault()


def value(encoded: str) -> dict[str, Any]:
    """The body of a wrap or an unwrap."""
    return {"alg": "RSA-OAEP-256", "value": encoded}


def refusal(vault: Vault, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str, str | None]:
    """Status, code and inner code of what the vault answers."""
    with pytest.raises(ArmError) as error:
        vault.ask(method, path, body)
    told = error.value.body["error"]
    return error.value.status, told["code"], told.get("innererror", {}).get("code")


def test_whoever_shows_no_token_is_told_where_to_get_one(vault: Vault) -> None:
    """For the domain that the vault's host is part of: clients send no token to another."""
    answer = vault.send("GET", KEY, authorization="", origin="https://127.0.0.1:4443")
    assert answer.status == 401
    header = answer.headers["WWW-Authenticate"]
    assert header.startswith('Bearer authorization="https://')
    assert 'resource="https://0.0.1:4443"' in header


def test_what_a_version_wrapped_it_unwraps_and_no_other_does(vault: Vault) -> None:
    """Without a name the newest is meant."""
    old = vault.wrap()
    vault.ask("POST", f"{KEY}/rotate")
    new = vault.wrap()
    assert vault.unwrap(old, vault.first) == vault.unwrap(new) == PLAIN
    assert refusal(vault, "POST", f"{KEY}/unwrapkey", value(old)) == (400, "BadParameter", None)


def test_a_disabled_version_wraps_unwraps_nothing_and_is_not_shown(vault: Vault) -> None:
    """As it is reported of the real one: whoever wraps has to look first."""
    sealed = vault.wrap()
    vault.ask("PATCH", f"{KEY}/{vault.first}", {"attributes": {"enabled": False}})
    assert vault.wrap()
    assert refusal(vault, "POST", f"{KEY}/unwrapkey", value(sealed)) == (403, "Forbidden", "KeyDisabled")
    assert refusal(vault, "GET", KEY) == (403, "Forbidden", "KeyDisabled")
    assert vault.ask("GET", f"{KEY}/versions")["value"][0]["attributes"]["enabled"] is False
    vault.ask("PATCH", f"{KEY}/{vault.first}", {"attributes": {"enabled": True}})
    assert vault.unwrap(sealed) == PLAIN


def test_a_window_of_time_binds_wrapping_only(vault: Vault) -> None:
    """What was wrapped within it opens for ever."""
    sealed = vault.wrap()
    vault.ask("PATCH", f"{KEY}/{vault.first}", {"attributes": {"exp": int(vault.clock())}})
    assert refusal(vault, "POST", f"{KEY}/wrapkey", value(spelled(PLAIN)))[:2] == (403, "Forbidden")
    assert vault.unwrap(sealed) == PLAIN


def test_a_deleted_key_is_not_found_until_it_is_recovered(vault: Vault) -> None:
    """Its name stays taken meanwhile; purged it is gone."""
    sealed = vault.wrap()
    vault.ask("DELETE", KEY)
    for method, path in (("GET", KEY), ("GET", f"{KEY}/versions"), ("POST", f"{KEY}/unwrapkey")):
        assert refusal(vault, method, path, value(sealed))[:2] == (404, "KeyNotFound")
    again = refusal(vault, "POST", f"{KEY}/create", {"kty": "RSA"})
    assert again == (409, "Conflict", "ObjectIsDeletedButRecoverable")
    vault.ask("POST", "/deletedkeys/vault/recover")
    assert vault.unwrap(sealed) == PLAIN
    vault.ask("DELETE", KEY)
    assert vault.send("DELETE", "/deletedkeys/vault").status == 204
    assert refusal(vault, "GET", "/deletedkeys/vault")[0] == 404


def test_versions_are_told_by_pages_and_each_once(vault: Vault) -> None:
    """In no order that means anything; no two are as old."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    names = {vault.first}
    for number in range(PAGE + 5):
        made = Version(name=f"{number:032x}", created=number, private=private, attributes={"enabled": True})
        vault.vault._keys["vault"].append(made)
        names.add(made.name)
    found, query = [], dict(QUERY)
    while True:
        body = vault.vault.answer(Request(method="GET", path=f"{KEY}/versions", query=query)).body or {}
        found += [one["kid"].rpartition("/")[2] for one in body["value"]]
        assert len(body["value"]) <= PAGE
        if body["nextLink"] is None:
            break
        query = dict(part.split("=") for part in body["nextLink"].partition("?")[2].split("&"))
    assert sorted(found) == sorted(names)


def test_versions_made_within_a_second_are_told_apart_by_their_age(vault: Vault) -> None:
    """The vault tells whole seconds; whoever looks for the newest must find one."""
    newest = [vault.ask("POST", f"{KEY}/rotate")["attributes"]["created"] for _ in range(2)]
    assert int(vault.clock()) < newest[0] < newest[1]


@pytest.mark.parametrize(
    "body",
    [{}, {"alg": "RSA1_5", "value": "eA"}, value(""), value("+/="), value(spelled(b"x" * 191))],
    ids=["nothing", "algorithm", "empty", "alphabet", "length"],
)
def test_what_cannot_be_wrapped_is_a_bad_parameter(vault: Vault, body: dict[str, Any]) -> None:
    """A key of 2048 bits takes 190 bytes."""
    assert refusal(vault, "POST", f"{KEY}/wrapkey", body)[:2] == (400, "BadParameter")


def test_a_key_does_what_it_was_made_for(vault: Vault) -> None:
    """The lab's own wraps and unwraps."""
    for order in for_azure():
        vault.ask("POST", "/keys/other/create", dict(order.body) | {"key_size": 2048, "key_ops": ["wrapKey"]})
    assert refusal(vault, "POST", "/keys/other/unwrapkey", value("eA"))[:2] == (403, "Forbidden")
    vault.ask("POST", "/keys/other/wrapkey", value("eA"))


def test_a_request_without_effect_changes_nothing(vault: Vault) -> None:
    """Though it is answered as if it had."""
    for method, path, body in (
        ("PATCH", f"{KEY}/{vault.first}", {"attributes": {"enabled": False}}),
        ("POST", f"{KEY}/rotate", {}),
        ("DELETE", KEY, {}),
    ):
        asked = Request(method=method, path=path, body=body, query=QUERY)
        assert vault.vault.answer(asked, effective=False).status == 200
    assert vault.ask("GET", KEY)["key"]["kid"].endswith(vault.first)
    assert len(vault.ask("GET", f"{KEY}/versions")["value"]) == 1


def test_a_request_without_a_version_of_the_api_is_refused(vault: Vault) -> None:
    """As by the vendor."""
    with pytest.raises(ArmError, match="api-version"):
        vault.vault.answer(Request(method="GET", path=KEY))


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", f"{KEY}/create", "CreateKey"),
        ("POST", f"{KEY}/rotate", "RotateKey"),
        ("GET", f"{KEY}/versions", "GetKeyVersions"),
        ("GET", f"{KEY}/", "GetKey"),
        ("PATCH", f"{KEY}/0123", "UpdateKey"),
        ("DELETE", KEY, "DeleteKey"),
        ("POST", f"{KEY}/0123/wrapkey", "WrapKey"),
        ("POST", f"{KEY}/0123/unwrapkey", "UnwrapKey"),
        ("GET", "/deletedkeys/vault", "GetDeletedKey"),
        ("DELETE", "/deletedkeys/vault", "PurgeDeletedKey"),
        ("POST", "/deletedkeys/vault/recover", "RecoverDeletedKey"),
    ],
)
def test_operations_carry_the_vendors_names(method: str, path: str, name: str) -> None:
    """Fault rules and counts use them."""
    assert operation(method, path) == name


def test_every_refusal_of_a_fault_has_the_vaults_own_words() -> None:
    """The Resource Manager's are others."""
    assert set(azure_keys.ERRORS) == {FaultKind.THROTTLE, FaultKind.UNAVAILABLE, FaultKind.DENY, FaultKind.BUSY}
    assert {kind: error.status for kind, error in azure_keys.ERRORS.items()} == {
        FaultKind.THROTTLE: 429,
        FaultKind.UNAVAILABLE: 503,
        FaultKind.DENY: 403,
        FaultKind.BUSY: 409,
    }


def test_no_representation_holds_a_private_key(vault: Vault) -> None:
    """Neither a version's nor an answer's."""
    version = vault.vault._keys["vault"][0]
    assert "RSAPrivateKey" not in repr(version)
    assert set(vault.ask("GET", KEY)["key"]) == {"kid", "kty", "key_ops", "n", "e"}
