"""The emulated Cloud KMS: routes and bodies are the vendor's, versions change state as documented, refusals are told apart."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient.discovery_cache  # type: ignore[import-untyped]
import pytest
from werkzeug.test import Client

from lab.clouds.faults import FaultKind, Rule
from lab.clouds.google import Google, Settings
from lab.clouds.google_kms import API, ROUTES, crc32c
from lab.keys import GOOGLE_KEY, for_google

KEYS = "/v1/projects/lab/locations/l/keyRings/r/cryptoKeys"
KEY = f"{KEYS}/vault"
VERSIONS = f"{KEY}/cryptoKeyVersions"
PLAIN, CONTEXT = b"k" * 32, b"context"
DAY = 86400.0


@dataclass
class Cloud:
    """One whose clock stands still until a test moves it, with a key."""

    now: float = 1000.0
    google: Google = field(init=False)

    def __post_init__(self) -> None:
        self.google = Google(Settings(), lambda: self.now)
        body = {"purpose": "ENCRYPT_DECRYPT", "destroyScheduledDuration": f"{DAY:.0f}s"}
        assert self.ask("POST", f"{KEYS}?cryptoKeyId=vault", body)[0] == 200

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Status and body of one answer."""
        answer = Client(self.google).open(path, method=method, json=body, headers={"Authorization": "Bearer lab"})
        return answer.status_code, json.loads(answer.data)

    def put(self, state: str, version: str = "1") -> tuple[int, dict[str, Any]]:
        """Have a version in this state."""
        return self.ask("PATCH", f"{VERSIONS}/{version}?updateMask=state", {"state": state})

    def wrap(self) -> tuple[int, dict[str, Any]]:
        """One encryption."""
        return self.ask("POST", f"{KEY}:encrypt", sent("plaintext", PLAIN))

    def unwrap(self, ciphertext: str, context: bytes = CONTEXT) -> tuple[int, dict[str, Any]]:
        """One decryption."""
        return self.ask("POST", f"{KEY}:decrypt", sent("ciphertext", base64.b64decode(ciphertext), context))


@pytest.fixture
def cloud() -> Cloud:
    """A fresh one."""
    return Cloud()


def sent(name: str, data: bytes, context: bytes = CONTEXT) -> dict[str, str]:
    """A request's fields with their checksums."""
    fields = {name: data, "additionalAuthenticatedData": context}
    encoded = {one: base64.b64encode(value).decode() for one, value in fields.items()}
    return encoded | {f"{one}Crc32c": str(crc32c(value)) for one, value in fields.items()}


def word(answer: tuple[int, Mapping[str, Any]]) -> tuple[int, str]:
    """Status and the vendor's word for what is wrong."""
    return answer[0], answer[1]["error"]["status"]


@cache
def description() -> dict[str, Any]:
    """The vendor's description of the API."""
    folder = Path(googleapiclient.discovery_cache.__file__).parent / "documents"
    found: dict[str, Any] = json.loads((folder / "cloudkms.v1.json").read_text())
    return found


def method(operation: str) -> dict[str, Any]:
    """The description of one operation by its id."""
    found = description()
    _, *path = operation.split(".")
    for part in path[:-1]:
        found = found["resources"][part]
    described: dict[str, Any] = found["methods"][path[-1]]
    assert described["id"] == operation
    return described


def strangers(schema: str, body: Mapping[str, Any]) -> set[str]:
    """Fields that the vendor's schema does not have, of a body and of what is in it."""
    known: Mapping[str, Any] = description()["schemas"][schema]["properties"]
    inner = [strangers(known[name]["$ref"], value) for name, value in body.items() if "$ref" in known.get(name, {})]
    return (body.keys() - known.keys()).union(*inner)


@pytest.mark.parametrize(("verb", "path", "operation"), ROUTES, ids=[route[2] for route in ROUTES])
def test_every_route_is_the_vendors(verb: str, path: str, operation: str) -> None:
    """Method and path of every emulated operation are those of the operation with that id in the vendor's description."""
    described = method(operation)
    assert verb == described["httpMethod"]
    ours = [part if part[0] != "<" else "*" + part.partition(">")[2] for part in path.strip("/").split("/")]
    theirs = [part if part[0] != "{" else "*" + part.partition("}")[2] for part in described["flatPath"].split("/")]
    assert ours == theirs


def test_every_body_is_the_vendors(cloud: Cloud) -> None:
    """Nothing is asked or answered that Cloud KMS does not know."""
    assert not strangers("EncryptRequest", sent("plaintext", PLAIN))
    assert not strangers("DecryptRequest", sent("ciphertext", PLAIN))
    _, wrapped = cloud.wrap()
    assert not strangers("EncryptResponse", wrapped)
    assert not strangers("DecryptResponse", cloud.unwrap(wrapped["ciphertext"])[1])
    assert not strangers("CryptoKey", cloud.ask("GET", KEY)[1])
    assert not strangers("CryptoKeyVersion", cloud.ask("POST", VERSIONS, {})[1])
    assert strangers("CryptoKey", {"primary": {"colour": "red"}}) == {"colour"}


def test_the_labs_own_key_is_made_by_its_order(cloud: Cloud) -> None:
    """By an ordinary call, and once."""
    for order in for_google():
        assert cloud.ask(order.method, order.path, order.body)[1]["name"] == GOOGLE_KEY
        assert cloud.ask(order.method, order.path, order.body)[0] == 409


def test_old_versions_open_and_the_primary_one_wraps(cloud: Cloud) -> None:
    """A new version wraps nothing before it is made primary."""
    _, old = cloud.wrap()
    cloud.ask("POST", VERSIONS, {})
    assert cloud.wrap()[1]["name"] == old["name"]
    cloud.ask("POST", f"{KEY}:updatePrimaryVersion", {"cryptoKeyVersionId": "2"})
    _, new = cloud.wrap()
    assert new["name"] == old["name"].removesuffix("1") + "2"
    for wrapped, primary in ((old, False), (new, True)):
        status, opened = cloud.unwrap(wrapped["ciphertext"])
        assert (status, base64.b64decode(opened["plaintext"]), opened["usedPrimary"]) == (200, PLAIN, primary)
        assert opened["plaintextCrc32c"] == str(crc32c(PLAIN))


def test_another_context_or_key_opens_nothing(cloud: Cloud) -> None:
    """400, in the words of the vendor."""
    ciphertext = cloud.wrap()[1]["ciphertext"]
    assert word(cloud.unwrap(ciphertext, b"other")) == (400, "INVALID_ARGUMENT")
    cloud.ask("POST", f"{KEYS}?cryptoKeyId=other", {"purpose": "ENCRYPT_DECRYPT"})
    asked = sent("ciphertext", base64.b64decode(ciphertext))
    assert word(cloud.ask("POST", f"{KEYS}/other:decrypt", asked)) == (400, "INVALID_ARGUMENT")
    assert word(cloud.ask("POST", f"{KEYS}/nothing:decrypt", asked)) == (404, "NOT_FOUND")


def test_a_checksum_that_does_not_match_is_told(cloud: Cloud) -> None:
    """Of the text and of the context; one that was not sent is told as not verified."""
    for name in ("plaintextCrc32c", "additionalAuthenticatedDataCrc32c"):
        status, answer = cloud.ask("POST", f"{KEY}:encrypt", sent("plaintext", PLAIN) | {name: "1"})
        assert (status, "crc32c" in answer["error"]["message"]) == (400, True)
    bare = {name: value for name, value in sent("plaintext", PLAIN).items() if not name.endswith("Crc32c")}
    assert cloud.ask("POST", f"{KEY}:encrypt", bare)[1]["verifiedPlaintextCrc32c"] is False
    assert cloud.wrap()[1]["verifiedPlaintextCrc32c"] is True


def test_a_version_that_is_not_enabled_is_a_failed_precondition(cloud: Cloud) -> None:
    """With the key's state in the details, as clients are told; enabled again it opens again."""
    ciphertext = cloud.wrap()[1]["ciphertext"]
    cloud.put("DISABLED")
    for answer in (cloud.wrap(), cloud.unwrap(ciphertext)):
        assert word(answer) == (400, "FAILED_PRECONDITION")
        assert answer[1]["error"]["details"][0]["violations"][0]["type"] == "KEY_DISABLED"
    cloud.put("ENABLED")
    assert cloud.unwrap(ciphertext)[0] == 200


def test_a_destruction_takes_its_time_and_is_for_ever_then(cloud: Cloud) -> None:
    """Until then it can be called off, and leaves a version that is disabled."""
    ciphertext = cloud.wrap()[1]["ciphertext"]
    for end, state in ((DAY - 1, "DISABLED"), (DAY, "DESTROYED")):
        cloud.put("ENABLED")
        assert cloud.ask("POST", f"{VERSIONS}/1:destroy", {})[1]["state"] == "DESTROY_SCHEDULED"
        assert word(cloud.unwrap(ciphertext)) == (400, "FAILED_PRECONDITION")
        cloud.now += end
        cloud.ask("POST", f"{VERSIONS}/1:restore", {})
        assert cloud.ask("GET", f"{VERSIONS}/1")[1]["state"] == state
    assert word(cloud.put("ENABLED")) == (400, "FAILED_PRECONDITION")
    assert word(cloud.unwrap(ciphertext)) == (400, "FAILED_PRECONDITION")


@pytest.mark.parametrize(
    "body", [{}, {"purpose": "MAC"}, {"purpose": "ENCRYPT_DECRYPT", "destroyScheduledDuration": "60s"}], ids=str
)
def test_a_key_that_is_no_key_is_not_made(cloud: Cloud, body: object) -> None:
    """Only symmetric ones, and a day at least before they are destroyed."""
    assert cloud.ask("POST", f"{KEYS}?cryptoKeyId=new", body)[0] == 400


def test_a_change_without_effect_changes_nothing(cloud: Cloud) -> None:
    """Though it is answered as if it had."""
    rules = "[" + Rule(kind=FaultKind.NO_EFFECT).model_dump_json() + "]"
    Client(cloud.google).put("/_lab/faults", data=rules)
    assert cloud.put("DISABLED")[1]["state"] == "DISABLED"
    assert cloud.ask("GET", f"{VERSIONS}/1")[1]["state"] == "ENABLED"


def test_operations_carry_the_vendors_names(cloud: Cloud) -> None:
    """Fault rules and counts use them."""
    cloud.wrap()
    counted = json.loads(Client(cloud.google).get("/_lab/requests").data)
    assert counted == {f"{API}.create": 1, f"{API}.encrypt": 1}
