"""Data keys wrapped by an RSA key of Azure Key Vault.

Source: Azure Key Vault REST reference, Get Key Versions, Wrap Key, Unwrap Key; "About keys" (the window of `nbf` and `exp` binds
wrapping only, a disabled version unwraps nothing); azure-keyvault-keys, `CryptographyClient`, which wraps here with the public key
that it has fetched, and in the vault where it may not fetch it.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from controller.errors import Refused
from controller.providers.azure.errors import translated
from controller.providers.azure.session import Arm, Client, ends_after
from controller.providers.calls import Calls
from workload.vault.errors import Wrap, WrapBroken, WrapDenied, WrapForeign, WrapRefused
from workload.vault.kms.telling import told
from workload.vault.wrapping import Wrapped

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.keys import KeyClient, KeyProperties
    from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

DIGEST = hashlib.sha256().digest_size
DISABLED = "KeyDisabled"
"""Inner code of the 403 about a disabled version: observed by others at the service, Azure/azure-sdk-for-python issue 45342."""
VERSIONS_KEPT = 8
"""Versions whose public keys are kept; the vault is asked again for one that fell out."""


class KeyVault:
    """One key: `wrapping.Wrapper`. It asks once: whoever waits has two more clouds.

    Which version is the newest enabled one is asked before every wrap: the vault itself goes on wrapping with a disabled version, and
    the SDK with one that was purged, and nothing would ever open what they wrapped.

    A wrap says who may open it, not who made it: whoever knows the public key can wrap a key of his own. The check that an opened key is
    compared with (`workload/vault/clouds.py`) finds a service that errs and a wrap that was changed. It does not find whoever may write
    rows: the check lies in the same database, and he replaces both. Then this opens his key, and numbers that come in are sealed with it;
    old ones stay sealed with the other. What shows it is the other clouds' wraps of the same data key, which only their services can make,
    as long as he leaves them there: a process that asks them first finds that clouds differ, and tells (`vault_broken_total`). One that
    asks this first does not ask them.
    """

    cloud = "azure"

    def __init__(self, *, client: "Callable[[], KeyClient]", vault_url: str, key: str) -> None:
        """`client` is called once, in a worker thread. `key`: its name in the vault. Raises Refused for a vault without TLS."""
        _check_tls(vault_url)
        self._calls = Calls(translated)
        self._client, self._key, self._versions = Client(client, self._calls), key, f"{vault_url.rstrip('/')}/keys/{key}/"
        self._keyed = lru_cache(maxsize=VERSIONS_KEPT)(self._keyed_for)

    @property
    def calls(self) -> int:
        """Calls of the SDK so far. The first one with a version also fetches its public key."""
        return self._calls.count

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        """See `wrapping.Wrapper`."""
        ends = ends_after(deadline)
        with told(self.cloud):
            version = await self._newest(ends)

            def question(keys: "KeyClient") -> bytes:
                found = self._keyed(keys, version).wrap_key(_algorithm(), bind(key, context)).encrypted_key
                return _there(found)

            sealed = await self._client.ask("WrapKey", question, ends)
        return Wrapped(cloud=self.cloud, kek=self._versions + version, ciphertext=sealed)

    async def unwrap(self, wrapped: Wrapped, context: bytes, deadline: timedelta) -> bytes:
        """See `wrapping.Wrapper`. The name of the version is the address that is asked, so one of another vault is not: whoever can
        change a row would otherwise be sent this process's token."""
        version = wrapped.kek.removeprefix(self._versions)
        if wrapped.cloud != self.cloud or version == wrapped.kek or not version.isalnum():
            raise WrapForeign(f"{self.cloud}: not a wrap of {self._versions}")

        def question(keys: "KeyClient") -> bytes:
            return _there(self._keyed(keys, version).unwrap_key(_algorithm(), wrapped.ciphertext).key)

        with told(self.cloud, _reads, _denials):
            return opened(await self._client.ask("UnwrapKey", question, ends_after(deadline)), context)

    async def current(self, deadline: timedelta) -> str:
        """See `wrapping.Wrapper`."""
        with told(self.cloud):
            return self._versions + await self._newest(ends_after(deadline))

    async def _newest(self, ends: float) -> str:
        """The newest enabled version within its time. Raises WrapRefused when there is none."""
        listed = await self._client.collect(
            "GetKeyVersions", lambda keys: keys.list_properties_of_key_versions(self._key), Version.of, ends
        )
        now = datetime.now(UTC)
        usable = [one for one in listed if one.usable(now)]
        if not usable:
            raise WrapRefused(f"{self.cloud}: none of {len(listed)} versions of {self._key} is enabled")
        return max(usable, key=lambda one: (one.created, one.name)).name

    def _keyed_for(self, keys: "KeyClient", version: str) -> "CryptographyClient":
        return keys.get_cryptography_client(self._key, key_version=version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a key."""

    name: str
    created: datetime
    enabled: bool
    begins: datetime | None
    ends: datetime | None

    @classmethod
    def of(cls, listed: "KeyProperties") -> "Version":
        """As the vault lists it. Raises ValueError for an item that is none."""
        if not listed.version or listed.created_on is None:
            raise ValueError("a version without a name or a date")
        return cls(
            name=listed.version,
            created=listed.created_on,
            enabled=bool(listed.enabled),
            begins=listed.not_before,
            ends=listed.expires_on,
        )

    def usable(self, now: datetime) -> bool:
        """May new wraps be made with it?"""
        return self.enabled and (self.begins is None or self.begins <= now) and (self.ends is None or now < self.ends)


def keys_client(arm: Arm, vault_url: str, credential: "TokenCredential") -> "KeyClient":
    """Keys of one vault, with the SDK's own answer to the vault's challenge. `arm`: whose certificates are trusted, and the patience."""
    from azure.keyvault.keys import KeyClient

    options = Arm(
        subscription_id=arm.subscription_id, authority_file=arm.authority_file, connect=arm.connect, read=arm.read
    ).options
    return KeyClient(vault_url, credential, **options)


def bind(key: bytes, context: bytes) -> bytes:
    """What is wrapped: RSA-OAEP has no associated data of its own, so a digest of the context goes in beside the key."""
    return key + hashlib.sha256(context).digest()


def opened(payload: bytes, context: bytes) -> bytes:
    """The key that `bind` put there. Raises WrapBroken when it was bound to another context."""
    key, digest = payload[:-DIGEST], payload[-DIGEST:]
    if not key or not hmac.compare_digest(digest, hashlib.sha256(context).digest()):
        raise WrapBroken("azure: wrapped in another context")
    return key


def _algorithm() -> "KeyWrapAlgorithm":
    from azure.keyvault.keys.crypto import KeyWrapAlgorithm

    return KeyWrapAlgorithm.rsa_oaep_256


def _there(found: bytes | None) -> bytes:
    if not found:
        raise ValueError("an answer without a value")
    return found


def _reads(cause: BaseException | None) -> type[Wrap]:
    """400 is what Key Vault answers when the padding does not come out; all other refusals have a status of their own."""
    return WrapBroken if getattr(cause, "status_code", None) == 400 else WrapRefused


def _denials(cause: BaseException | None) -> type[Wrap]:
    """403 is also what Key Vault answers when the version is disabled; it has looked then, and says so in an inner code.

    1. A version is thought to be known to others, and is disabled. 2. Told as a missing permission, its wraps pass for ones that nobody
    looked at, which repairs leave alone. 3. No key is ever wrapped anew, and with two other clouds away every number is shut.
    """
    inner = getattr(getattr(cause, "error", None), "innererror", None)
    return WrapRefused if isinstance(inner, Mapping) and inner.get("code") == DISABLED else WrapDenied


def _check_tls(vault_url: str) -> None:
    if not vault_url.startswith("https://"):
        raise Refused(guard="tls-only", value=vault_url, limit="an https URL", way_out="Name the vault's https address.")
