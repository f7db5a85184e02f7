"""The few questions the lab itself asks of etcd, over each member's JSON gateway. The controllers have their own client."""

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from lab.addresses import LOCAL

EVERYTHING = base64.b64encode(b"\0").decode()
"""As `key` and `range_end` together: every key there is."""


class NoAnswerError(Exception):
    """The member could not be asked, or answered with an error; says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One member's idea of the cluster; a member that was cut off may still think that it leads."""

    member: str
    leader: str
    """`0` while there is none."""
    term: int
    revision: int


class Gateway:
    """Asks one member by its client port. Every call raises NoAnswerError after its deadline."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{LOCAL}:{port}"

    async def post(self, path: str, body: Mapping[str, object], deadline: timedelta) -> dict[str, Any]:
        """One call; etcd's own error text is in NoAnswerError."""
        try:
            timeout = aiohttp.ClientTimeout(total=deadline.total_seconds())
            async with aiohttp.ClientSession(timeout=timeout) as session, session.post(self._url + path, json=body) as response:
                answer: dict[str, Any] = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise NoAnswerError(f"{self._url}{path}: {type(error).__name__} {error}") from error
        if "error" in answer:
            raise NoAnswerError(f"{self._url}{path}: {answer['error']}")
        return answer

    async def status(self, deadline: timedelta) -> Status:
        """Who the member is, whom it follows, and how far its own store is."""
        answer = await self.post("/v3/maintenance/status", {}, deadline)
        return Status(
            member=answer["header"]["member_id"],
            leader=answer.get("leader", "0"),
            term=int(answer.get("raftTerm", 0)),
            revision=int(answer["header"].get("revision", 0)),
        )

    async def revision(self, deadline: timedelta) -> int:
        """The cluster's revision now, linearizable: a majority stands behind it."""
        body = {"key": EVERYTHING, "range_end": EVERYTHING, "limit": 1, "count_only": True}
        return int((await self.post("/v3/kv/range", body, deadline))["header"]["revision"])

    async def digest(self, revision: int, deadline: timedelta) -> str:
        """Digest of everything in this member's own store at a revision, with every key's own revisions and lease.

        etcd's HashKV would say the same, but in 3.4 and 3.5 the JSON gateway maps its path to Hash, which ignores the revision
        and covers bookkeeping that differs between sound members.
        """
        body = {"key": EVERYTHING, "range_end": EVERYTHING, "revision": revision, "serializable": True}
        answer = await self.post("/v3/kv/range", body, deadline)
        return hashlib.sha256(json.dumps(answer.get("kvs", []), sort_keys=True).encode()).hexdigest()

    async def members(self, deadline: timedelta) -> dict[str, tuple[str, bool]]:
        """Peer address -> (member id, has it ever started)."""
        answer = await self.post("/v3/cluster/member/list", {}, deadline)
        return {member["peerURLs"][0]: (member["ID"], bool(member.get("name"))) for member in answer["members"]}

    async def replace_member(self, peer: str, deadline: timedelta) -> None:
        """Make room for an empty member at this peer address; repeatable after a lost answer.

        Raises NoAnswerError when etcd refuses, which it does until the remaining members have been in touch for a while.
        """
        known = await self.members(deadline)
        if peer in known:
            identity, started = known[peer]
            if not started:
                return
            with suppress(NoAnswerError):
                await self.post("/v3/cluster/member/remove", {"ID": identity}, deadline)
            if (await self.members(deadline)).get(peer, ("", False))[0] == identity:
                raise NoAnswerError(f"{self._url}: member {identity} could not be removed yet")
        await self.post("/v3/cluster/member/add", {"peerURLs": [peer]}, deadline)
