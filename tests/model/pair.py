"""The twin beside its original: each step on the model's node and on the database in memory, and what can be seen of both compared.

What the model leaves out is put back here, always in the way that lets more happen (docs/model.md): a worker starts at once, who holds
everything confirms the end at once, and a spare slot holds everything since its stream began.
"""

import re
from collections.abc import Callable

from controller.core import naming
from controller.core.model import Epoch, Lsn, Position
from controller.errors import Conflict, StaleToken, Stuck
from controller.providers.memory import world
from controller.providers.memory.server import NOWHERE, MemoryServer, Stream
from tests.model import node as model
from tests.model import server
from tests.model.node import COPY, ENABLED, FENCED, FOLLOWER, NUMBERS, OWN_LOG, SITES, STOPPED, STOPPING, WRITER, Item, Node
from tests.model.safeguards import SOUND, Rules
from tests.model.world import FOUNDER, Budget, Scenario, first_world

SERVICE = "payments"
ROLES = {"writer": WRITER, "follower": FOLLOWER, "fenced": FENCED}

Wait = tuple[world.Waiting, model.Waiting]
Asked = tuple[int, world.Poll, model.Poll | None, tuple[Wait, ...]]
"""A look at a site's barrier that was sent: in memory, in the model (None: to no writer), and who waited then."""
Read = tuple[Position, Position]
"""One position, in memory and in the model."""


class Different(AssertionError):
    """The twin is not what it stands for."""


def named(epoch: int, publisher: int, follower: int) -> str:
    """A stream's slot and subscription."""
    return naming.stream(SERVICE, Epoch(epoch), SITES[publisher], SITES[follower])


class Pair:
    """Three nodes, twice."""

    def __init__(self, rules: Rules = SOUND) -> None:
        """`rules`: those of the model; what ships has all of them."""
        self.rules = rules
        self.nodes = list(first_world(Scenario(about="", budget=Budget()), SOUND).nodes)
        self.world = world.found_world(SERVICE, SITES, SITES[FOUNDER])
        self.world.live = False
        self.servers = [self.world.servers[site] for site in SITES]
        self.ends: list[list[Lsn]] = [[one.log[-1].end] for one in self.servers]
        """Where each entry of the model's log ends in memory."""
        self.places: list[dict[Lsn, int]] = [{ends[0]: 1} for ends in self.ends]
        """The same, of everything that ever was in a log."""
        self.copied: dict[tuple[int, str], int] = {}
        self.items: dict[str, Item] = {}
        """Execution of each payment, as the model tells them apart."""
        self.waits: list[list[Wait]] = [[] for _ in NUMBERS]
        self.same("founded")

    # ------------------------------------------------------------------------------------------------ one step on both

    def both(self, site: int, said: str, after: Node | None, work: Callable[[MemoryServer], object]) -> bool:
        """A step that both carry out, or both refuse. Answers whether they did."""
        before = len(self.servers[site].log)
        try:
            work(self.servers[site])
        except (Conflict, StaleToken, Stuck) as refusal:
            if after is not None:
                raise Different(f"{said} on {SITES[site]}: memory refuses ({refusal}), the model does not") from refusal
        else:
            if after is None:
                raise Different(f"{said} on {SITES[site]}: the model refuses, memory does not")
            self._take(site, after, before)
        self.same(f"{said} on {SITES[site]}")
        return after is not None

    def _take(self, site: int, after: Node, before: int, *, many: bool = False) -> None:
        """The model's node is this one now. `before`: transactions that were in memory's log. `many`: one of them there is many here."""
        self.nodes[site], ends = after, self.ends[site]
        new = [one.end for one in self.servers[site].log[before:]]
        missing = len(after.log) - len(ends)
        if missing < 0:
            del ends[len(after.log) :]
        elif many:
            ends += [self.servers[site].flushed] * missing
        else:
            ends += new
        self.places[site] |= {end: at for at, end in enumerate(ends, 1)}

    def pay(self, site: int, key: int) -> bool:
        """A client: commits, or finds its payment, and waits."""
        node, at = self.nodes[site], SITES[site]
        known = next((entry.item for entry in node.log if entry.item.key == key), None)
        after = None
        if server.admits(node, self.rules):
            after = server.commit(node, site, key) if known is None else server.found(node, known)
        item = known or Item(key, site, node.epoch, node.timeline)

        def enter(_: MemoryServer) -> None:
            waiting = self.world.enter(at, f"k{key}")
            self.items.setdefault(waiting.paid.payment, item)
            end = len(node.log) + (known is None)
            self.waits[site].append((waiting, model.Waiting(item, end, node.epoch, node.timeline)))

        return self.both(site, f"payment {key}", after, enter)

    def apply(self, site: int) -> bool:
        """A follower's worker takes what comes next. Answers whether anything did."""
        moved = False
        for which, stream in enumerate(self.nodes[site].streams):
            publisher = stream.publisher
            if stream.copied < 0 and not self.nodes[publisher].pinned:
                return False  # a copy of a foreign timeline proves nothing, and log of that node's own has another place in each
            done = server.apply(site, self.nodes[site], which, self.nodes[publisher])
            behind, before = self._to_pass(site, publisher), len(self.servers[site].log)
            copies, passes = stream.copied < 0, stream.copied > 0 and behind > 0
            self.world.apply(SITES[site], 0 if copies else behind if passes else 1)
            if done is not None:
                self._take(site, done[0], before, many=copies)
                self.nodes[publisher] = done[1]
                moved = True
            if copies and done is not None:
                at = self._original(site).copied_to
                self.copied[site, self._original(site).name] = sum(end <= at for end in self.ends[publisher])
            self.same(f"{SITES[site]} applies")
        return moved

    def _original(self, site: int) -> Stream:
        (stream,) = self.servers[site].streams.values()
        return stream

    def _to_pass(self, site: int, publisher: int) -> int:
        """Transactions that come next and were in the copy."""
        stream, holder = self._original(site), self.servers[publisher]
        slot = holder.slots.get(stream.name)
        if slot is None or not stream.seeded:
            return 0
        return sum(one.end <= stream.copied_to for one in holder.behind(max(stream.position, slot.confirmed)))

    def ask(self, site: int) -> Asked:
        """A look at the barrier is sent."""
        node, known = self.nodes[site], tuple(self.waits[site])
        sent = model.Poll(node.epoch, node.ack, node.pin, tuple(one for _, one in known)) if node.role == WRITER else None
        return site, self.world.ask(SITES[site], [one for one, _ in known]), sent, known

    def answer(self, asked: Asked) -> int:
        """It arrives, and sees slots and timeline as they are now. Answers how many payments it releases. What waits for log behind the
        last published transaction the model releases sooner than a follower whose worker is gone can confirm it."""
        site, poll, sent, known = asked
        node = model.change(self.nodes[site], waits=tuple(one for _, one in self.waits[site]))
        told = server.reached(node, self.rules, sent) if sent is not None else ()
        durable = self.world.answer(poll)
        for waiting, twin in known:
            sooner = waiting.end not in self.places[site]
            if (waiting in durable) != (twin in told) and not (sooner and twin in told):
                raise Different(f"{twin} at {SITES[site]}: memory says {waiting in durable}, the model {twin in told}")
        if unasked := [one for one in told if one not in [twin for _, twin in known]]:
            raise Different(f"the model releases {unasked} at {SITES[site]}, who did not wait when it was asked")
        return len(durable)

    def fail_over_in_cloud(self, site: int, *, loses: bool, overgrown: bool) -> bool:
        """A new timeline; perhaps the last transaction is gone, and log of the server's own stands in its place."""
        last = self.nodes[site].log[-1:]
        if loses and (not last or last[0].item == OWN_LOG or last[0].via == COPY or self._copied_from(site)):
            return False
        after = server.fail_over_in_cloud(self.nodes[site], self.rules, loses, overgrown)
        self.world.fail_over_in_cloud(SITES[site], lose_last=loses)
        if loses:
            self.ends[site].pop()
        if loses and overgrown:
            self.ends[site].append(self.servers[site].commit())
        self._take(site, after, len(self.servers[site].log))
        self.same(f"{SITES[site]} fails over in its cloud")
        return True

    def _copied_from(self, site: int) -> bool:
        return any(stream.publisher == site and stream.copied for one in self.nodes for stream in one.streams)

    # ------------------------------------------------------------------------------------------------ what can be seen

    def same(self, said: str) -> None:
        """Raises Different unless both are alike."""
        for one in self.servers:
            for stream in one.streams.values():
                stream.running = stream.running or stream.enabled
        for site in NUMBERS:
            if self.servers[site].streams and self._original(site).seeded and not self._coming(site):
                self.world.apply(SITES[site], 0)
        for site in NUMBERS:
            seen, twin = self._of_memory(site), self._of_model(site)
            for name in seen:
                if seen[name] != twin[name]:
                    raise Different(f"after {said}, {name} of {SITES[site]}: memory {seen[name]}, the model {twin[name]}")

    def _coming(self, site: int) -> bool:
        stream = self._original(site)
        holder = self.world.servers[stream.publisher]
        slot = holder.slots.get(stream.name)
        return slot is None or any(True for _ in holder.behind(max(stream.position, slot.confirmed)))

    def _of_model(self, site: int) -> dict[str, object]:
        node = self.nodes[site]
        found = model.items(node)
        return {
            "row": (node.role, node.epoch, node.token, node.seeded, node.timeline, node.pinned),
            "ack": sorted(named(node.epoch, site, one) for one in model.members(node.ack)),
            "ledger": [item for item in found if item.key > 0],
            "markers": {item.epoch for item in found if item.key == 0},
            "streams": list(node.streams),
            "slots": {slot[:2]: slot.confirmed for slot in node.slots} if node.pinned else None,
        }

    def _of_memory(self, site: int) -> dict[str, object]:
        one = self.servers[site]
        return {
            "row": (ROLES[one.role], one.epoch, one.token, one.seeded, one.timeline - 1, one.pinned),
            "ack": sorted(one.ack_slots),
            "ledger": [self.items[paid.payment] for paid in one.ledger.values()],
            "markers": set(one.markers),
            "streams": [self._stream(site, stream) for stream in one.streams.values()],
            "slots": dict(self._slots(site)) if one.pinned else None,
        }

    def _stream(self, site: int, stream: Stream) -> model.Stream:
        publisher = SITES.index(stream.publisher)
        worker = ENABLED if stream.enabled else STOPPING if stream.running else STOPPED
        position = 0 if stream.position == NOWHERE else self.places[publisher].get(stream.position, -1)
        copied = self.copied.get((site, stream.name), 0) if stream.seeded else -1
        return model.Stream(publisher, stream.epoch, worker, position, copied)

    def _slots(self, site: int) -> list[tuple[tuple[int, int], int]]:
        found = []
        for name, slot in self.servers[site].slots.items():
            if match := re.fullmatch(rf"{SERVICE}_e(\d+)_{SITES[site]}_(\w+)", name):
                count = sum(end <= slot.confirmed for end in self.ends[site])
                found.append(((SITES.index(match[2]), int(match[1])), count))  # type: ignore[arg-type]
        return sorted(found)
