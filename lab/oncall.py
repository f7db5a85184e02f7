"""Whoever is told, outside of every site: a webhook's receiver, a pager, a chat, and a monitor that waits for pings.

Run as `python -m lab.oncall --settings FILE`. It believes nothing of the controllers': signatures are verified by the specification's own
library, events are held to what the vendor says of them, and when no ping comes for the grace it raises the alarm by itself. Everything
is written down before it is answered.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict
from standardwebhooks import Webhook, WebhookVerificationError

from lab.addresses import LOCAL
from lab.oncall_record import Alarm, Heard, Line, OncallRecord, Rejected, Told
from lab.program import Ready, read_settings, run_until_told

LARGEST_BODY = 512 * 1024
"""Of an event, as PagerDuty says."""

LOOK = 0.1
"""Seconds between two looks at whether the grace is over."""

SEVERITIES = frozenset({"critical", "error", "warning", "info"})


class Settings(BaseModel):
    """One process that is everybody outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    record: Path
    """Appended to."""
    secret: str
    """Of the webhook: `whsec_...`."""
    routing_key: str
    word: str
    """In the paths of Slack's address and the monitor's: who does not know it is not heard."""
    grace: float
    """Seconds without a ping until the alarm is raised; it waits for a first ping."""


class Oncall:
    """What it does with whatever reaches it."""

    def __init__(self, settings: Settings, write: Callable[[Line], None], monotonic: Callable[[], float]) -> None:
        """`write` must have the line safe when it returns."""
        self._settings, self._write, self._monotonic = settings, write, monotonic
        self._verifier = Webhook(settings.secret)
        self._pinged: float | None = None
        self._alarmed = False

    def application(self) -> web.Application:
        """The HTTP side of it."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_post("/webhook", self._webhook)
        application.router.add_post("/v2/enqueue", self._event)
        application.router.add_post(f"/services/{self._settings.word}", self._text)
        application.router.add_route("*", f"/ping/{self._settings.word}", self._ping)
        return application

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK)

    def look(self) -> None:
        """Raise the alarm, once, when nobody has been heard for the grace; it is over with the next ping."""
        now = self._monotonic()
        if self._pinged is not None and not self._alarmed and now - self._pinged > self._settings.grace:
            self._alarmed = True
            self._write(Alarm(silent_s=round(now - self._pinged, 3), t=now))

    async def _ping(self, request: web.Request) -> web.Response:
        self._pinged, self._alarmed = self._monotonic(), False
        self._write(Heard(method=request.method, t=self._pinged))
        return web.Response(text="OK")

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            given = self._verifier.verify(body, dict(request.headers))
            self._took("webhook", given["data"])
        except WebhookVerificationError as error:
            return self._reject("webhook", str(error), 401)
        except (ValueError, KeyError, TypeError) as error:
            return self._reject("webhook", f"cannot be read: {type(error).__name__}", 400)
        return web.Response(status=204)

    async def _event(self, request: web.Request) -> web.Response:
        """As the Events API v2 answers: 202 with the key, 400 for what is no event."""
        try:
            event = json.loads(await request.read())
            payload = event["payload"]
            wrong = (
                event["routing_key"] != self._settings.routing_key,
                event["event_action"] not in {"trigger", "acknowledge", "resolve"},
                not 0 < len(event["dedup_key"]) <= 255,
                not 0 < len(payload["summary"]) <= 1024,
                payload["severity"] not in SEVERITIES,
                not payload["source"],
            )
            if any(wrong):
                return self._reject("pagerduty", f"no event: {wrong}", 400)
            details = payload["custom_details"]
            self._write(
                Told(
                    channel="pagerduty",
                    id=details["message"],
                    action=event["event_action"],
                    incident=event["dedup_key"],
                    severity=payload["severity"],
                    title=payload["summary"],
                    why=details["why"],
                    command=details["what you can do"],
                    t=self._monotonic(),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            return self._reject("pagerduty", f"cannot be read: {type(error).__name__}", 400)
        said = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return web.json_response(said, status=202)

    async def _text(self, request: web.Request) -> web.Response:
        try:
            said = str(json.loads(await request.read())["text"])
        except (ValueError, KeyError, TypeError):
            return self._reject("slack", "invalid_payload", 400)
        told = Told(
            channel="slack",
            id=said.rpartition("message ")[2].strip("_"),
            action="",
            incident=said.rpartition("incident ")[2].partition(",")[0],
            severity="",
            title=said.partition("\n")[0],
            why=said,
            command="",
            t=self._monotonic(),
        )
        self._write(told)
        return web.Response(text="ok")

    def _took(self, channel: str, data: Mapping[str, Any]) -> None:
        names = ("id", "action", "incident", "severity", "title", "why", "command")
        self._write(Told(channel=channel, **{name: str(data[name]) for name in names}, t=self._monotonic()))

    def _reject(self, channel: str, why: str, status: int) -> web.Response:
        self._write(Rejected(channel=channel, why=why, t=self._monotonic()))
        return web.Response(status=status, text=why)


async def run(settings: Settings, stop: asyncio.Event, ready: Ready) -> None:
    """Listen until `stop`."""
    async with AsyncExitStack() as stack:
        record = stack.enter_context(OncallRecord(settings.record))
        oncall = Oncall(settings, record.append, time.monotonic)
        runner = web.AppRunner(oncall.application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, LOCAL, settings.port).start()
        watching = asyncio.create_task(oncall.watch())
        stack.callback(watching.cancel)
        ready(settings.port, settings.port)
        await stop.wait()


def main() -> None:
    """Listen until SIGTERM or SIGINT."""
    settings = read_settings("lab.oncall", Settings)
    run_until_told(lambda stop, ready: run(settings, stop, ready))


if __name__ == "__main__":
    main()
