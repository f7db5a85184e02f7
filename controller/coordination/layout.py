"""Where a service's control state lives in etcd.

/trimaran/payments/posture            what we want
/trimaran/payments/plan               the last plan, done or not
/trimaran/payments/owner              who carries it out; the revision of this key is the token
/trimaran/payments/observations/aws   one per vantage, under its session lease
/trimaran/payments/requests/<id>      operators' wishes, until they are settled
/trimaran/payments/settled/<id>       wishes that were settled, so that a late repetition is not a new wish
/trimaran/payments/journal/<number>   twelve digits, so that etcd's order is the journal's
/trimaran/payments/journal_head       where the chain ends
/trimaran/payments/telling            how far people were told, by channel, and receipts until they are journaled
/trimaran/sessions/<controller>       one per living controller, under its session lease

Everything a tick reads of a service lies in one span, from journal_head up to settled; the journal's entries lie before it, and what is
told to people behind it.
"""

from dataclasses import dataclass

from controller.core.model import Site
from controller.core.naming import key

SESSIONS = "/trimaran/sessions/"


def session_key(controller: str) -> str:
    """Key that exists as long as this controller's session."""
    return SESSIONS + controller


@dataclass(frozen=True, slots=True)
class Keys:
    """Every key of one service."""

    service: str

    @property
    def posture(self) -> str:
        """What we want."""
        return key(self.service, "posture")

    @property
    def plan(self) -> str:
        """The last plan."""
        return key(self.service, "plan")

    @property
    def owner(self) -> str:
        """Who carries the plan out."""
        return key(self.service, "owner")

    @property
    def head(self) -> str:
        """End of the journal."""
        return key(self.service, "journal_head")

    @property
    def observations(self) -> str:
        """Prefix of every vantage's observation."""
        return key(self.service, "observations/")

    @property
    def requests(self) -> str:
        """Prefix of every waiting wish."""
        return key(self.service, "requests/")

    @property
    def journal(self) -> str:
        """Prefix of every journal entry."""
        return key(self.service, "journal/")

    @property
    def telling(self) -> str:
        """How far people were told."""
        return key(self.service, "telling")

    def observation(self, vantage: Site) -> str:
        """One vantage's observation."""
        return self.observations + vantage

    def request(self, wish: str) -> str:
        """One waiting wish."""
        return self.requests + wish

    def settled(self, wish: str) -> str:
        """Mark of a wish that was settled."""
        return key(self.service, f"settled/{wish}")

    def entry(self, sequence: int) -> str:
        """One journal entry."""
        return f"{self.journal}{sequence:012d}"
