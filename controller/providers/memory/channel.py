"""A receiver of messages held in memory, with a switch for each way one fails to take them. Shipped for tests and the simulation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from controller.core.messages import Message
from controller.errors import Denied, Transient, Unsupported
from controller.ports import Clock
from controller.telling_ports import Busy


@dataclass(slots=True, kw_only=True)
class MemoryReceiver:
    """What the receiver itself has, whoever tells it."""

    clock: Clock
    came: list[Message] = field(default_factory=list)
    """Everything that arrived and was taken, also twice."""
    attempts: int = 0
    """Everything that arrived."""
    busy: int = 0
    """How many of the next messages are answered with 429."""
    rest: timedelta = timedelta(seconds=2)
    broken: int = 0
    """How many of the next messages are answered with an error."""
    lost_answers: int = 0
    """How many of the next messages are taken without an answer."""
    refused: int = 0
    """How many of the next messages are refused for good."""
    denied: bool = False
    """The address or the key is no good any more."""
    hanging: bool = False
    """Nothing is answered, and nothing taken."""
    then: Callable[[], None] | None = None
    """Done once, right after the next message was taken and before its answer."""

    def take(self, message: Message) -> str:
        """One message that has arrived. Raises what a channel raises."""
        self.attempts += 1
        if self.denied:
            raise Denied("answered 404")
        if self.busy > 0:
            self.busy -= 1
            raise Busy("answered 429", rest=self.rest)
        if self.broken > 0:
            self.broken -= 1
            raise Transient("answered 500")
        if self.refused > 0:
            self.refused -= 1
            raise Unsupported("answered 400")
        self.came.append(message)
        if (then := self.then) is not None:
            self.then = None
            then()
        if self.lost_answers > 0:
            self.lost_answers -= 1
            raise Transient("the answer was lost")
        return "200"


@dataclass(slots=True, kw_only=True)
class MemoryChannel:
    """`telling_ports.Channel` without a network: one controller's way to a receiver. Several share one by sharing it."""

    name: str
    receiver: MemoryReceiver
    reachable: bool = True
    """False: this controller's own way there is broken."""
    incidents_only: bool = False

    async def deliver(self, message: Message, deadline: timedelta) -> str:
        """See `telling_ports.Channel`."""
        if self.receiver.hanging:
            await self.receiver.clock.sleep(deadline)
            raise Transient(f"no answer within {deadline.total_seconds():g} s")
        if not self.reachable:
            raise Transient("could not be asked")
        return self.receiver.take(message)


@dataclass(slots=True, kw_only=True)
class MemoryMonitor:
    """`telling_ports.Outside` without a network."""

    clock: Clock
    pings: list[timedelta] = field(default_factory=list)
    """When, on the clock's monotonic time."""
    reachable: bool = True
    hanging: bool = False

    async def ping(self, deadline: timedelta) -> None:
        """See `telling_ports.Outside`."""
        if self.hanging:
            await self.clock.sleep(deadline)
            raise Transient(f"no answer within {deadline.total_seconds():g} s")
        if not self.reachable:
            raise Transient("could not be asked")
        self.pings.append(self.clock.monotonic())
