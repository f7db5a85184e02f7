"""From etcd's keys to a Control. Decoding is remembered by text, because a tick reads mostly what it read before."""

from collections.abc import Iterable
from typing import TypeVar

import structlog

from controller.coordination.codec import Unreadable, decode
from controller.coordination.layout import SESSIONS, Keys
from controller.coordination.records import Head, Owner, Tip
from controller.coordination.transaction import Answer, Item, Range, below
from controller.core.model import Observation, Posture, Site
from controller.core.plans import Phase, Plan
from controller.ports import Control, Ownership, Request

T = TypeVar("T")
log = structlog.get_logger()


def control_ranges(keys: Keys) -> tuple[Range, ...]:
    """Everything one tick needs: one span of the service's own keys, which is one moment, and the sessions beside it.

    The sessions may be a moment younger. They only tell whether an owner still lives, and a take compares the session it rests on.
    """
    return (Range(key=keys.head, end=keys.settled("")), below(SESSIONS))


class Reader:
    """Decodes what is in etcd, each text once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, object]] = {}

    def value(self, kind: type[T], item: Item) -> T:
        """The decoded value of a key; raises Unreadable, which names it."""
        text, value = self._known.get(item.key, ("", None))
        if text != item.value or not isinstance(value, kind):
            value = decode(kind, item.value, key=item.key)
            self._known[item.key] = (item.value, value)
        return value

    def control(self, keys: Keys, answer: Answer) -> tuple[Control | None, Tip]:
        """The control state and the journal's tip; None when no posture was ever founded."""
        everything, sessions = answer.found
        posture, plan, owner, head = (_named(everything, name) for name in (keys.posture, keys.plan, keys.owner, keys.head))
        observations, requests = (_under(everything, prefix) for prefix in (keys.observations, keys.requests))
        tip = self.tip(head)
        if not posture:
            return None, tip
        latest, wanted = self.value(Plan, plan[0]) if plan else None, self.value(Posture, posture[0])
        control = Control(
            posture=wanted,
            plan=unfinished(latest),
            ownership=self._ownership(owner, wanted),
            observations={
                Site(item.key.removeprefix(keys.observations)): seen for item, seen in self._left(Observation, observations)
            },
            sessions={item.key.removeprefix(SESSIONS): item.lease for item in sessions},
            requests=tuple(wish for _, wish in self._left(Request, requests)),
            revisions={item.key: item.revision for item in (*posture, *plan, *owner, *head, *requests)},
        )
        return control, tip

    def tip(self, head: tuple[Item, ...]) -> Tip:
        """The end of the journal; the start of one when there is none."""
        return Tip(head=self.value(Head, head[0]), revision=head[0].revision) if head else Tip()

    def _ownership(self, owner: tuple[Item, ...], posture: Posture) -> Ownership | None:
        if not owner:
            return None
        who = self.value(Owner, owner[0])
        return Ownership(controller=who.controller, session=who.session, token=posture.token(owner[0].revision))

    def _left(self, kind: type[T], items: Iterable[Item]) -> Iterable[tuple[Item, T]]:
        """What others left for us. Unreadable is absent, and said once: one vantage a version ahead, or one mistyped wish,
        must not keep every controller from acting on what it can read."""
        for item in items:
            if self._known.get(item.key) == (item.value, None):
                continue
            try:
                yield item, self.value(kind, item)
            except Unreadable as unreadable:
                self._known[item.key] = (item.value, None)
                log.warning("unreadable", key=item.key, because=unreadable.blocked_by)


def unfinished(plan: Plan | None) -> Plan | None:
    """The plan, unless it is done."""
    return plan if plan is not None and plan.phase is not Phase.DONE else None


def _named(items: Iterable[Item], key: str) -> tuple[Item, ...]:
    return tuple(item for item in items if item.key == key)


def _under(items: Iterable[Item], prefix: str) -> tuple[Item, ...]:
    return tuple(item for item in items if item.key.startswith(prefix))
