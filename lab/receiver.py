"""The merchants' side of webhooks: verify, write down, answer; with faults that can be changed while it runs.

Run as `python -m lab.receiver --settings FILE`. Prints one JSON line when it listens. `POST /merchants/ACCOUNT` is where a merchant's
webhooks go, `PUT /faults/ACCOUNT` changes how that merchant behaves. It believes nothing of the dispatcher's: signatures are verified
by the specification's own library, and the order of the record is the order of arrival.
"""

import argparse
import asyncio
import hashlib
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from lab.receiver_record import Accepted, Line, ReceiverRecord, Rejected, TurnedAway

LARGEST_BODY = 64 * 1024


class Mood(StrEnum):
    """How a merchant treats what comes."""

    WELL = "well"
    DOWN = "down"
    """Answers 503 at once."""
    GONE = "gone"
    """Answers 410 at once."""
    HANGING = "hanging"
    """Takes the connection and never answers."""
    SLOW = "slow"
    """Takes everything, after some seconds, also when the sender has given up by then."""
    FLAKY = "flaky"
    """Answers a share with 500: half of that before it took the event, half after it did, as when an answer is lost."""


class Fault(BaseModel):
    """A merchant's present behaviour."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mood: Mood = Mood.WELL
    seconds: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Of a slow or hanging one."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Of a flaky one."""


class Settings(BaseModel):
    """One process with every merchant in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: Annotated[int, Field(ge=0, le=65535)]
    """0: any that is free; the first line of output says which."""
    record: Path
    """Appended to."""
    merchants: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]
    """By account: the secrets whose signature is believed."""
    faults: dict[str, Fault] = {}
    seed: int = 1


class Merchants:
    """What every merchant does with what reaches it."""

    def __init__(
        self,
        merchants: Mapping[str, tuple[str, ...]],
        write: Callable[[Line], None],
        *,
        chance: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`write` must have the line safe when it returns."""
        self._signers = {account: tuple(map(Webhook, secrets)) for account, secrets in merchants.items()}
        self._write, self._chance, self._monotonic = write, chance, monotonic
        self.faults: dict[str, Fault] = {}

    def application(self) -> web.Application:
        """The HTTP side of it."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_post("/merchants/{account}", self._receive)
        application.router.add_put("/faults/{account}", self._change)
        return application

    async def _change(self, request: web.Request) -> web.Response:
        account = request.match_info["account"]
        if account not in self._signers:
            return web.Response(status=404)
        try:
            self.faults[account] = Fault.model_validate_json(await request.read())
        except ValidationError as error:
            return web.Response(status=422, text=str(error))
        return web.Response(status=204)

    async def _receive(self, request: web.Request) -> web.Response:
        account, body = request.match_info["account"], await request.read()
        if account not in self._signers:
            return web.Response(status=404)
        fault = self.faults.get(account, Fault())
        match fault.mood:
            case Mood.DOWN | Mood.GONE:
                return self._turn_away(account, fault.mood, 410 if fault.mood is Mood.GONE else 503)
            case Mood.HANGING:
                answer = self._turn_away(account, fault.mood, 503)
                await asyncio.sleep(fault.seconds or 60)
                return answer
            case Mood.SLOW:
                await asyncio.sleep(fault.seconds)
                return self._take(account, request.headers, body)
            case Mood.FLAKY if (chance := self._chance()) < fault.share:
                if chance < fault.share / 2:
                    return self._turn_away(account, fault.mood, 500)
                self._take(account, request.headers, body)
                return web.Response(status=500)
            case _:
                return self._take(account, request.headers, body)

    def _turn_away(self, account: str, why: str, status: int) -> web.Response:
        self._write(TurnedAway(account=account, why=why, t=self._monotonic()))
        return web.Response(status=status)

    def _take(self, account: str, headers: Mapping[str, str], body: bytes) -> web.Response:
        """No await in here: the order of the record is the order in which merchants took events."""
        line = self._verify(account, headers, body)
        self._write(line)
        return web.Response(status=204 if isinstance(line, Accepted) else 401)

    def _verify(self, account: str, headers: Mapping[str, str], body: bytes) -> Accepted | Rejected:
        now, why = self._monotonic(), "this merchant believes no signature"
        for signer in self._signers[account]:
            try:
                data = signer.verify(body, dict(headers))["data"]
                if data["account"] != account:
                    return Rejected(account=account, why="signed for this merchant, about another account", t=now)
                return Accepted(
                    account=account,
                    id=headers["webhook-id"],
                    sequence=int(data["sequence"]),
                    payment=str(data["payment"]),
                    body=hashlib.sha256(body).hexdigest(),
                    t=now,
                )
            except WebhookVerificationError as error:
                why = str(error)
            except (ValueError, KeyError, TypeError) as error:
                # The library lets what is not base64, not a pair or not text escape as it comes.
                why = f"cannot be read: {type(error).__name__}"
        return Rejected(account=account, why=why, t=now)


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ReceiverRecord(settings.record) as record:
        chance = random.Random(settings.seed).random
        merchants = Merchants(settings.merchants, record.append, chance=chance, monotonic=time.monotonic)
        merchants.faults.update(settings.faults)
        runner = web.AppRunner(merchants.application(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", settings.port)
            await site.start()
            port = runner.addresses[0][1]
            print(json.dumps({"ready": True, "port": port, "t": time.monotonic()}), flush=True)
            await stop.wait()
        finally:
            await runner.cleanup()


def main() -> int:
    """Receive until SIGTERM."""
    parser = argparse.ArgumentParser(prog="lab.receiver")
    parser.add_argument("--settings", type=Path, required=True)
    settings = Settings.model_validate_json(parser.parse_args().settings.read_bytes())
    asyncio.run(_main(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
