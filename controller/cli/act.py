"""Commands that ask for something: the core's guards say yes or no, the journal says what became of it."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import (
    By,
    ContextFile,
    Json,
    NoInput,
    Reason,
    Service,
    Timeout,
    Yes,
    interactive,
    user,
    with_controllers,
)

if TYPE_CHECKING:
    from controller.cli.inquiry import Inquiry

PATIENCE = 60.0
"""Seconds."""

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
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Move the writer while everything is healthy.

    Nothing is lost; payments pause while the new writer opens.
    """
    arguments = {"to": to, **_listed("override", override)}
    confirm = "" if yes or not interactive(no_input=no_input) else f"move the writer to {to}"
    _ask("switchover", arguments, reason, by, timeout, context, service, as_json, confirm)


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
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Leave a writer that is failing.

    No acknowledged payment is lost, unless a member is waived or a guard overridden.
    """
    arguments = {"from": leaving, **_listed("waive", waive), **_listed("override", override)}
    confirm = "" if yes or not interactive(no_input=no_input) else f"leave {leaving}"
    _ask("failover", arguments, reason, by, timeout, context, service, as_json, confirm)


def pause(
    reason: Reason,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help='When it ends: ISO 8601, or "30m" from now. Default: when resumed.'),
    ] = None,
    by: By = "",
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Stop automation; operators can still act, and what has begun is finished."""
    arguments = {"until": _moment(until)} if until else {}
    _ask("pause", arguments, reason, by, timeout, context, service, as_json)


def resume(
    reason: Reason = "",
    by: By = "",
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Let automation go on."""
    _ask("resume", {}, reason, by, timeout, context, service, as_json)


def mode(
    wanted: Annotated[str, typer.Argument(metavar="MODE", help="observe, manual, traffic-only or automatic.")],
    reason: Reason = "",
    by: By = "",
    timeout: Timeout = PATIENCE,
    context: ContextFile = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Change how much happens without a person."""
    _ask("mode", {"mode": wanted}, reason, by, timeout, context, service, as_json)


def _ask(
    verb: str,
    arguments: dict[str, str],
    reason: str,
    by: str,
    timeout: float,
    context: Path | None,
    service: str | None,
    as_json: bool,
    confirm: str = "",
) -> None:
    """Confirm, ask, follow, and exit as it ended."""
    from controller.cli.follow import outcome, wish

    began = datetime.now(UTC)

    def tell(line: str) -> None:
        passed = (datetime.now(UTC) - began).total_seconds()
        print(f"{passed:6.1f} s  {line}", file=sys.stderr if as_json else sys.stdout, flush=True)

    async def work(asked: "Inquiry") -> Any:
        if confirm:
            confirm_move(confirm, await asked.status(), severe=verb == "failover")
        return await wish(asked, verb, arguments, by=by or user(), reason=reason, timeout=timeout, tell=tell)

    trail = with_controllers(context, service, work)
    status = outcome(trail)
    if as_json:
        print(json.dumps({**trail.document(), "outcome": status.name.lower(), "exit": int(status)}, indent=2))
    elif status is Exit.DONE:
        tell("done")
    elif status is Exit.UNFINISHED and not trail.replaced_by:
        what = f"plan {trail.plan}" if trail.plan else "no controller has decided yet; the request"
        tell(f"{what} is not finished after {timeout:g} s and goes on without us; see `trimaran status`")
    raise typer.Exit(status)


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
        raise Ended(Exit.USAGE, "not confirmed; nothing was asked")


def _listed(name: str, given: list[str] | None) -> dict[str, str]:
    return {name: ",".join(given)} if given else {}


def _moment(given: str) -> str:
    """A time as given, or from now; whether it makes sense is the controllers' word."""
    from controller.settings_tables import duration

    try:
        return (datetime.now(UTC) + duration(given)).isoformat(timespec="seconds")
    except ValueError:
        return given
