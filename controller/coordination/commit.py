"""What a caller of `commit` wants, as a value: the change it makes in etcd, and the Control it leaves. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as changed

from controller.coordination.change import Change, stamp
from controller.coordination.codec import encode
from controller.coordination.layout import Keys, session_key
from controller.coordination.reading import unfinished
from controller.coordination.records import Owner
from controller.coordination.transaction import ABSENT, Put, Remove
from controller.core.model import Posture
from controller.core.plans import Plan
from controller.errors import LostOwnership
from controller.ports import Control, Draft, Ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The arguments of one commit, with who asks and under which session."""

    controller: str
    session: int
    announcement: Mapping[str, int]
    """Key and revision of the living session that a take rests on.

    Without it: this controller stalls, its session lapses, it wakes and claims; the claim stands under a session that nobody
    can see, and the others take the plan over while this controller carries it out.
    """
    known: Control
    posture: Posture | None
    plan: Plan | None
    take: bool
    settle_request: str | None
    journal: tuple[Draft, ...]

    @property
    def keys(self) -> Keys:
        """Keys of the service it is about."""
        return Keys(self.known.posture.service)

    def change(self) -> Change:
        """The change in etcd; raises LostOwnership when it is plain already that it may not be made."""
        if self.plan is not None and not self.take:
            self._check_ownership()
        return Change(
            keys=self.keys,
            actor=self.controller,
            unchanged={key: self.known.revisions.get(key, ABSENT) for key in self._rests_on()}
            | self._gone()
            | dict(self.announcement),
            writes=self._writes(),
            drafts=self.journal,
            stamp=stamp(
                self.controller, self.known.revisions, self.posture, self.plan, self.take, self.settle_request, self.journal
            ),
        )

    def after(self, revisions: Mapping[str, int]) -> Control:
        """The control state that the commit leaves; `revisions` of the keys it wrote, and none for a key it removed."""
        keys, known = self.keys, self.known
        gone = keys.request(self.settle_request) if self.settle_request is not None else None
        posture = self.posture or known.posture
        token = posture.token(revisions.get(keys.owner, ABSENT))
        mine = Ownership(controller=self.controller, session=self.session, token=token)
        return changed(
            known,
            posture=posture,
            plan=unfinished(self.plan) if self.plan is not None else known.plan,
            ownership=mine if self.take else known.ownership,
            sessions={**known.sessions, self.controller: self.session} if self.take else known.sessions,
            requests=tuple(asked for asked in known.requests if asked.id != self.settle_request),
            revisions={key: revision for key, revision in {**known.revisions, **revisions}.items() if key != gone},
        )

    def _rests_on(self) -> tuple[str, ...]:
        keys = self.keys
        request = () if self.settle_request is None else (self._waiting_request(self.settle_request),)
        return (keys.posture, keys.plan, keys.owner, *request)

    def _gone(self) -> dict[str, int]:
        """A take that rests on the owner's session being gone compares just that: the sessions are read beside the plan, not in the same
        moment, and an owner that came and claimed in between would lose its plan while it lives."""
        owner = self.known.ownership
        if not self.take or owner is None or owner.controller in {self.controller, *self.known.sessions}:
            return {}
        return {session_key(owner.controller): ABSENT}

    def _writes(self) -> tuple[Put | Remove, ...]:
        keys, writes = self.keys, list[Put | Remove]()
        if self.posture is not None:
            writes.append(Put(key=keys.posture, value=encode(self.posture)))
        if self.plan is not None:
            writes.append(Put(key=keys.plan, value=encode(self.plan)))
        if self.take:
            writes.append(Put(key=keys.owner, value=encode(Owner(controller=self.controller, session=self.session))))
        if self.settle_request is not None:
            writes.append(Remove(key=keys.request(self.settle_request)))
            writes.append(Put(key=keys.settled(self.settle_request), value=encode(self.controller)))
        return tuple(writes)

    def _check_ownership(self) -> None:
        """A plan moves only in its owner's hands, and a controller is its owner only under the session that took it.

        Scenario: this controller stalls, its session lapses, it comes back under a new one. The others see a plan whose
        owner's session is gone and take it over at any moment; writing on without taking would race with them for nothing.
        """
        owner = self.known.ownership
        if owner is None or (owner.controller, owner.session) != (self.controller, self.session):
            held = f"{owner.controller} under session {owner.session}" if owner else "nobody"
            raise LostOwnership(f"the plan is owned by {held}, not by {self.controller} under session {self.session}")

    def _waiting_request(self, request: str) -> str:
        key = self.keys.request(request)
        if key not in self.known.revisions:
            raise LostOwnership(f"request {request} is not waiting; it was settled or never made")
        return key
