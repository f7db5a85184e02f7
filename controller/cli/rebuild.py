"""`trimaran rebuild`: etcd is lost for good, or was restored from the past; the control plane begins anew from what the databases prove.

It reaches the databases and the new etcd itself, by a controller's settings and the passwords in the environment: without etcd no
controller can be asked for anything.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import By, Json, NoInput, Reason, Yes, interactive, leave, user

if TYPE_CHECKING:
    from controller.core.model import Posture
    from controller.rebuild import Outlook, Rebuilder
    from controller.settings import ServiceSettings, Settings

SettingsFile = Annotated[Path, typer.Option("--settings", metavar="FILE", help="Settings of a controller, TOML.")]
OneService = Annotated[str, typer.Option("--service", metavar="NAME", help="Whose control plane; one at a time.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be written and why, and change nothing.")]
Paused = Annotated[
    bool, typer.Option("--paused", help="Begin in a pause, until somebody resumes: nobody knows whether there was one before.")
]
Patience = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=60.0, help="For each site to answer.")]

NOT_CONFIRMED = "not confirmed; nothing was changed"


def rebuild(
    settings: SettingsFile,
    service: OneService,
    reason: Reason = "",
    paused: Paused = False,
    by: By = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    no_input: NoInput = False,
    timeout: Patience = 3.0,
    as_json: Json = False,
) -> None:
    """Give an etcd that lost a service, or came back from an older backup, the posture that the databases prove.

    Payments go on as they are. Every node that answers promises to obey nobody from before; what cannot be proven is refused, exit 3.
    The same command again is safe at any time.
    """
    given, chosen = _chosen(settings, service, as_json=as_json)
    asking = Asking(by=by or user(), reason=reason, paused=paused, dry_run=dry_run, yes=yes, no_input=no_input, as_json=as_json)
    try:
        asyncio.run(_rebuilt(given, chosen, timedelta(seconds=timeout), asking))
    except Ended as end:
        if not as_json or end.status is not Exit.REFUSED:
            leave(end, as_json=as_json)
        raise typer.Exit(end.status) from end  # the document on standard output has said why
    except KeyboardInterrupt:
        leave(Ended(Exit.STOPPED, ""), as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, and how the answer is told."""

    by: str
    reason: str
    paused: bool
    dry_run: bool
    yes: bool
    no_input: bool
    as_json: bool

    def show(self, service: str, seen: "Outlook", written: "Posture | None" = None, refused: str = "") -> None:
        """The plan, or why there is none; for machines one document, at the end."""
        if self.as_json:
            if self.dry_run or written is not None or refused:
                print(json.dumps(document(service, seen, written, refused), indent=2))
        elif written is not None:
            print(f"written: {service} goes on under {written.writer} of epoch {written.reign}")
        elif not refused:
            print("\n".join(lines(service, seen)))

    def confirm(self, service: str, seen: "Outlook") -> None:
        """Ask the person first. Raises Ended for a no."""
        if self.yes:
            return
        if not interactive(no_input=self.no_input):
            raise Ended(Exit.USAGE, f"{NOT_CONFIRMED}: there is nobody to ask, and --yes was not given")
        if self.as_json:
            print("\n".join(lines(service, seen)), file=sys.stderr)
        try:
            given = typer.prompt(f"This will be written. Type {service} to go on", default="", show_default=False, err=True)
        except (typer.Abort, KeyboardInterrupt):
            given = ""
        if given != service:
            raise Ended(Exit.USAGE, NOT_CONFIRMED)


async def _rebuilt(given: "Settings", chosen: "ServiceSettings", deadline: timedelta, asking: Asking) -> None:
    """Raises Ended."""
    from controller.errors import TrimaranError
    from controller.wiring_rebuild import rebuilder

    try:
        async with rebuilder(given, chosen, deadline) as found:
            await carry_out(_begun(found, asking), chosen.name, asking)
    except TrimaranError as error:  # of putting it together, or etcd does not answer the first question
        raise Ended(Exit.NOBODY, f"{error}. Nothing was changed") from error


async def carry_out(work: "Rebuilder", service: str, asking: Asking) -> None:
    """Look, show, ask, write. Raises Ended, and TrimaranError when nothing could be asked at all."""
    from controller.core.explain import explain_reason
    from controller.errors import LostOwnership, Refused, TrimaranError

    seen = await work.look()
    if seen.decision.posture is None:
        refusal = ". ".join(explain_reason(one) for one in seen.decision.refusals)
        asking.show(service, seen, refused=refusal)
        raise Ended(Exit.REFUSED, f"{refusal}.{_silent(seen)} Nothing was changed")
    asking.show(service, seen)
    if asking.dry_run:
        return
    asking.confirm(service, seen)
    try:
        written = await work.carry_out(seen, by=asking.by, reason=asking.reason)
    except (Refused, LostOwnership) as error:
        asking.show(service, seen, refused=str(error))
        raise Ended(Exit.REFUSED, f"{error}. Nothing was written") from error
    except TrimaranError as error:
        unknown = f"it is not known whether it was written: {error}. Give the same command again: it tells, or writes it"
        raise Ended(Exit.UNKNOWN, unknown) from error
    asking.show(service, seen, written)


def lines(service: str, seen: "Outlook") -> list[str]:
    """The plan, for people."""
    from controller.core.explain import explain_reason
    from controller.core.rebuild import describe, next_order

    heard = [
        f"  {site}: {facts.role} of epoch {facts.epoch}, promised {facts.token}{'' if facts.pinned else ', on another timeline'}"
        for site, facts in sorted(seen.facts.items())
    ]
    heard += [f"  {site}: silent ({why})" for site, why in sorted(seen.silent.items())]
    return [
        f"{service}, as the databases say:",
        *heard,
        "why it is proven:",
        *(f"  {explain_reason(one)}" for one in seen.decision.reasons),
        f"journal: {seen.remains.entries} entries in etcd, {len(seen.history)} to be put back from the sites' copies",
        "what is written:",
        *(f"  {line}" for line in describe(seen.decision)),
        f"then: {next_order(seen.decision)}",
    ]


def document(service: str, seen: "Outlook", written: "Posture | None", refused: str) -> Any:
    """All of it, for machines."""
    from controller.coordination.codec import plain
    from controller.core.rebuild import next_order

    return {
        "service": service,
        "refused": refused or None,
        "written": written is not None,
        "posture": plain(written or seen.decision.posture),
        "office": seen.decision.office,
        "next": next_order(seen.decision),
        "unknown": list(seen.decision.unknown),
        "guards": [plain(one) for one in seen.decision.reasons],
        "silent": dict(seen.silent),
        "journal": {"held": seen.remains.entries, "put_back": len(seen.history)},
    }


def _silent(seen: "Outlook") -> str:
    return "".join(f" {site}: {why}." for site, why in sorted(seen.silent.items()))


def _begun(found: "Rebuilder", asking: Asking) -> "Rebuilder":
    from controller.core.model import Pause

    if not asking.paused:
        return found
    return replace(found, pause=Pause(by=asking.by, reason=asking.reason or "rebuilt", since=datetime.now(UTC)))


def _chosen(path: Path, service: str, *, as_json: bool) -> "tuple[Settings, ServiceSettings]":
    from controller.errors import SettingsError
    from controller.settings import read_settings

    try:
        given = read_settings(path, os.environ)
    except SettingsError as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    if service not in given.services:
        known = ", ".join(sorted(given.services))
        leave(Ended(Exit.USAGE, f"--service: expected one of the settings' services: {known}"), as_json=as_json)
    return given, given.services[service]
