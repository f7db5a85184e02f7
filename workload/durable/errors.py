"""What can keep an order from an answer, split by what the client may believe afterwards.

Unanswered
├── NothingHappened    certainly no payment was made by this attempt
│   ├── NoWriter       no site is known to write, or the one asked says it does not
│   ├── NoSession      the writer is known, but no session to it is free or alive
│   ├── Busy           the database gave up waiting for accounts that others hold
│   ├── Late           whoever asked waits no longer, and nobody was asked
│   └── Rejected       the database refused the statement for a reason that is ours to mend
└── OutcomeUnknown     it may or may not have been made, or may not last; the same key settles it
"""


class Unanswered(Exception):
    """Base: the message says what was seen, in words for a person."""


class NothingHappened(Unanswered):
    """This attempt certainly made no payment."""


class NoWriter(NothingHappened):
    """No site may write as far as this process knows."""


class NoSession(NothingHappened):
    """No warm session became free in time."""


class Busy(NothingHappened):
    """The database's own deadline ended a wait for locks; the next attempt may well succeed."""


class Late(NothingHappened):
    """The request's own time was over before the database was asked."""


class Rejected(NothingHappened):
    """The database answered an error that retrying will not cure."""


class OutcomeUnknown(Unanswered):
    """The connection was lost around COMMIT, the barrier stayed closed, or the writer changed."""
