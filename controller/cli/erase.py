"""`trimaran erase`: a person's data go from every service that holds some. The services are asked themselves, not the controllers, and
nothing of it is in the controllers' journal: it names subjects."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import Json, leave, user
from controller.cli.schema import pairs

if TYPE_CHECKING:
    from workload.schema.erasure import Answer, Order

At = Annotated[
    list[str],
    typer.Option("--at", metavar="SERVICE=URL", help="A service that holds data of persons: vault and payments, https."),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without", metavar="SERVICE", help="A service that is not asked now; then the erasure is not complete, exit 6."
    ),
]
Subject = Annotated[str, typer.Option("--subject", metavar="ID", help="Whose data: the subject's id, as the vault knows it.")]
TokenFile = Annotated[
    Path, typer.Option("--token-file", metavar="FILE", help="The operator's access token, with the services' erase scope.")
]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Why, in words without digits; each service keeps it in its proof, for ever."),
]
By = Annotated[
    str,
    typer.Option(
        "--by", metavar="NAME", help="Who asks, never whom it is about; kept in the proofs. Default: the user of this machine."
    ),
]
Authority = Annotated[
    Path | None, typer.Option("--authority", metavar="FILE", help="Certificates of who vouches for the services.")
]
Certificate = Annotated[
    Path | None, typer.Option("--certificate", metavar="FILE", help="The operator's own, with its key, when they ask for one.")
]
Deadline = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="For each service to answer.")]


def erase(
    subject: Subject,
    at: At,
    token_file: TokenFile,
    reason: Reason,
    by: By = "",
    without: Without = None,
    authority: Authority = None,
    certificate: Certificate = None,
    timeout: Deadline = 5.0,
    as_json: Json = False,
) -> None:
    """Have every service forget a person, and show the proofs, which the services keep. Done only when vault and payments have both
    answered; until then the same command again is safe, and needed."""
    from workload.schema.erasure import read_order, read_services
    from workload.schema.errors import Refused

    try:
        order = read_order(subject, reason, by or user())
        services = read_services(pairs(at, "--at SERVICE=URL"), without or ())
        token = token_file.read_text(encoding="ascii").strip()
        tls = _tls(authority, certificate)
    except (Refused, OSError, ValueError) as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    answers = asyncio.run(_erased(order, services, token, tls, timeout))
    status, line = outcome(answers, without or ())
    _show(order, answers, status, as_json=as_json)
    if line:
        print(line, file=sys.stderr)
    raise typer.Exit(status)


def outcome(answers: "tuple[Answer, ...]", without: "list[str] | tuple[str, ...]") -> tuple[Exit, str]:
    """How the command ends, and the line that says why it is not done."""
    from workload.schema.erasure import Outcome

    def those(which: Outcome) -> list[str]:
        return [one.service for one in answers if one.outcome is which]

    missing = [f"{name} has not answered" for name in those(Outcome.UNANSWERED)]
    missing += [f"{name} has not finished" for name in those(Outcome.UNFINISHED)]
    missing += [f"{name} refused" for name in those(Outcome.REFUSED)] + [f"{name} was not asked" for name in without]
    if missing:
        refused = those(Outcome.REFUSED) and not those(Outcome.UNANSWERED) and not those(Outcome.UNFINISHED)
        return Exit.REFUSED if refused else Exit.UNKNOWN, f"the erasure is not complete: {', '.join(missing)}"
    if len(those(Outcome.UNKNOWN_SUBJECT)) == len(answers):
        return Exit.NOTHING, "no service ever held anything of this subject: is its id right?"
    return Exit.DONE, ""


def _show(order: "Order", answers: "tuple[Answer, ...]", status: Exit, *, as_json: bool) -> None:
    if not as_json:
        for one in answers:
            print(f"{one.service}: {one.outcome} {one.proof.get('proof', one.detail)}".rstrip())
        return
    told = [
        {"service": one.service, "outcome": str(one.outcome), "proof": dict(one.proof), "detail": one.detail} for one in answers
    ]
    print(json.dumps({"subject": str(order.subject), "complete": status is Exit.DONE, "answers": told}, indent=2))


async def _erased(order: "Order", services: Mapping[str, str], token: str, tls: Any, timeout: float) -> "tuple[Answer, ...]":
    from datetime import timedelta

    import aiohttp

    from workload.schema.erasure import HttpEraser, erase

    connector = aiohttp.TCPConnector(ssl=tls) if tls else None
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
        erasers = tuple(HttpEraser(service=name, url=url, token=token, http=http) for name, url in services.items())
        return await erase(order, erasers, timedelta(seconds=timeout))


def _tls(authority: Path | None, certificate: Path | None) -> Any:
    """Raises OSError."""
    import ssl

    if authority is None and certificate is None:
        return None
    context = ssl.create_default_context(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
