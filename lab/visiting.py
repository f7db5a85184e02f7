"""Commands given to a lab that runs in another process."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from rich.table import Table

from controller.cli.exits import Exit
from lab.screen import Screen, open_console
from lab.whereabouts import state_path
from lab.workspace import private_root

PATIENCE = 90.0
"""Seconds a lab may take to obey: healing a site starts servers and waits for etcd."""
STATUSES: Mapping[int, Exit] = {200: Exit.DONE, 400: Exit.USAGE, 404: Exit.USAGE, 409: Exit.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the lab said; `status` None: there is no lab."""

    status: int | None
    body: Mapping[str, Any]


async def ask(name: str, verb: str, body: Mapping[str, object] | None = None) -> Reply:
    """One question to the lab of this name; GET without a body."""
    try:
        state = json.loads(state_path(name).read_text())
        headers = {"Authorization": f"Bearer {state['token']}"}
        timeout = aiohttp.ClientTimeout(total=PATIENCE, sock_connect=2)
        async with aiohttp.ClientSession(state["url"], headers=headers, timeout=timeout) as http:
            method = "GET" if body is None else "POST"
            async with http.request(method, f"/{verb}", json=body) as answer:
                return Reply(status=answer.status, body=read_body(answer.status, await answer.text()))
    except TimeoutError:
        return Reply(status=504, body={"error": f"the lab did not answer within {PATIENCE:.0f} s"})
    except (OSError, ValueError, KeyError, aiohttp.ClientError):
        return Reply(status=None, body={"error": f"no lab named {name!r} is running: start one with `trimaran lab up`"})


def read_body(status: int, text: str) -> Mapping[str, Any]:
    """The body; a lab that answers with something else than an object is there, and broken."""
    with suppress(ValueError):
        if isinstance(found := json.loads(text), dict):
            return found
    return {"error": f"the lab answered {status}: {text.strip()[:200] or 'nothing'}"}


async def show_status(name: str, *, as_json: bool) -> Exit:
    """What runs and what is broken on purpose; 4 without a lab."""
    reply = await ask(name, "status")
    if reply.status == 200 and not as_json:
        _draw(reply.body)
        return Exit.DONE
    return _told(reply, as_json=as_json, said="")


async def order(name: str, verb: str, body: Mapping[str, object], *, as_json: bool) -> Exit:
    """Have the lab break or heal something; 2 for what it does not know, 3 when it is refused, 4 without a lab."""
    screen = Screen()
    with screen.working():
        screen.say(" ".join([verb, *(str(value) for value in body.values() if value is not None)]))
        reply = await ask(name, verb, body)
    said = f"{reply.body.get('fault')} of {reply.body.get('place')}" + (" is healed" if verb == "heal" else " since now")
    return _told(reply, as_json=as_json, said=said)


async def ask_service(name: str, wish: Mapping[str, object]) -> Exit:
    """Ask a service as one of the lab's clients and print what it says, as JSON. 0 for an answer below 400; 1 for any other, or none; 2 for
    a client, service or site that there is not; 4 without a lab."""
    reply = await ask(name, "ask", wish)
    if reply.status != 200:
        return _told(reply, as_json=False, said="")
    print(json.dumps(dict(reply.body), indent=2))
    status = reply.body.get("status")
    return Exit.DONE if isinstance(status, int) and status < 400 else Exit.BROKEN


async def take_down(name: str, *, as_json: bool) -> Exit:
    """Have the lab end and wait until nothing of it is left; 4 without a lab."""
    screen = Screen()
    with screen.working():
        screen.say("down")
        reply = await ask(name, "down", {})
        until = time.monotonic() + PATIENCE
        place = private_root() / name
        while reply.status == 200 and (place.exists() or place.with_name(f"{name}.lock").exists()):
            if time.monotonic() > until:
                reply = Reply(status=504, body={"error": f"the lab is still there after {PATIENCE:.0f} s"})
            await asyncio.sleep(0.05)
    return _told(reply, as_json=as_json, said="nothing of it is left")


def _told(reply: Reply, *, as_json: bool, said: str) -> Exit:
    status = Exit.NOBODY if reply.status is None else STATUSES.get(reply.status, Exit.BROKEN)
    if as_json:
        print(json.dumps(dict(reply.body)))
    elif status is Exit.DONE:
        print(said)
    if status is not Exit.DONE:
        Screen().complain(str(reply.body.get("error", "the lab failed")))
    return status


def _draw(state: Mapping[str, Any]) -> None:
    console = open_console()
    whole = "whole" if state["whole"] else state["missing"]
    console.print(f"lab {state['name']}: {whole}")
    for service, standing in state["services"].items():
        plan = f", {standing['plan']} under way" if standing["plan"] else ""
        console.print(f"  {service}: {standing['writer'] or 'nobody known'} writes, epoch {standing['epoch']}{plan}")
    for fault in state["faults"]:
        console.print(f"  {fault['fault']} of {fault['place']} since {fault['since']}")
    table = Table.grid(padding=(0, 2))
    for place, processes in {**state["sites"], **state["authorities"]}.items():
        table.add_row(place, ", ".join(f"{label} {condition}" for label, condition in processes.items()))
    console.print(table)
    console.print(f"accounts, among others: {', '.join(state['accounts'])}")
    if load := state["load"]:
        console.print(
            f"load: {load.get('rate_last_second', 0)} acknowledged in one second, {load.get('in_flight', 0)} under way,"
            f" {load['age_s']:.1f} s ago"
        )
