"""What a channel is sent to see whether it works: an incident that is over at once, and a drill."""

from datetime import datetime

from controller.core import advice
from controller.core.messages import Action, Message, Severity


def trials(service: str, at: datetime) -> tuple[Message, Message]:
    """It opens, and it ends. Its id is of no journal."""
    incident = f"{service}-trial-{at:%Y%m%dT%H%M%S.%f}"
    opened, ended = (
        Message(
            id=f"{incident}-{action}",
            service=service,
            action=action,
            incident=incident,
            severity=Severity.INFO,
            title=title,
            at=at,
            since=at,
            why="Somebody asked whether you hear us.",
            then="Nothing.",
            command=advice.look(service),
            drill=True,
            entry=0,
        )
        for action, title in ((Action.OPEN, "a trial of this channel"), (Action.RESOLVE, "the trial of this channel is over"))
    )
    return opened, ended
