"""Each controller signs the end of the journal that it has followed entry by entry, and keeps everybody's heads beside its copy.

1. Somebody who holds etcd rewrites an entry and every digest behind it. 2. A controller that signs whatever end it finds signs that. 3. Its
new head agrees with the forgery, and nobody looks for an older one. So a controller signs only what continues what it signed before; what
does not is told, and not signed until a rebuild of the control plane is journaled. Its older heads lie at all three sites, and tell.

Nothing waits for any of it: no tick, no plan and no payment. A head that is lost is signed again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from controller.audit.evidence import Receipt
from controller.audit.keys import Doubt, Ring
from controller.audit.signer import Signer
from controller.coordination.chain import START, End, end_of, verify
from controller.coordination.codec import decode, encode
from controller.core.heads import Head, Occasion, Rhythm, SignedHead, occasion
from controller.core.model import JournalEntry
from controller.errors import Transient, TrimaranError
from controller.journal_copy import REBUILT
from controller.ports import Clock, Coordination
from controller.ports_audit import Anchor, HeadBoard, HeadCopy, HeadName

log = structlog.get_logger()

PAGE = 50
"""Entries or heads that are looked at in one go: a few milliseconds, in which no probe is late."""

LOOKED_BACK = 1000
"""Entries behind the end in which others' heads may still come in."""

SKEW = timedelta(minutes=5)
"""By how much the clock of who rebuilds may be behind."""

PLAN_DONE = "plan.done"
"""Kind of the entry that a plan ends with."""


Read = Callable[[HeadName | None, int], Awaitable[Mapping[HeadName, str]]]
"""A page of heads above a name."""


@dataclass(slots=True, kw_only=True)
class Notary:
    """One controller's signature under one service's journal."""

    service: str
    signer: Signer
    ring: Ring
    coordination: Coordination
    board: HeadBoard
    copy: HeadCopy
    clock: Clock
    rhythm: Rhythm = field(default_factory=Rhythm)
    anchors: Sequence[Anchor] = ()
    anchor_deadline: timedelta = timedelta(seconds=5)
    look_every: timedelta = timedelta(seconds=10)
    keep_every: timedelta = timedelta(minutes=1)
    """Between two looks at what others signed."""
    begins: timedelta = timedelta(0)
    """Before the first look: the notaries of a thousand services do not all look in one moment."""
    between_pages: timedelta = timedelta(seconds=0.2)
    _end: End | None = None
    """How far this controller has followed the journal. None: since its start it has not looked yet."""
    _last: SignedHead | None = None
    _plan_ended: bool = False
    _searched: End = START
    """How far a journal that is not signed was searched for a rebuild."""
    _anchored: dict[str, SignedHead] = field(default_factory=dict)
    """By anchor: the last head that it has."""
    _keep_due: timedelta = timedelta(0)
    _copied_to: HeadName | None = None
    _copied: set[HeadName] = field(default_factory=set)
    _told: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Look, sign, keep, anchor, until cancelled. Whatever fails is told once and tried again."""
        await self.clock.sleep(self.begins)
        while True:
            for chore, work in self._chores():
                try:
                    await work()
                except TrimaranError as error:
                    self._tell(chore, str(error))
                except Exception:
                    log.exception("audit", chore=chore, service=self.service)
                else:
                    self._told.pop(chore, None)
            await self.clock.sleep(self.look_every)

    def _chores(self) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
        yield "signing", self.sign_what_is_due
        if self.clock.monotonic() >= self._keep_due:
            yield "keeping heads", self.keep_others
        yield "anchoring", self.anchor

    # ------------------------------------------------------------------------------------------------ signing

    async def sign_what_is_due(self) -> SignedHead | None:
        """Follow the journal to its end and sign that, if it is due; answers the new head. Raises TrimaranError."""
        if self._end is None:
            self._last = await self._latest_own()
            self._end = End(sequence=self._last.head.sequence, digest=self._last.head.digest) if self._last else START
        if not await self._follow():
            return None
        last = self._last.head if self._last else None
        due = occasion(last, self._end.sequence, self.clock.now(), self.rhythm, plan_ended=self._plan_ended)
        return None if due is None else await self._sign(self._end, due)

    async def _follow(self) -> bool:
        """To the end, as one unbroken chain. False: it does not continue what was signed, and is not signed."""
        assert self._end is not None, "looked up before"
        while True:
            page = await self.coordination.journal(self.service, max(self._end.sequence - 1, 0), PAGE)
            wrong = _discontinued(page, self._end)
            if wrong and not await self._begun_anew():
                self._refuse(wrong)
                return False
            if wrong:
                continue
            new = page if self._end == START else page[1:]
            if (found := verify(new, after=self._end)) is not None:
                self._refuse(f"entry {found.sequence} ({found.damage}): {found.detail}")
                return False
            self._plan_ended |= any(entry.kind == PLAN_DONE for entry in new)
            self._end = end_of(new[-1]) if new else self._end
            if len(page) < PAGE:
                self._told.pop("journal", None)
                return True
            await self.clock.sleep(self.between_pages)

    async def _begun_anew(self) -> bool:
        """Was the control plane rebuilt since the last head? Then the journal is followed from its first entry again, once."""
        since = self._last.head.at if self._last else None
        while True:
            page = await self.coordination.journal(self.service, max(self._searched.sequence - 1, 0), PAGE)
            if _discontinued(page, self._searched):
                self._searched = START  # it began anew once more
                continue
            new = page if self._searched == START else page[1:]
            if not new:
                return False
            if any(one.kind == REBUILT and (since is None or since - one.at <= SKEW) for one in new):
                log.warning("the journal begins anew after a rebuild; what was signed before stays", service=self.service)
                self._end, self._last, self._searched = START, None, START
                return True
            self._searched = end_of(new[-1])
            await self.clock.sleep(self.between_pages)

    def _refuse(self, wrong: str) -> None:
        way_out = "It is not signed. See trimaran audit verify; docs/audit.md says what it may mean."
        self._tell("journal", f"the journal is not the one that was signed: {wrong}", way_out=way_out)

    async def _sign(self, end: End, due: Occasion) -> SignedHead:
        now = self.clock.now()
        head = Head(
            service=self.service,
            sequence=end.sequence,
            digest=end.digest,
            at=now,
            controller=self.signer.controller,
            key=self.signer.id,
        )
        signed = self.signer.sign(head)
        try:  # the own site's first: whoever holds etcd alone cannot keep it from there
            await self.copy.keep_heads({name_of(head): encode(signed)})
        except TrimaranError as error:
            self._tell("own copy", str(error))
        await self.board.post_head(self.service, name_of(head), encode(signed))
        self._last, self._plan_ended = signed, False
        log.info("head signed", service=self.service, sequence=end.sequence, digest=end.digest, occasion=due)
        return signed

    async def _latest_own(self) -> SignedHead | None:
        """The last head of this controller that anybody kept."""
        try:
            kept = await self._own(self.copy.kept_heads)
        except TrimaranError as error:
            self._tell("own copy", str(error))
            kept = []
        posted = await self._own(lambda after, limit: self.board.heads(self.service, after, limit))
        return max((*kept, *posted), key=lambda one: one.head.at, default=None)

    async def _own(self, read: Read) -> list[SignedHead]:
        found: list[SignedHead] = []
        after: HeadName | None = None
        while page := await read(after, PAGE):
            mine = {name: text for name, text in page.items() if name.controller == self.signer.controller}
            found += [one for name, text in mine.items() if (one := self._proven(name, text)) is not None]
            after = max(page)
            if len(page) == PAGE:
                await self.clock.sleep(self.between_pages)
        return found

    # ------------------------------------------------------------------------------------------------ keeping

    async def keep_others(self) -> int:
        """Copy heads of all controllers from etcd to the own node, a page at a time; answers how many. Raises TrimaranError.

        Only what is proven: a false one that came first would keep the true one of the same name out for ever.
        """
        page = await self.board.heads(self.service, self._copied_to, PAGE)
        proven = {name: text for name, text in page.items() if name not in self._copied and self._proven(name, text) is not None}
        if proven:
            await self.copy.keep_heads(proven)
        self._copied |= set(proven)
        if len(page) == PAGE:
            self._copied_to = max(page)
        else:
            self._keep_due = self.clock.monotonic() + self.keep_every
            floor = max((self._end or START).sequence - LOOKED_BACK, 0)
            self._copied = {name for name in self._copied if name.sequence >= floor}
            self._copied_to = HeadName(sequence=floor, controller="", digest="")
        return len(proven)

    def _proven(self, name: HeadName, text: str) -> SignedHead | None:
        """The head, if it is what its name says and its controller signed it; else that is told."""
        try:
            signed = decode(SignedHead, text, key=f"head {name.sequence} of {name.controller}")
        except TrimaranError as error:
            self._tell(f"head {name}", str(error))
            return None
        doubt = self.ring.doubt(signed)
        if name_of(signed.head) != name or signed.head.service != self.service:
            doubt = Doubt.NO_SIGNATURE
        if doubt is not None:
            self._tell(f"head {name}", f"head {name.sequence} of {name.controller} in etcd: {doubt}")
            return None
        return signed

    # ------------------------------------------------------------------------------------------------ anchoring

    async def anchor(self) -> None:
        """Put the last head wherever it is not yet. Raises the last TrimaranError, after every place was asked."""
        failed: TrimaranError | None = None
        for place in self.anchors:
            last = self._last
            if last is None or self._anchored.get(place.id) == last:
                continue
            try:
                receipt = await self._put(place, last)
                kept = encode(Receipt(anchor=place.name, head=last, receipt=receipt))
                await self.board.post_receipt(self.service, name_of(last.head), place.id, kept)
                self._anchored[place.id] = last
            except TrimaranError as error:
                failed = error
        if failed is not None:
            raise failed

    async def _put(self, place: Anchor, head: SignedHead) -> str:
        """Whatever the adapter does about its deadline, this one ends. Raises TrimaranError."""
        putting = asyncio.ensure_future(place.put(encode(head), self.anchor_deadline))
        over = asyncio.ensure_future(self.clock.sleep(2 * self.anchor_deadline))
        try:
            await asyncio.wait({putting, over}, return_when=asyncio.FIRST_COMPLETED)
            if not putting.done():
                raise Transient(f"{place.name} was silent beyond its deadline")
            return putting.result()
        finally:
            putting.cancel()
            over.cancel()

    def _tell(self, about: str, said: str, way_out: str = "") -> None:
        """Once, until it is another sentence."""
        if self._told.get(about) != said:
            self._told[about] = said
            log.warning("audit", service=self.service, about=about, error=said, **({"way_out": way_out} if way_out else {}))


def name_of(head: Head) -> HeadName:
    """What a head is kept under."""
    return HeadName(sequence=head.sequence, controller=head.controller, digest=head.digest)


def _discontinued(page: Sequence[JournalEntry], end: End) -> str:
    """Why the journal is not the one that ended there; empty when it is."""
    if end == START or (page and end_of(page[0]) == end):
        return ""
    if not page:
        return f"it ends before entry {end.sequence}"
    return f"entry {page[0].sequence} has digest {page[0].digest}, and entry {end.sequence} had {end.digest}"
