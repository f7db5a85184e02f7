"""Signed heads in etcd, where every controller sees the others', and the receipts of anchors.

/trimaran/payments/heads/<number>/<controller>/<digest>            one per name; signed again, it is replaced
/trimaran/payments/head_receipts/<number>/<controller>/<digest>/<anchor>   what an anchor answered for it

Both lie before everything that a tick reads of the service (`layout`), and no commit compares them.
"""

from collections.abc import Mapping

from controller.coordination.transaction import Item, KeyValue, Put, Range, Txn, below
from controller.core.naming import key
from controller.ports_audit import HeadBoard, HeadName


class EtcdHeads:
    """Implements `ports_audit.HeadBoard`."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def post_head(self, service: str, name: HeadName, text: str) -> None:
        """Put it there; a later one of the same name replaces it."""
        await self._kv.transact(Txn(writes=(Put(key=_prefix(service) + _path(name), value=text),)))

    async def heads(self, service: str, after: HeadName | None = None, limit: int = 1000) -> Mapping[HeadName, str]:
        """Heads above a name, in order; what is no head's key is left out."""
        prefix = _prefix(service)
        span, found = below(prefix), dict[HeadName, str]()
        start = span.key if after is None else f"{prefix}{_path(after)}\0"
        while len(found) < limit:
            size = limit - len(found)
            answer = await self._kv.transact(Txn(reads=(Range(key=start, end=span.end, limit=size),)))
            (page,) = answer.found
            found |= dict(filter(None, (_named(item, prefix) for item in page)))
            if len(page) < size:
                break
            start = f"{page[-1].key}\0"
        return found

    async def post_receipt(self, service: str, name: HeadName, anchor: str, text: str) -> None:
        """Keep what an anchor answered."""
        where = f"{key(service, 'head_receipts/')}{_path(name)}/{anchor}"
        await self._kv.transact(Txn(writes=(Put(key=where, value=text),)))

    async def receipts(self, service: str, after: str = "", limit: int = 1000) -> Mapping[str, str]:
        """Receipts above a key, in order of the heads they are for."""
        span = below(key(service, "head_receipts/"))
        start = f"{after}\0" if after else span.key
        answer = await self._kv.transact(Txn(reads=(Range(key=start, end=span.end, limit=limit),)))
        return {item.key: item.value for item in answer.found[0]}


def _prefix(service: str) -> str:
    return key(service, "heads/")


def _path(name: HeadName) -> str:
    return f"{name.sequence:012d}/{name.controller}/{name.digest}"


def _named(item: Item, prefix: str) -> tuple[HeadName, str] | None:
    number, _, rest = item.key.removeprefix(prefix).partition("/")
    controller, _, digest = rest.partition("/")
    if not number.isdigit() or not digest:
        return None
    return HeadName(sequence=int(number), controller=controller, digest=digest), item.value


_: type[HeadBoard] = EtcdHeads
