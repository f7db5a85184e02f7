"""Where other processes of this user ask a running lab for its state and for faults: HTTP on loopback, behind a token.

The token lies in a file that only this user can read. Without it any page in the person's browser, and any other user of the
machine, could crash a site.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from controller.ports import Control
from lab.addresses import LOCAL
from lab.asking import Wish, ask
from lab.errors import LabError
from lab.faults import Active, OccupiedError, UnknownTargetError, parse
from lab.laboratory import FOREIGN, Laboratory
from lab.offering import Offering
from lab.site_settings import SERVICE, TOKEN_FILE
from lab.whereabouts import context_path, forget_context, point_context_at, state_path, write_private

SHOWN = 4
"""Accounts that are named, for whoever wants to pay by hand."""

REFUSALS: Mapping[type[LabError], int] = {UnknownTargetError: 404, OccupiedError: 409}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def opened(lab: Laboratory, down: asyncio.Event, load: Offering | None = None) -> AsyncIterator[Path]:
    """The office for the length of the block; answers where the operator's context lies. `down` is set when somebody asks for it."""
    name, token, port = lab.workspace.name, secrets.token_urlsafe(24), lab.workspace.port()
    application = web.Application(middlewares=[_guarded(token)])
    _add_routes(application, lab, down, load)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOCAL, port, reuse_address=True).start()
        token_file = str(lab.workspace.directory("settings") / TOKEN_FILE)
        context = {"service": SERVICE, "controllers": dict(lab.controllers()), "token_file": token_file}
        write_private(context_path(name), context)
        point_context_at(name)
        write_private(state_path(name), {"pid": os.getpid(), "url": f"http://{LOCAL}:{port}", "token": token})
        yield context_path(name)
    finally:
        forget_context(name)
        state_path(name).unlink(missing_ok=True)
        await runner.cleanup()


def _guarded(token: str) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not secrets.compare_digest(request.headers.get("Authorization", ""), f"Bearer {token}"):
            return web.json_response({"error": "not for you"}, status=401)
        try:
            return await handler(request)
        except LabError as error:
            status = REFUSALS.get(type(error), 500)
            return web.json_response({"error": str(error)}, status=status)
        except FOREIGN as error:
            return web.json_response({"error": f"the lab failed: {error!r}"}, status=500)
        except (ValueError, KeyError, TypeError) as error:
            return web.json_response({"error": f"not understood: {error!r}"}, status=400)

    return guard


def _add_routes(application: web.Application, lab: Laboratory, down: asyncio.Event, load: Offering | None) -> None:
    async def status(_: web.Request) -> web.Response:
        return web.json_response(await state(lab, load))

    async def fault(request: web.Request) -> web.Response:
        asked = await request.json()
        kind, place = parse(str(asked["fault"]), asked.get("place"))
        return web.json_response(told(await lab.faults.inject(kind, place)))

    async def heal(request: web.Request) -> web.Response:
        return web.json_response(told(await lab.faults.heal(str((await request.json())["place"]))))

    async def question(request: web.Request) -> web.Response:
        return web.json_response(await ask(lab, Wish.read(await request.json())))

    async def end(_: web.Request) -> web.Response:
        down.set()
        return web.json_response({})

    application.add_routes(
        [
            web.get("/status", status),
            web.post("/fault", fault),
            web.post("/heal", heal),
            web.post("/ask", question),
            web.post("/down", end),
        ]
    )


def told(active: Active) -> dict[str, object]:
    """A fault as plain values."""
    return {"fault": active.fault, "place": active.place, "since": active.wall.isoformat()}


async def state(lab: Laboratory, load: Offering | None) -> dict[str, object]:
    """Everything `lab status` shows."""
    missing = await lab.unfinished()
    controls = {service: await witness.control() for service, witness in lab.witnesses.items()}
    services = {service: _standing(control) for service, control in controls.items()}
    return {
        "name": lab.workspace.name,
        "services": services,
        "whole": not missing,
        "missing": missing,
        "faults": [told(active) for active in lab.faults.active.values()],
        "sites": {
            name: {process.label: _condition(process.alive, process.frozen) for process in site.processes()}
            for name, site in lab.sites.items()
        },
        "authorities": {
            place: {process.label: _condition(process.alive, process.frozen) for process in (one.api, one.nameserver)}
            for place, one in lab.authorities.items()
        },
        "load": _aged(load.progress()) if load else None,
        "controllers": dict(lab.controllers()),
        "accounts": lab.accounts[:SHOWN],
        "directory": str(lab.workspace.path),
    }


def _standing(control: Control | None) -> dict[str, object]:
    """Where one service writes; all unknown while etcd does not answer."""
    posture, plan = (control.posture, control.plan) if control else (None, None)
    return {
        "writer": posture.writer if posture else None,
        "epoch": posture.reign if posture else None,
        "plan": plan.kind if plan else None,
    }


def _aged(progress: Mapping[str, Any]) -> dict[str, Any] | None:
    """The load's counts with how old they are; None before the first."""
    return {**progress, "age_s": round(time.monotonic() - progress["t"], 2)} if progress else None


def _condition(alive: bool, frozen: bool) -> str:
    return "frozen" if alive and frozen else "running" if alive else "gone"
