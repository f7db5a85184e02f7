"""Random courses for `pair`: plans whose steps come in order, late, twice or not at all, while clients pay and followers apply.

A course decides nothing by what a plan would prove: who is elected, who counts and how level somebody is are drawn. What no plan can ask
for is left out, each with its reason.
"""

from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from random import Random

from controller.core import naming
from controller.core.model import Epoch, Position, Token
from controller.errors import Stuck
from controller.providers.memory import positions
from controller.providers.memory.server import MemoryServer
from tests.model import node as model
from tests.model import server
from tests.model.node import NUMBERS, SITES
from tests.model.pair import SERVICE, Asked, Different, Pair, Read, named
from tests.model.safeguards import SOUND, Rules
from tests.model.world import FOUNDER

Move = Callable[[], bool]
"""Answers whether it changed anything."""

STEPS = 150
KEYS = 12


class Course:
    """One seed's."""

    def __init__(self, seed: int, rules: Rules = SOUND) -> None:
        self.chance, self.pair, self.rules = Random(seed), Pair(rules), rules
        self.token, self.epoch, self.reign, self.writer = 0, 1, 1, FOUNDER
        self.agenda: deque[tuple[str, Move]] = deque()
        self.past: list[tuple[str, Move]] = []
        """What was sent before, and may arrive once more."""
        self.reads: dict[int, Read] = {}
        self.asked: list[Asked] = []
        self.done: Counter[tuple[str, bool]] = Counter()
        """Moves, and whether they changed anything."""

    def run(self) -> Counter[tuple[str, bool]]:
        """All of it. Raises Different where the two part."""
        for _ in range(STEPS):
            name, move = self._next()
            self.done[name, move()] += 1
        return self.done

    def _next(self) -> tuple[str, Move]:
        chance, site = self.chance, self.chance.choice(NUMBERS)
        drawn = chance.random()
        if drawn < 0.35:
            if not self.agenda or chance.random() < 0.03:
                self._plan()
            name, move = self.agenda.popleft()
            if name != "elect":  # etcd elects once
                self.past.append((name, move))
            return name, move
        if drawn < 0.40 and self.past:
            return chance.choice(self.past[-12:])
        if drawn < 0.60:
            return "pay", partial(self.pair.pay, site if chance.random() < 0.3 else self.writer, chance.randint(1, KEYS))
        if drawn < 0.85:
            return "apply", partial(self.pair.apply, site)
        if drawn < 0.98:
            return "look", self._look
        loses = chance.random() < 0.7
        return "in-cloud failover", partial(self.pair.fail_over_in_cloud, site, loses=loses, overgrown=chance.random() < 0.5)

    def _look(self) -> bool:
        """Sends a look, or lets one arrive that was sent earlier."""
        if not self.asked or self.chance.random() < 0.5:
            self.asked.append(self.pair.ask(self.chance.choice((self.writer, self.chance.choice(NUMBERS)))))
            return False
        return self.pair.answer(self.asked.pop(self.chance.randrange(len(self.asked)))) > 0

    # ------------------------------------------------------------------------------------------------ plans

    def _plan(self) -> None:
        """Another one, in the place of what is left of the last."""
        self.token += 1
        self.agenda.clear()
        other = self.chance.choice([site for site in NUMBERS if site != self.writer])
        draw = self.chance.random()
        if draw < 0.5:
            self._fail_over()
        elif draw < 0.8:
            self._bring_back(other)
        else:
            self._count()

    def _call(self, name: str, *given: object) -> None:
        self.agenda.append((name, partial(getattr(self, f"_{name}"), *given)))

    def _fail_over(self) -> None:
        self.epoch += 1
        order = self.chance.sample(NUMBERS, 3)
        self.reads.clear()
        for site in order[: self.chance.choice((2, 3, 3))]:
            self._call("stop_streams", site, self.token, self.epoch)
            if self.chance.random() < 0.9:
                self._call("end_workers", site)
            self._call("read", site, self.writer, self.reign)
        self._call("elect", self.token, self.epoch)

    def _elect(self, token: int, epoch: int) -> bool:
        """Of those who were read, mostly who is furthest; the agenda goes on with what follows from it."""
        if not self.reads:
            return False
        best = max(self.reads, key=lambda site: self.reads[site][1].lsn)
        winner = best if self.chance.random() < 0.8 else self.chance.choice(sorted(self.reads))
        # Who counts holds a marker, so it has a position; who has none is no member, and is not made to follow anybody.
        siblings = [site for site in sorted(self.reads) if site != winner and self.reads[site][1].lsn > 0]
        for sibling in siblings:
            self._call("place_slot", winner, sibling, token, epoch, self.reads[sibling], self.chance.random() < 0.2)
            self._call("follow", sibling, token, epoch, winner, False)
        self._call("open", winner, token, epoch, sum(1 << site for site in siblings if self.chance.random() < 0.8))
        self.writer, self.reign = winner, epoch
        return True

    def _bring_back(self, site: int) -> None:
        for name, at in (("fence", site), ("promise", site), ("clear", site), ("offer_seed", self.writer)):
            about = (site,) if name == "offer_seed" else ()
            self._call(name, at, self.token, self.reign, *about)
        self._call("follow", site, self.token, self.reign, self.writer, True)

    def _count(self) -> None:
        self._call("mark_join", self.writer, self.token, self.reign, self.chance.choice(NUMBERS))
        self._call("set_ack_slots", self.writer, self.token, self.reign, self.chance.randrange(8) & ~(1 << self.writer))

    # ------------------------------------------------------------------------------------------------ steps

    def _stop_streams(self, site: int, token: int, before: int) -> bool:
        after = server.stop_streams(self.pair.nodes[site], self.rules, token, before)
        return self.pair.both(site, "stop_streams", after, lambda one: one.stop_streams(Token(token), Epoch(before)))

    def _end_workers(self, site: int) -> bool:
        return self.pair.both(site, "end_workers", server.end_workers(self.pair.nodes[site]), MemoryServer.end_workers)

    def _read(self, site: int, writer: int, reign: int) -> bool:
        """Both say the same position, or neither says one."""
        twin = server.position_of(self.pair.nodes[site], self.rules, site, writer, reign)
        try:
            said = positions.position_of(self.pair.servers[site], SITES[writer], Epoch(reign))
        except Stuck as stuck:
            if twin is not None:
                raise Different(f"{SITES[site]} says {twin} in the model, and {stuck} in memory") from stuck
            return False
        if twin is None or self._plain(said) != (twin.site, twin.publisher, twin.epoch, twin.lsn // 2, twin.marked):
            raise Different(f"{SITES[site]} says {said} in memory, and {twin} in the model")
        self.reads[site] = said, twin
        return True

    def _plain(self, said: Position) -> tuple[object, ...]:
        publisher = SITES.index(said.publisher)
        if said.site == said.publisher:
            count = sum(end <= said.lsn for end in self.pair.ends[publisher])
        else:
            count = self.pair.places[publisher].get(said.lsn, -1) if said.lsn else 0
        return said.site, said.publisher, said.epoch, count, said.marked

    def _place_slot(self, winner: int, sibling: int, token: int, epoch: int, read: Read, level: bool) -> bool:
        """Of a fenced writer the model maps where its payments end; the product maps the end of its log to nothing, and needs it level. Of
        a sibling that follows already nobody hears the answer: its slot moves on by itself."""
        name = named(epoch, winner, sibling)
        unheard = model.stream_of(self.pair.nodes[sibling], winner, epoch) is not None
        unmapped = read[0].site == read[0].publisher and not level
        if not self._promise(winner, token, 0, pinned=True) or unheard or unmapped:
            return False
        after = server.place_slot(self.pair.nodes[winner], self.rules, winner, sibling, epoch, read[1], level)

        def place(one: MemoryServer) -> None:
            refusal = positions.placed(self.pair.world, one, SITES[sibling], read[0], level=level, name=name)
            if refusal is not None:
                raise Stuck(step="place_slot", blocked_by=refusal, way_out="")

        return self.pair.both(winner, "place_slot", after, place)

    def _follow(self, site: int, token: int, epoch: int, publisher: int, seed: bool) -> bool:
        after = server.follow(self.pair.nodes[site], self.rules, token, epoch, publisher, seed)

        def follow(one: MemoryServer) -> None:
            one.follow(Token(token), Epoch(epoch), SITES[publisher], seed=seed)
            for sibling in SITES:
                one.have_slot(naming.spare_stream(SERVICE, Epoch(epoch), one.site, sibling))

        return self.pair.both(site, "follow", after, follow)

    def _open(self, site: int, token: int, epoch: int, ack: int) -> bool:
        after = server.open_writer(self.pair.nodes[site], self.rules, site, token, epoch, ack)
        slots = tuple(named(epoch, site, one) for one in NUMBERS if ack >> one & 1)
        return self.pair.both(site, "open", after, lambda one: one.open(Token(token), Epoch(epoch), slots))

    def _fence(self, site: int, token: int, reign: int) -> bool:
        after = server.fence(self.pair.nodes[site], self.rules, token, reign)
        return self.pair.both(site, "fence", after, lambda one: one.fence(Token(token), Epoch(reign)))

    def _promise(self, site: int, token: int, reign: int, *, pinned: bool = False) -> bool:
        after = server.promise(self.pair.nodes[site], self.rules, token, pinned)
        return self.pair.both(site, "promise", after, lambda one: one.promise(Token(token), pinned=pinned))

    def _clear(self, site: int, token: int, reign: int) -> bool:
        def clear(one: MemoryServer) -> None:
            one.clear(Token(token), Epoch(reign))
            for name in one.old_slots(Epoch(reign), spares_too=True):
                del one.slots[name]
            self.pair.waits[site].clear()

        return self.pair.both(site, "clear", server.clear(self.pair.nodes[site], self.rules, token, reign), clear)

    def _offer_seed(self, site: int, token: int, reign: int, newcomer: int) -> bool:
        told = server.as_writer(self.pair.nodes[site], self.rules, token, reign)
        after = told and server.have_slot(told, newcomer, reign)

        def offer(one: MemoryServer) -> None:
            one.promise_writer(Token(token), Epoch(reign))
            one.have_slot(named(reign, site, newcomer))

        return self.pair.both(site, "offer_seed", after, offer)

    def _mark_join(self, site: int, token: int, reign: int, newcomer: int) -> bool:
        after = server.mark_join(self.pair.nodes[site], self.rules, token, reign, newcomer)
        return self.pair.both(site, "mark_join", after, lambda one: one.mark_join(Token(token), Epoch(reign), SITES[newcomer]))

    def _set_ack_slots(self, site: int, token: int, reign: int, ack: int) -> bool:
        slots = tuple(named(reign, site, one) for one in NUMBERS if ack >> one & 1)
        after = server.set_ack_slots(self.pair.nodes[site], self.rules, token, reign, ack)
        return self.pair.both(site, "set_ack_slots", after, lambda one: one.set_ack_slots(Token(token), Epoch(reign), slots))
