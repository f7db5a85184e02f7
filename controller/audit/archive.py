"""What one controller can show beside the journal itself: its own site's copy, signed heads, receipts, and whose keys it believes."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.audit.keys import PublicKey
from controller.core.heads import Rhythm
from controller.core.model import Site
from controller.ports import JournalCopy
from controller.ports_audit import HeadBoard, HeadCopy, HeadName


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One service's, as one controller reaches it. It asks its own node and etcd, and no other site's: each tells of its own."""

    service: str
    controller: Site
    board: HeadBoard
    copy: JournalCopy
    heads: HeadCopy
    keys: tuple[PublicKey, ...] = ()
    rhythm: Rhythm | None = None
    """None: this controller signs nothing."""
    anchors: tuple[str, ...] = ()
    """Names of the places outside that its heads are put to."""

    def said(self) -> Mapping[str, object]:
        """What its settings say: the public keys, and how often it signs."""
        return {
            "controller": self.controller,
            "keys": [
                {"controller": one.controller, "public": one.public, "until": one.until.isoformat() if one.until else None}
                for one in self.keys
            ],
            "entries": self.rhythm.entries if self.rhythm else None,
            "every_s": self.rhythm.every.total_seconds() if self.rhythm else None,
            "anchors": list(self.anchors),
        }

    async def page(self, kind: str, after: str, limit: int) -> tuple[str, list[tuple[str, str]]]:
        """A page of one kind: where the next one begins, and texts by name. Raises ValueError for a kind or place that there is not, and
        TrimaranError.

        Kinds: `posted` (heads in etcd), `kept` (heads in the own node), `receipts`, and `copy-N`, entries of a branch of the copy.
        """
        match kind.partition("-"):
            case ("posted", "", ""):
                return _next(_named(await self.board.heads(self.service, _head(after), limit)))
            case ("kept", "", ""):
                return _next(_named(await self.heads.kept_heads(_head(after), limit)))
            case ("receipts", "", ""):
                return _next(list((await self.board.receipts(self.service, after, limit)).items()))
            case ("copy", "-", branch):
                entries = await self.copy.kept_journal(int(branch), int(after or 0), limit)
                return _next([(str(number), text) for number, text in entries.items()])
        raise ValueError(f"no {kind}")

    async def branches(self) -> Mapping[int, int]:
        """Of the copy, each with its last number."""
        return await self.copy.branches()


def _named(heads: Mapping[HeadName, str]) -> list[tuple[str, str]]:
    return [(f"{one.sequence}/{one.controller}/{one.digest}", text) for one, text in heads.items()]


def _head(after: str) -> HeadName | None:
    if not after:
        return None
    number, controller, digest = after.split("/", 2)
    return HeadName(sequence=int(number), controller=controller, digest=digest)


def _next(page: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    return page[-1][0] if page else "", page
