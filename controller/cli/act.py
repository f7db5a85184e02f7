"""Commands that ask for something: the core's guards say yes or no, the journal says what became of it."""

import json
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import (
    By,
    ContextFile,
    Json,
    NoInput,
    Reason,
    Request,
    Service,
    Timeout,
    Yes,
    interactive,
    leave,
    user,
    with_controllers,
)

if TYPE_CHECKING:
    from controller.cli.follow import Order
    from controller.cli.trail import Trail

PATIENCE, PROMOTION = 60.0, 1800.0
"""Seconds; a provider takes minutes for a promotion."""

Overrides = Annotated[
    list[str] | None, typer.Option("--override", metavar="GUARD", help="A guard to override, by name; may be given again.")
]


def switchover(
    to: Annotated[str, typer.Option("--to", metavar="SITE", help="Who shall write.")],
    reason: Reason = "",
    override: Overrides = None,
    by: By = "",
    yes: Yes = False,
    no_input: NoInput = False,
    request: Request = None,
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Move the writer while everything is healthy.

    Nothing is lost; payments pause while the new writer opens.
    """
    asking = _Asking(context=context, service=service, as_json=as_json, timeout=timeout)
    if not yes and interactive(no_input=no_input):
        asking.confirm(f"move the writer to {to}", severe=False)
    asking.give(_order("switchover", {"to": to, **_listed("override", override)}, reason, by, request))


def failover(
    leaving: Annotated[str, typer.Option("--from", metavar="SITE", help="The writer to leave.")],
    reason: Reason,
    waive: Annotated[
        list[str] | None,
        typer.Option(
            "--waive", metavar="SITE", help="A member that may stay unread: what only it has is lost. May be given again."
        ),
    ] = None,
    override: Overrides = None,
    by: By = "",
    yes: Yes = False,
    no_input: NoInput = False,
    request: Request = None,
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Leave a writer that is failing.

    No acknowledged payment is lost, unless a member is waived or a guard overridden.
    """
    asking = _Asking(context=context, service=service, as_json=as_json, timeout=timeout)
    if not yes and interactive(no_input=no_input):
        asking.confirm(f"leave {leaving}", severe=True)
    arguments = {"from": leaving, **_listed("waive", waive), **_listed("override", override)}
    asking.give(_order("failover", arguments, reason, by, request))


def promote(
    site: Annotated[str, typer.Option("--site", metavar="SITE", help="Where the provider keeps the read replica.")],
    reason: Reason,
    by: By = "",
    yes: Yes = False,
    no_input: NoInput = False,
    request: Request = None,
    timeout: Timeout = PROMOTION,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Have a provider make its read replica a server of its own.

    It asks the provider's API and cannot be taken back; the replica may lack what the provider had not copied yet.
    """
    asking = _Asking(context=context, service=service, as_json=as_json, timeout=timeout)
    if not yes and interactive(no_input=no_input):
        asking.confirm(f"have the provider promote the read replica at {site}", severe=True)
    asking.give(_order("promote", {"site": site}, reason, by, request))


def pause(
    reason: Reason,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help='When it ends: ISO 8601, or "30m" from now. Default: when resumed.'),
    ] = None,
    by: By = "",
    request: Request = None,
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Stop automation; operators can still act, and what has begun is finished."""
    try:
        lasting = _lasting(until)
    except ValueError as error:
        leave(Ended(Exit.USAGE, f"--until: expected {error}, not {until}"), as_json=as_json)
    arguments = {"until": until} if until and lasting is None else {}
    order = _order("pause", arguments, reason, by, request, lasting)
    _Asking(context=context, service=service, as_json=as_json, timeout=timeout).give(order)


def resume(
    reason: Reason = "",
    by: By = "",
    request: Request = None,
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Let automation go on."""
    order = _order("resume", {}, reason, by, request)
    _Asking(context=context, service=service, as_json=as_json, timeout=timeout).give(order)


def mode(
    wanted: Annotated[str, typer.Argument(metavar="MODE", help="observe, manual, traffic-only or automatic.")],
    reason: Reason = "",
    by: By = "",
    request: Request = None,
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Change how much happens without a person."""
    order = _order("mode", {"mode": wanted}, reason, by, request)
    _Asking(context=context, service=service, as_json=as_json, timeout=timeout).give(order)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """How every command that asks for something is run."""

    context: Path | None
    service: str | None
    as_json: bool
    timeout: float

    def confirm(self, what: str, *, severe: bool) -> None:
        """Ask the person first. Ctrl-C is a no, and no loop runs meanwhile that would keep it for later."""
        status = with_controllers(self.context, self.service, lambda asked: asked.status(), as_json=self.as_json)
        try:
            confirm_move(what, status, severe=severe)
        except (typer.Abort, KeyboardInterrupt):
            print(file=sys.stderr)
            leave(NOT_CONFIRMED, as_json=self.as_json)
        except Ended as end:
            leave(end, as_json=self.as_json)

    def give(self, order: "Order") -> None:
        """Ask the controllers, follow, and exit as it ended."""
        from controller.cli.follow import give, outcome

        began = time.monotonic()

        def tell(line: str) -> None:
            out = sys.stderr if self.as_json else sys.stdout
            print(f"{time.monotonic() - began:6.1f} s  {line}", file=out, flush=True)

        trail = with_controllers(
            self.context,
            self.service,
            lambda asked: give(asked, order, timeout=self.timeout, tell=tell),
            as_json=self.as_json,
        )
        status = outcome(trail)
        if self.as_json:
            print(json.dumps({**trail.document(), "outcome": status.name.lower(), "exit": int(status)}, indent=2))
        elif line := _closing(status, trail, order, self.timeout):
            tell(line)
        raise typer.Exit(status)


def _closing(status: Exit, trail: "Trail", order: "Order", timeout: float) -> str:
    """The last line; empty when everything is said already."""
    again = f"the same command with --request {order.request} is the same order, and tells"
    match status:
        case Exit.DONE:
            return "done"
        case Exit.UNDONE if trail.failure:
            return f"undone: {trail.failure}; see `trimaran explain`"
        case Exit.UNDONE:
            return f"undone: {trail.subject} could not be proven, and {trail.winner} writes; see `trimaran explain`"
        case Exit.UNPROVEN:
            return f"carried out, but not proven: {trail.doubt}"
        case Exit.UNKNOWN:
            return f"outcome unknown: {trail.unheard}. It may still be carried out; {again}"
        case Exit.UNFINISHED if trail.plan:
            return f"plan {trail.plan} is not finished after {timeout:g} s and goes on without us; see `trimaran status`"
        case Exit.UNFINISHED:
            return f"no controller has decided after {timeout:g} s; {again}"
        case _:
            return ""


NOT_CONFIRMED = Ended(Exit.USAGE, "not confirmed; nothing was asked")


def confirm_move(what: str, status: dict[str, Any], *, severe: bool) -> None:
    """Ask the person at the terminal, with what they should know. Raises Ended when they say no."""
    posture = status["posture"]
    print(
        f"{status['service']}: {posture['writer']} writes in epoch {posture['reign']}, mode {posture['mode']}.", file=sys.stderr
    )
    if severe:
        given = typer.prompt(f"This will {what}. Type {status['service']} to go on", default="", show_default=False, err=True)
        agreed = given == status["service"]
    else:
        agreed = typer.confirm(f"This will {what}. Go on?", err=True)
    if not agreed:
        raise NOT_CONFIRMED


def _listed(name: str, given: list[str] | None) -> dict[str, str]:
    return {name: ",".join(given)} if given else {}


def _order(
    verb: str, arguments: dict[str, str], reason: str, by: str, request: str | None, lasting: timedelta | None = None
) -> "Order":
    from controller.cli.follow import Order

    return Order(
        verb=verb,
        arguments=arguments,
        by=by or user(),
        reason=reason,
        request=request or f"{verb}-{uuid4().hex[:12]}",
        repeated=request is not None,
        lasting=lasting,
    )


def _lasting(until: str | None) -> timedelta | None:
    """How long from now; None when nothing or a moment was given, which only the controllers can judge. Raises ValueError."""
    from controller.settings_tables import DURATION, duration

    return duration(until) if until and DURATION.fullmatch(until) else None
