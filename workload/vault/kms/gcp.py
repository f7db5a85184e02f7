"""Data keys wrapped by a symmetric key of Google Cloud KMS.

Source: Cloud KMS REST reference v1, cryptoKeys.encrypt, .decrypt and .get; Cloud KMS documentation, "Additional authenticated data",
"Verifying end-to-end data integrity" (CRC32C both ways), "Key states".
"""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from controller.providers.gcp.session import Api, Client, end_of
from workload.vault.errors import Wrap, WrapBroken, WrapForeign, WrapRefused, WrapUnavailable
from workload.vault.kms.checksum import crc32c
from workload.vault.kms.telling import told
from workload.vault.wrapping import Wrapped


class CloudKms:
    """One key: `wrapping.Wrapper`. `kek` is the version that was primary. It asks once: whoever waits has two more clouds."""

    cloud = "gcp"

    def __init__(self, *, client: Callable[[], Client], key: str) -> None:
        """`client` makes one for `cloudkms` `v1`, once, in a worker thread. `key`: `projects/P/locations/L/keyRings/R/cryptoKeys/K`."""
        self._api, self._key, self._versions = Api(client), key, f"{key}/cryptoKeyVersions/"

    @property
    def calls(self) -> int:
        """Requests sent to the API so far."""
        return self._api.calls

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        """See `wrapping.Wrapper`."""
        body = _sent("plaintext", key, context)

        def question(kms: Any) -> Any:
            return _keys(kms).encrypt(name=self._key, body=body)

        def take(answer: dict[str, Any]) -> Wrapped:
            if not (answer.get("verifiedPlaintextCrc32c") and answer.get("verifiedAdditionalAuthenticatedDataCrc32c")):
                raise ValueError("the checksums of what was sent did not arrive")
            if not str(answer["name"]).startswith(self._versions):
                raise ValueError(f"asked for {self._key}, wrapped with {answer['name']}")
            return Wrapped(cloud=self.cloud, kek=str(answer["name"]), ciphertext=_received(answer, "ciphertext"))

        with told(self.cloud):
            return await self._api.ask("cryptoKeys.encrypt", question, end_of(deadline), take)

    async def unwrap(self, wrapped: Wrapped, context: bytes, deadline: timedelta) -> bytes:
        """See `wrapping.Wrapper`. Cloud KMS finds the version in the ciphertext."""
        if wrapped.cloud != self.cloud or not wrapped.kek.startswith(self._versions):
            raise WrapForeign(f"{self.cloud}: not a wrap of {self._key}")
        body = _sent("ciphertext", wrapped.ciphertext, context)

        def question(kms: Any) -> Any:
            return _keys(kms).decrypt(name=self._key, body=body)

        with told(self.cloud, _reads):
            return await self._api.ask(
                "cryptoKeys.decrypt", question, end_of(deadline), lambda answer: _received(answer, "plaintext")
            )

    async def current(self, deadline: timedelta) -> str:
        """See `wrapping.Wrapper`."""

        def question(kms: Any) -> Any:
            return _keys(kms).get(name=self._key)

        def take(answer: dict[str, Any]) -> tuple[str, str]:
            primary = answer.get("primary", {"name": answer["name"], "state": "without a primary version"})
            return str(primary["name"]), str(primary["state"])

        with told(self.cloud):
            name, state = await self._api.ask("cryptoKeys.get", question, end_of(deadline), take)
        if state != "ENABLED":
            raise WrapRefused(f"{self.cloud}: {name} is {state}")
        return name


def _keys(kms: Any) -> Any:
    return kms.projects().locations().keyRings().cryptoKeys()


def _sent(field: str, data: bytes, context: bytes) -> dict[str, str]:
    return {
        field: base64.b64encode(data).decode(),
        f"{field}Crc32c": str(crc32c(data)),
        "additionalAuthenticatedData": base64.b64encode(context).decode(),
        "additionalAuthenticatedDataCrc32c": str(crc32c(context)),
    }


def _received(answer: dict[str, Any], field: str) -> bytes:
    """Raises KeyError or ValueError for an answer without it, or damaged on the way. Neither says what was in it."""
    data = base64.b64decode(answer[field], validate=True)
    if crc32c(data) != int(answer[f"{field}Crc32c"]):
        raise ValueError(f"{field} was damaged on the way")
    return data


def _reads(cause: BaseException | None) -> type[Wrap]:
    """A disabled key and a foreign ciphertext both are 400: the vendor's word tells them apart. So is a request that was damaged on the
    way, which is told by its checksum only."""
    try:
        error = json.loads(getattr(cause, "content", b""))["error"]
        word, message = str(error.get("status", "")), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return WrapRefused
    if word != "INVALID_ARGUMENT":
        return WrapRefused
    return WrapUnavailable if "crc32c" in message else WrapBroken
