"""Journals as values: entries chained as in etcd, and what they give to tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from controller.coordination.chain import START as BEFORE
from controller.coordination.chain import End, end_of, link
from controller.core.claims import claim
from controller.core.conditions import Condition, Kind
from controller.core.incidents import Situation
from controller.core.messages import Message, Severity
from controller.core.model import JournalEntry, Posture, Site
from controller.core.notices import NOTICE, News, noticed
from controller.core.proposals import Proposal
from controller.core.situation import fold
from tests.unit.core.worlds import START, posture


@dataclass
class Journal:
    """One service's, in which an entry is written every second, and folded at once."""

    entries: list[JournalEntry] = field(default_factory=list)
    situation: Situation = field(default_factory=Situation)
    messages: list[Message] = field(default_factory=list)
    posture: Posture = field(default_factory=posture)
    _end: End = BEFORE

    def write(self, kind: str, **body: object) -> Message | None:
        """One more entry, of `actor`; answers what it gives to tell."""
        actor = str(body.pop("actor", "aws"))
        at = START + timedelta(seconds=len(self.entries))
        entry = link(self._end, at=at, actor=actor, kind=kind, body=body)
        self._end = end_of(entry)
        self.entries.append(entry)
        self.situation, message = fold(self.situation, entry, self.posture.service)
        if message is not None:
            self.messages.append(message)
        return message

    def claim(self, proposal: Proposal) -> tuple[str, Message | None]:
        """As the loop claims it; answers the plan's id, too."""
        at = START + timedelta(seconds=len(self.entries))
        claimed = claim(proposal, self.posture, by="aws", at=at)
        self.posture = claimed.posture or self.posture
        return claimed.plan.id if claimed.plan else "", self.write("claim", **claimed.entry)

    def done(self, plan: str, kind: str, **body: object) -> Message | None:
        """As the executor ends it."""
        return self.write("plan.done", sentence=f"{kind} done", plan=plan, plan_kind=kind, epoch=5, **body)

    def notice(self, *begun: Condition, ended: tuple[str, ...] = ()) -> Message | None:
        """As the noticer writes it."""
        said: Mapping[str, str] = {key: one.said for key, one in self.situation.standing.items()}
        news = News(begun=tuple((one, one.begins_after) for one in begun), ended=ended)
        return self.write(NOTICE, **noticed(news, said))


def stands(kind: Kind, about: str, severity: Severity = Severity.WARNING, site: str = "") -> Condition:
    """A condition as if it had been seen."""
    return Condition(
        kind=kind,
        about=about,
        site=Site(site) if site else None,
        severity=severity,
        said=f"{kind} of {about}: as seen",
        command="trimaran explain --service payments",
        begins_after=timedelta(seconds=3),
    )
