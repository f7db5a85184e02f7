"""The `Coordination` port over etcd: one linearizable read per tick, one atomic transaction per commit.

A commit compares the revision of everything it rests on and of the journal's head, and always replaces the head, which
remembers the stamps of the latest commits. So it can be sent again after a lost answer, by the client below or by the caller
with the same arguments: it is written once, and the second asking is answered as the first would have been.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from controller.coordination.chain import End, before, end_of, verify
from controller.coordination.change import Change, Moved, stamp
from controller.coordination.codec import decode, encode
from controller.coordination.commit import Commit
from controller.coordination.heads import EtcdHeads
from controller.coordination.layout import Keys, session_key
from controller.coordination.reading import Reader, control_ranges
from controller.coordination.records import Tip
from controller.coordination.session import Session, replace
from controller.coordination.transaction import ABSENT, KeyValue, LeaseLapsed, Put, Range, Remove, Txn, below
from controller.core.deliveries import Telling
from controller.core.model import JournalEntry, Observation, Posture, Token
from controller.core.plans import Plan
from controller.errors import LostOwnership, Transient
from controller.ports import Clock, Control, Draft, Remains, Request
from controller.telling_ports import Kept

APPENDS = 100
"""Attempts to append while other writers move the journal's head; the store's patience usually ends sooner."""

PAGE = 200
"""Journal entries per request, so that a long journal does not meet the deadline of one call."""


class Store:
    """One controller's view of etcd. Implements `ports.Coordination` and `telling_ports.Desk`."""

    def __init__(
        self,
        kv: KeyValue,
        *,
        controller: str,
        clock: Clock,
        session_term: timedelta = timedelta(seconds=2),
        patience: timedelta = timedelta(seconds=1),
    ) -> None:
        """`patience` bounds how long a commit contends for the journal's head; `session_term` is what etcd is asked for."""
        self._kv, self._controller, self._clock, self._patience = kv, controller, clock, patience
        self.session = Session(kv, key=session_key(controller), controller=controller, clock=clock, term=session_term)
        self._reader = Reader()
        self._tips: dict[str, Tip] = {}
        self._published: dict[str, int] = {}

    @property
    def board(self) -> EtcdHeads:
        """Signed heads of the journals, in the same etcd."""
        return EtcdHeads(self._kv)

    async def open_session(self) -> int:
        """Have a session lease for this controller, new if the old one lapsed; answers the lease."""
        return await self.session.open()

    async def read(self, service: str) -> Control | None:
        """Everything about a service in one round trip; raises Transient, and Unreadable for a key that must be mended."""
        keys = Keys(service)
        control, self._tips[service] = self._reader.control(keys, await self._kv.transact(Txn(reads=control_ranges(keys))))
        return control

    async def found(self, posture: Posture) -> None:
        """Write the first posture of a service and open its journal; keeps an existing posture untouched."""
        keys = Keys(posture.service)
        first = Change(
            keys=keys,
            actor=self._controller,
            unchanged={keys.posture: ABSENT},
            writes=(Put(key=keys.posture, value=encode(posture)),),
            drafts=(Draft(kind="founded", body={"posture": posture}),),
            stamp=stamp("found", self._controller, posture),
        )
        try:
            await self._append(first)
        except LostOwnership:
            return

    async def publish(self, service: str, observation: Observation) -> None:
        """Replace this vantage's observation, under its session lease; an older one that arrives late cannot overwrite it."""
        key, value = Keys(service).observation(observation.vantage), encode(observation)
        for _ in range(2):
            lease, known = await self.session.open(), self._published.get(key, ABSENT)
            try:
                self._published[key] = await replace(self._kv, key=key, value=value, lease=lease, known=known)
                return
            except LeaseLapsed:
                self.session.lapsed(lease)
        raise Transient("the session lapsed twice while an observation was published")

    async def commit(
        self,
        known: Control,
        *,
        posture: Posture | None = None,
        plan: Plan | None = None,
        take: bool = False,
        settle_request: str | None = None,
        journal: Sequence[Draft] = (),
    ) -> Control:
        """Write all of it or nothing, only if nothing it rests on has changed since `known`; answers the new control state.

        Raises LostOwnership when something changed, Transient when the answer is lost; then the same call with the same
        `known` settles it, as long as no more than 32 other commits came in between.
        """
        if take:
            await self.session.open()
        announced, announcement = self.session.announcement
        wanted = Commit(
            controller=self._controller,
            session=self.session.lease,
            announcement={announced: announcement} if take else {},
            known=known,
            posture=posture,
            plan=plan,
            take=take,
            settle_request=settle_request,
            journal=tuple(journal),
        )
        try:
            return wanted.after(await self._append(wanted.change()))
        except Moved as moved:
            if announced in moved.keys:
                self.session.lapsed(wanted.session)
            raise

    async def request(self, service: str, request: Request) -> None:
        """Leave an operator's wish; the same id twice is the same wish, even after it was settled."""
        keys = Keys(service)
        waiting, settled = keys.request(request.id), keys.settled(request.id)
        write = Put(key=waiting, value=encode(request))
        await self._kv.transact(Txn(unchanged={waiting: ABSENT, settled: ABSENT}, writes=(write,)))

    async def journal(self, service: str, after: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        """Entries with a sequence above `after`, in etcd's order; whether they form a chain is for `chain.verify` to say."""
        keys = Keys(service)
        end = below(keys.journal).end
        entries: list[JournalEntry] = []
        while len(entries) < limit:
            size = min(PAGE, limit - len(entries))
            answer = await self._kv.transact(Txn(reads=(Range(key=keys.entry(after + 1), end=end, limit=size),)))
            (page,) = answer.found
            entries += (decode(JournalEntry, item.value, key=item.key) for item in page)
            if len(page) < size:
                break
            after = int(page[-1].key.removeprefix(keys.journal))
        return tuple(entries)

    async def remains(self, service: str) -> Remains:
        """What there is of a service, be it nothing; raises Transient, and Unreadable for a key that must be mended."""
        keys = Keys(service)
        answer = await self._kv.transact(Txn(reads=control_ranges(keys)))
        control, tip = self._reader.control(keys, answer)
        self._tips[service] = tip
        compared = (keys.posture, keys.plan, keys.owner)
        found = {item.key: item.revision for item in answer.found[0]}
        return Remains(
            control=control,
            latest=control.posture.token(answer.revision) if control else Token(answer.revision),
            entries=tip.head.end.sequence,
            digest=tip.head.end.digest,
            revisions={key: found.get(key, ABSENT) for key in compared},
        )

    async def rebuild(
        self, known: Remains, posture: Posture, journal: Sequence[Draft], history: Sequence[JournalEntry] = ()
    ) -> None:
        """Write a posture that databases prove, without plan and owner; an owner of before would go on with a plan that is of the past.
        An order that waited in a backup was answered long ago, and moves nobody a second time. First the `history` that continues the
        journal, which means nothing by itself. Raises LostOwnership, Transient."""
        keys = Keys(posture.service)
        if history:
            await self._put_back(keys, known, history)
        drafts, orders = tuple(journal), known.control.requests if known.control is not None else ()
        settled = (Put(key=keys.settled(order.id), value=encode(self._controller)) for order in orders)
        gone = (keys.plan, keys.owner, *(keys.request(order.id) for order in orders))
        change = Change(
            keys=keys,
            actor=self._controller,
            unchanged=known.revisions,
            writes=(Put(key=keys.posture, value=encode(posture)), *(Remove(key=key) for key in gone), *settled),
            drafts=drafts,
            stamp=stamp("rebuild", self._controller, known.revisions, posture, drafts),
        )
        await self._append(change)

    async def telling(self, service: str) -> Kept:
        """See `telling_ports.Desk`."""
        keys = Keys(service)
        (kept,) = (await self._kv.transact(Txn(reads=(Range(key=keys.telling),)))).found
        if not kept:
            return Kept(record=Telling(), revision=ABSENT)
        return Kept(record=self._reader.value(Telling, kept[0]), revision=kept[0].revision)

    async def tell(self, service: str, known: Kept, record: Telling, journal: Sequence[Draft] = ()) -> Kept:
        """See `telling_ports.Desk`."""
        keys, drafts = Keys(service), tuple(journal)
        put = Put(key=keys.telling, value=encode(record))
        if not drafts:
            txn = Txn(unchanged={put.key: known.revision}, writes=(put,), reads=(Range(key=put.key),))
            answer = await self._kv.transact(txn)
            if answer.succeeded:
                return Kept(record=record, revision=answer.revision)
            (found,) = answer.found
            if found and found[0].value == put.value:  # the first sending was applied, and its answer lost
                return Kept(record=record, revision=found[0].revision)
            raise Moved([put.key])
        change = Change(
            keys=keys,
            actor=self._controller,
            unchanged={put.key: known.revision},
            writes=(put,),
            drafts=drafts,
            stamp=stamp("tell", self._controller, known.revision, record, drafts),
        )
        return Kept(record=record, revision=(await self._append(change))[put.key])

    async def _put_back(self, keys: Keys, known: Remains, history: Sequence[JournalEntry]) -> None:
        """Entries a page at a time, then the head that makes them the journal. Interrupted, the same ones are put there again."""
        known_end, tip = End(sequence=known.entries, digest=known.digest), self._tips.get(keys.service, Tip())
        after = known_end if known.entries else before(history[0])
        if tip.head.end != known_end or verify(history, after=after) is not None:
            raise LostOwnership(
                f"{keys.head} changed since it was read, or the history does not continue it; nothing was put back"
            )
        for at in range(0, len(history), PAGE // 4):
            puts = tuple(Put(key=keys.entry(one.sequence), value=encode(one)) for one in history[at : at + PAGE // 4])
            answer = await self._kv.transact(Txn(unchanged={keys.head: tip.revision}, writes=puts))
            if not answer.succeeded:
                raise Moved([keys.head])
        end = end_of(history[-1])
        head = tip.head.after(end, stamp("put back", end))
        txn = Txn(
            unchanged={keys.head: tip.revision}, writes=(Put(key=keys.head, value=encode(head)),), reads=(Range(key=keys.head),)
        )
        answer = await self._kv.transact(txn)
        seen = tip if answer.succeeded else self._reader.tip(answer.found[0])
        if not answer.succeeded and seen.head != head:
            raise Moved([keys.head])
        self._tips[keys.service] = Tip(head=head, revision=answer.revision if answer.succeeded else seen.revision)

    async def _append(self, change: Change) -> Mapping[str, int]:
        """Write the change behind the journal's end, wherever that is by now; answers the new revisions of what it compared."""
        service, give_up = change.keys.service, self._clock.monotonic() + self._patience
        tip = self._tips.get(service, Tip())
        for _ in range(APPENDS):
            txn, head = change.onto(tip, self._clock.now())
            answer = await self._kv.transact(txn)
            if answer.succeeded:
                self._tips[service] = Tip(head=head, revision=answer.revision)
                return dict.fromkeys(change.put, answer.revision)
            seen = {item.key: item for group in answer.found for item in group}
            built_on, tip = tip, self._reader.tip(tuple(filter(None, (seen.get(change.keys.head),))))
            self._tips[service] = tip
            if change.refused(seen, built_on, tip):
                return {key: seen[key].revision for key in change.put}
            if self._clock.monotonic() >= give_up:
                break
        raise Transient(f"{change.keys.head} kept moving while others wrote; nothing was written")
