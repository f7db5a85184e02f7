"""Offers payments at a steady rate, whether or not those before are answered, as one program that is told over a port how many.

One line of JSON in, `{"to": NAME, "rate": PER_SECOND, "seconds": SECONDS, "seed": NUMBER}`, one line out, with the seconds that each
acknowledged payment took from when it was due, and what the others were told.
"""

import asyncio
import json
import random
import secrets
import string
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import count

from lab.addresses import LOCAL
from lab.bench_throughput_figures import Window, arrivals
from lab.errors import LabError

LONGEST = 2.0
"""Seconds after which nobody waits for an answer any more: the service's own deadline is below one."""

LINE = 1 << 22
"""Bytes of one line: ten thousand payments are a hundred thousand."""

LATE = 20.0
"""Seconds beyond a window's own after which a program that offers is taken for dead."""


class NotPaidError(Exception):
    """A payment was not acknowledged; says what was answered instead."""


Pay = Callable[[int], Awaitable[None]]
"""Make one payment, between accounts and of an amount that this number chooses. Raises NotPaidError, OSError, EOFError."""


def keys() -> Iterator[str]:
    """Idempotency keys that nobody else makes. With few digits: a key that could hold a card's number is refused."""
    run = "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))
    return (f"{run}-{number}" for number in count())


async def offer(
    pay: Pay,
    *,
    rate: float,
    seconds: float,
    seed: int,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Window:
    """Offer, and wait for what is under way. A payment's time begins when it was due: a payer that is late is slow."""
    latencies, failed, numbers = list[float](), Counter[str](), random.Random(seed)
    begin = monotonic()

    async def one(due: float, number: int) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                await pay(number)
            latencies.append(monotonic() - begin - due)
        except TimeoutError:
            failed["no answer"] += 1
        except (NotPaidError, OSError, EOFError) as error:
            failed[str(error) or type(error).__name__] += 1

    async with asyncio.TaskGroup() as payments:
        for due in arrivals(rate, seconds, random.Random(seed)):
            if (ahead := begin + due - monotonic()) > 0:
                await sleep(ahead)
            payments.create_task(one(due, numbers.getrandbits(62)))
    return Window(rate=rate, seconds=seconds, latencies=latencies, failed=failed)


@asynccontextmanager
async def told(port: int, payers: Mapping[str, Pay]) -> AsyncIterator[None]:
    """Offers what is asked for over the port, for the length of the block."""

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                wanted = json.loads(line)
                window = await offer(payers[wanted.pop("to")], **wanted)
                seen = {"latencies": [round(one, 5) for one in window.latencies], "failed": window.failed}
                writer.write(json.dumps(seen).encode() + b"\n")
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(obey, LOCAL, port):
        yield


async def ask(port: int, to: str, *, rate: float, seconds: float, seed: int) -> Window:
    """Have payments offered by the program at that port. Raises LabError when it does not answer in time."""
    wanted = {"to": to, "rate": rate, "seconds": seconds, "seed": seed}
    try:
        async with asyncio.timeout(seconds + LATE):
            reader, writer = await asyncio.open_connection(LOCAL, port, limit=LINE)
            try:
                writer.write(json.dumps(wanted).encode() + b"\n")
                seen = json.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        raise LabError(f"no payments were offered to {to}: {type(error).__name__} {error}") from error
    return Window(rate=rate, seconds=seconds, latencies=seen["latencies"], failed=seen["failed"])
