"""What Cloud KMS's adapter makes of answers that were damaged, or that are about another key."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest

from controller.providers.gcp.session import Client
from workload.vault.errors import WrapBroken, WrapRefused, WrapUnavailable
from workload.vault.kms.checksum import crc32c
from workload.vault.kms.gcp import CloudKms, _reads
from workload.vault.wrapping import Wrapped

NAME = "projects/p/locations/l/keyRings/r/cryptoKeys/vault"
VERSION = f"{NAME}/cryptoKeyVersions/3"
KEY, CONTEXT, LONG = b"k" * 32, b"context", timedelta(seconds=5)
WRAPPED = Wrapped(cloud="gcp", kek=VERSION, ciphertext=b"sealed")


class Answering:
    """Answers every question the same, without asking anybody."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = dict(answer)

    def ask(self, question: object) -> dict[str, Any]:
        """The answer."""
        return self._answer


def service(answer: Mapping[str, Any]) -> CloudKms:
    """One that is answered so."""
    return CloudKms(client=lambda: cast(Client, Answering(answer)), key=NAME)


def encoded(field: str, data: bytes, checksum: int | None = None) -> dict[str, str]:
    """A field and its checksum as they go over the wire."""
    return {field: base64.b64encode(data).decode(), f"{field}Crc32c": str(crc32c(data) if checksum is None else checksum)}


GOOD = {
    "name": VERSION,
    **encoded("ciphertext", b"sealed"),
    "verifiedPlaintextCrc32c": True,
    "verifiedAdditionalAuthenticatedDataCrc32c": True,
}


async def test_a_good_answer_is_taken() -> None:
    """The control of this experiment."""
    assert await service(GOOD).wrap(KEY, CONTEXT, LONG) == WRAPPED
    assert await service(encoded("plaintext", KEY)).unwrap(WRAPPED, CONTEXT, LONG) == KEY


@pytest.mark.parametrize(
    "spoiled",
    [
        {"verifiedPlaintextCrc32c": False},
        {"verifiedAdditionalAuthenticatedDataCrc32c": False},
        {"ciphertextCrc32c": "1"},
        {"ciphertext": base64.b64encode(b"sealec").decode()},
        {"ciphertext": "not base64!"},
        {"name": f"{NAME}-of-somebody/cryptoKeyVersions/1"},
    ],
    ids="-".join,
)
async def test_a_wrap_that_was_damaged_on_the_way_is_not_kept(spoiled: Mapping[str, object]) -> None:
    """Kept, it would be found out on the day when the other two clouds are gone."""
    with pytest.raises(WrapUnavailable):
        await service(GOOD | spoiled).wrap(KEY, CONTEXT, LONG)


async def test_a_key_that_was_damaged_on_the_way_is_not_used() -> None:
    """A number sealed with it could be opened by nobody."""
    with pytest.raises(WrapUnavailable):
        await service(encoded("plaintext", KEY, checksum=1)).unwrap(WRAPPED, CONTEXT, LONG)


@pytest.mark.parametrize("primary", [{}, {"primary": {"name": VERSION, "state": "DISABLED"}}])
async def test_a_key_without_an_enabled_primary_version_is_refused(primary: Mapping[str, object]) -> None:
    """There is nothing to wrap with."""
    with pytest.raises(WrapRefused):
        await service({"name": NAME, **primary}).current(LONG)


@pytest.mark.parametrize(
    ("word", "message", "becomes"),
    [
        ("INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.", WrapBroken),
        ("INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c did not match the data.", WrapUnavailable),
        ("FAILED_PRECONDITION", f"{VERSION} is not enabled, current state is: DISABLED.", WrapRefused),
        ("NOT_FOUND", f"CryptoKey {NAME} not found.", WrapRefused),
    ],
)
def test_refusals_with_one_status_are_told_apart_by_the_vendors_word(word: str, message: str, becomes: type[Exception]) -> None:
    """Disabled is somebody's decision, damaged is worth another try, and only the rest is broken."""

    class AnsweredError(Exception):
        content = f'{{"error": {{"code": 400, "message": "{message}", "status": "{word}"}}}}'.encode()

    assert _reads(AnsweredError()) is becomes


def test_an_answer_that_says_nothing_is_a_refusal() -> None:
    """Nobody may call a key lost on the word of a page of HTML."""
    assert _reads(None) is WrapRefused
    assert _reads(OSError()) is WrapRefused
