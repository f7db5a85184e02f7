"""How etcd's JSON gateway spells transactions (path prefix /v3; the same for etcd 3.4, 3.5 and 3.6).

Source: etcd's rpc.proto through grpc-gateway: bytes are base64, 64-bit numbers are strings, fields with zero value are left
out. Requests accept both spellings of a field; answers of 3.4-3.6 use the names of the .proto file.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from controller.coordination.transaction import Answer, Item, Put, Range, Remove, Txn

Json = Mapping[str, Any]


def spell(txn: Txn) -> dict[str, object]:
    """The request body of /v3/kv/txn."""
    compare = [
        {"key": _encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}
        for key, revision in txn.unchanged.items()
    ]
    reads = [{"request_range": spell_range(wanted)} for wanted in txn.reads]
    writes = [_spell_write(write) for write in txn.writes]
    return {"compare": compare, "success": writes or reads, "failure": reads}


def understand(body: Json) -> Answer:
    """The answer of /v3/kv/txn; raises KeyError, TypeError or ValueError when it is not one."""
    found = tuple(
        tuple(_item(pair) for pair in response["response_range"].get("kvs", ()))
        for response in body.get("responses", ())
        if "response_range" in response
    )
    return Answer(succeeded=bool(body.get("succeeded", False)), revision=int(body["header"]["revision"]), found=found)


def spell_range(wanted: Range) -> dict[str, object]:
    """The request body of /v3/kv/range, linearizable and of the present: no request names a revision that etcd may have compacted."""
    body: dict[str, object] = {"key": _encode(wanted.key)}
    if wanted.end is not None:
        body["range_end"] = _encode(wanted.end)
    if wanted.limit:
        body["limit"] = str(wanted.limit)
    return body


def understand_range(body: Json) -> tuple[Item, ...]:
    """The answer of /v3/kv/range; raises KeyError, TypeError or ValueError when it is not one."""
    return tuple(_item(pair) for pair in body.get("kvs", ()))


def _spell_write(write: Put | Remove) -> dict[str, object]:
    if isinstance(write, Remove):
        return {"request_delete_range": {"key": _encode(write.key)}}
    body = {"key": _encode(write.key), "value": _encode(write.value)}
    return {"request_put": body | ({"lease": str(write.lease)} if write.lease else {})}


def _item(pair: Json) -> Item:
    return Item(
        key=_decode(pair["key"]),
        value=_decode(pair.get("value", "")),
        revision=int(pair["mod_revision"]),
        lease=int(pair.get("lease", 0)),
    )


def _encode(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")


def _decode(text: str) -> str:
    return b64decode(text).decode(errors="replace")
