"""Data keys wrapped by a symmetric key of AWS KMS.

Source: AWS KMS API reference, DescribeKey, Encrypt and Decrypt; AWS KMS Developer Guide, "Encryption context" (it stands readable in
CloudTrail) and "Rotate AWS KMS keys" (a rotation changes the key material behind the same ARN, and Decrypt finds the material by itself).
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from controller.providers.aws.errors import translated
from controller.providers.aws.session import Session, client
from controller.providers.calls import Calls
from workload.vault.errors import Wrap, WrapBroken, WrapForeign, WrapRefused
from workload.vault.kms.telling import told
from workload.vault.wrapping import Wrapped

KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
USABLE = frozenset({"Enabled", "Updating"})
"""States of a key that wraps. Source: AWS KMS Developer Guide, "Key states of AWS KMS keys"."""
BROKEN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
"""KMS says the same of a ciphertext that was changed and of one in another context."""


class Kms:
    """One key: `wrapping.Wrapper`. It asks once: whoever waits has two more clouds.

    `kek` is the key's ARN and, behind a `#`, the id of its key material, which is what a rotation changes. Encrypt does not say which
    material it used, so DescribeKey is asked before: a rotation in between leaves a wrap that is told older than it is and is wrapped
    once more. Of a key in a custom key store DescribeKey tells no material: `kek` is then the ARN alone, and of rotations only those are
    seen that point the alias at another key.
    """

    cloud = "aws"

    def __init__(self, *, client: Callable[[], Any], key: str, former: Collection[str] = ()) -> None:
        """`client` makes one for `kms`, once, in a worker thread. `key`: its ARN or id, or `alias/NAME`. `former`: ARNs of keys that
        this was before, whose wraps are opened still."""
        self._make, self._lock, self._key = client, threading.Lock(), key
        self._own = {*former, key}
        """ARNs of keys whose wraps are opened; what `key` stands for is added when KMS has told."""
        self._made: Any = None
        self._calls = Calls(translated)

    @property
    def calls(self) -> int:
        """Requests that were sent to the API so far."""
        return self._calls.count

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        """See `wrapping.Wrapper`."""
        ends = asyncio.get_running_loop().time() + deadline.total_seconds()
        kek = await self.current(deadline)

        def call() -> bytes:
            answer = self._client().encrypt(KeyId=_arn(kek), Plaintext=key, EncryptionContext=_bound(context))
            return bytes(answer["CiphertextBlob"])

        left = timedelta(seconds=ends - asyncio.get_running_loop().time())
        with told(self.cloud):
            return Wrapped(cloud=self.cloud, kek=kek, ciphertext=await self._calls.run("Encrypt", call, left))

    async def unwrap(self, wrapped: Wrapped, context: bytes, deadline: timedelta) -> bytes:
        """See `wrapping.Wrapper`. KMS is told which key it was, and that must be one of the settings': it would otherwise open with any key
        of any account that this role may use, and whoever changes a row would choose the key that numbers are sealed with."""
        ends = asyncio.get_running_loop().time() + deadline.total_seconds()
        arn = _arn(wrapped.kek)
        if wrapped.cloud != self.cloud or KEY.fullmatch(arn) is None:
            raise WrapForeign(f"{self.cloud}: not a wrap of this cloud")
        if arn not in self._own:
            await self._described(deadline)
        if arn not in self._own:
            raise WrapForeign(f"{self.cloud}: not a wrap of {self._key}, nor of a key that the settings name as a former one")

        def call() -> bytes:
            answer = self._client().decrypt(KeyId=arn, CiphertextBlob=wrapped.ciphertext, EncryptionContext=_bound(context))
            if answer["KeyId"] != arn:
                raise ValueError(f"asked for {arn}, opened with {answer['KeyId']}")
            return bytes(answer["Plaintext"])

        left = timedelta(seconds=ends - asyncio.get_running_loop().time())
        with told(self.cloud, _reads):
            return await self._calls.run("Decrypt", call, left)

    async def current(self, deadline: timedelta) -> str:
        """See `wrapping.Wrapper`."""
        found = await self._described(deadline)
        if found["KeyState"] not in USABLE:
            raise WrapRefused(f"{self.cloud}: {found['Arn']} is {found['KeyState']}")
        return f"{found['Arn']}#{found['material']}" if found["material"] else str(found["Arn"])

    async def _described(self, deadline: timedelta) -> Mapping[str, Any]:
        def call() -> Mapping[str, Any]:
            found: Mapping[str, Any] = self._client().describe_key(KeyId=self._key)["KeyMetadata"]
            return {name: found[name] for name in ("Arn", "KeyState")} | {"material": found.get("CurrentKeyMaterialId")}

        with told(self.cloud):
            found = await self._calls.run("DescribeKey", call, deadline)
        self._own.add(str(found["Arn"]))
        return found

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def kms_client(*, region: str, endpoint_url: str | None, session: Session | None = None) -> Any:
    """A client; see `controller.providers.aws.session.client`. `session` None: boto3's own chain.

    At DEBUG botocore writes every request and every answer into the log, plain keys and all; its loggers are kept from that, whatever
    the process's own level is.
    """
    vendor = logging.getLogger("botocore")
    vendor.setLevel(max(vendor.level, logging.INFO))
    if session is None:
        return client("kms", region=region, endpoint_url=endpoint_url)
    return client("kms", region=region, endpoint_url=endpoint_url, session=session)


def _arn(kek: str) -> str:
    return kek.partition("#")[0]


def _bound(context: bytes) -> Mapping[str, str]:
    return {"context": context.hex()}


def _reads(cause: BaseException | None) -> type[Wrap]:
    match getattr(cause, "response", None):
        case {"Error": {"Code": code}} if code in BROKEN:
            return WrapBroken
    return WrapRefused
