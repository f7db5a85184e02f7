"""One controller that watches so many services, in a process of its own, so that what it costs can be told from what answers.

`python -m lab.bench_probing_watch ORDER` watches as the order (JSON of `bench_probing_order.Order`) says, with the product's own parts. It
leaves a note when all that it asks is healthy for the first time, and at every SIGUSR1; SIGTERM ends it.
"""

import asyncio
import json
import logging
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import structlog
import uvloop

from controller.clock import SystemClock
from controller.core import naming
from controller.core.model import Health, Site
from controller.core.policy import Policy
from controller.observe import Observer
from controller.ports import Probe
from controller.postgres.database import PostgresDatabase
from controller.postgres.node import Node
from controller.postgres.session import Address, Sessions
from controller.probing.http_probe import HttpProbe
from controller.probing.shared_probe import SharedProbe
from controller.probing.sql_probe import SqlProbe
from controller.wiring import assembled
from lab.addresses import LOCAL
from lab.bench_probing_order import IN_ENVIRONMENT, Order, Way, read_order, settings_of

LOOK = 0.1
"""Seconds between two looks at whether all is healthy."""


def note(observers: Sequence[Observer]) -> dict[str, Any]:
    """What this process has used so far, and what its vantage believes of all that it asks."""
    opinions = [one for observer in observers for parts in observer.opinions().values() for one in parts.values()]
    took = sorted(one.latency.total_seconds() * 1000 for one in opinions if one.latency is not None)
    return {
        "at": time.monotonic(),
        "cpu": time.process_time(),
        "targets": len(opinions),
        "healthy": sum(one.health is Health.HEALTHY for one in opinions),
        "answer_ms": {"median": round(statistics.median(took), 1), "max": round(took[-1], 1)} if took else None,
        "trouble": next((one.detail for one in opinions if one.health is not Health.HEALTHY), ""),
    }


async def watch(order: Order) -> None:
    """Until SIGTERM."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    opened = _whole(order) if order.way is Way.WHOLE else _observers(order)
    async with opened as observers:

        def leave() -> None:
            with Path(order.notes).open("a") as notes:
                notes.write(json.dumps(note(observers)) + "\n")

        loop.add_signal_handler(signal.SIGTERM, told.set)
        loop.add_signal_handler(signal.SIGUSR1, leave)
        while not told.is_set() and not _all_healthy(observers):  # noqa: ASYNC110 - nothing would set an event
            await asyncio.sleep(LOOK)
        leave()
        await told.wait()


def _all_healthy(observers: Sequence[Observer]) -> bool:
    opinions = (one for observer in observers for parts in observer.opinions().values() for one in parts.values())
    return all(one.health is Health.HEALTHY for one in opinions)


@asynccontextmanager
async def _observers(order: Order) -> AsyncIterator[Sequence[Observer]]:
    clock, policy = SystemClock(), Policy()
    async with AsyncExitStack() as stack:
        warm = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=warm, cookie_jar=aiohttp.DummyCookieJar()))

        def edges() -> Mapping[Site, Probe]:
            urls = {Site(site): f"http://{LOCAL}:{port}/healthz" for site, port in order.edges.items()}
            return {site: HttpProbe(session=http, url=url, clock=clock) for site, url in urls.items()}

        def databases(number: int) -> Mapping[Site, SqlProbe]:
            service, found = order.names[number % len(order.names)], {}
            for site, port in order.servers.items():
                database = PostgresDatabase(_node(service, Site(site), port))
                stack.push_async_callback(database.close)
                found[Site(site)] = SqlProbe(database, clock)
            return found

        shared = {site: SharedProbe(probe, clock, policy.probe_interval / 2) for site, probe in edges().items()}
        asked: Mapping[Way, Mapping[Site, Probe]] = {Way.SHARED: shared, Way.DATABASES: {}}
        observers = [
            Observer(
                vantage=Site(order.vantage),
                edges=edges() if order.way is Way.ALONE else asked[order.way],
                databases=databases(number) if order.way is Way.DATABASES else {},
                policy=policy,
                clock=clock,
            )
            for number in range(order.services)
        ]
        async with asyncio.TaskGroup() as tasks:
            running = []
            for observer in observers:
                running.append(tasks.create_task(observer.run()))
                await asyncio.sleep(order.pause)
            yield observers
            for task in running:
                task.cancel()


def _node(service: str, site: Site, port: int) -> Node:
    address = Address(
        host=LOCAL,
        port=port,
        database=naming.database(service),
        user=naming.control_role(service),
        password=os.environ[IN_ENVIRONMENT],
    )
    return Node(service=service, site=site, sessions=Sessions(address, site=site), publishers={})


@asynccontextmanager
async def _whole(order: Order) -> AsyncIterator[Sequence[Observer]]:
    """A controller as its process runs it, without operators and without authorities to steer."""
    settings = settings_of(order, Path(order.notes).with_suffix(".toml"), os.environ[IN_ENVIRONMENT])
    async with assembled(settings) as assembly, asyncio.TaskGroup() as tasks:
        work = tasks.create_task(assembly.work())
        yield [loop.observer for loop in assembly.loops.values()]
        work.cancel()


def main() -> None:
    """Read the order named on the command line, and watch."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    uvloop.run(watch(read_order(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
