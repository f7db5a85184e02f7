"""What the door adds to one request: `python -m lab.bench_surge_gate`, microseconds of processor time, with every limit in use.

In this process, without a network: an application that answers at once, asked through the gate and directly, by turns. The rest of what
a request costs is measured elsewhere. Exit status 1 above 100 microseconds.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workload.gate import Gate
from workload.limits.assembly import build_limits
from workload.limits.settings import LimitTable, RateTable
from workload.metrics import ServiceMetrics

REQUESTS, TURNS = 400, 15
LIMIT = 100.0
"""Microseconds."""

PLENTY = RateTable(per_second=1_000_000, burst=1_000_000)
NONE = RateTable(per_second=0.001, burst=1)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """201, whatever is asked, once the body is there."""
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def measure(app: ASGIApp, requests: int = REQUESTS) -> float:
    """Microseconds of processor time a request, one after the other, each with a key of its own and one of a hundred clients."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        """Nowhere."""

    scopes = [_scope(number) for number in range(requests)]
    began = time.process_time()
    for scope in scopes:
        await app(scope, receive, send)
    return 1e6 * (time.process_time() - began) / requests


def _scope(number: int) -> Scope:
    headers = [
        (b"host", b"payments.trimaran.test"),
        (b"content-type", b"application/json"),
        (b"content-length", b"140"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, deflate"),
        (b"user-agent", b"bench"),
        (b"authorization", b"Bearer " + b"x" * 700),
        (b"idempotency-key", f"bench-{number}".encode()),
        (b"deadline-ms", b"900"),
        (b"client-cert-thumbprint", f"client {number % 100}".encode()),
    ]
    return {"type": "http", "method": "POST", "path": "/v1/payments", "headers": headers}


def _gate(client: RateTable) -> Gate:
    table = LimitTable(client_header="client-cert-thumbprint", client=client, overall=PLENTY)
    metrics = ServiceMetrics("bench")
    limits = build_limits(table, metrics)
    return Gate(answer, limits=limits, deadline=timedelta(seconds=1), on_refusal=metrics.overloaded)


async def compare(say: Callable[[str], None], turns: int = TURNS, ask: Callable[[ASGIApp], Awaitable[float]] = measure) -> bool:
    """Does the door cost less than the limit, let in and sent away?"""
    bare, through, refused = [], [], []
    for _ in range(turns):
        bare.append(await ask(answer))
        through.append(await ask(_gate(PLENTY)))
        refused.append(await ask(_gate(NONE)))
    added = statistics.median(through) - statistics.median(bare)
    away = statistics.median(refused)
    say(f"let in: {added:.1f} us added to {statistics.median(bare):.1f}; sent away: {away:.1f} us; limit {LIMIT:.0f}")
    return max(added, away) < LIMIT


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(compare(print)) else 1)
