"""`make calm`: minutes of noise without any fault; nothing may be failed over and nothing lost.

Every link's round trip varies from 25 to 250 ms, 2 % of what it carries arrives late as after a loss, and every controller and
payments service is stopped now and then for up to two seconds. Same policy as the demo's. Environment: MINUTES (10).
Exit status 1 when the epoch moved or a payment was lost.
"""

import asyncio
import json
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.core.model import Health
from lab.bench_failover import await_calm
from lab.cabling import SITES
from lab.calm_figures import Look, broken_calm, claims, nearness
from lab.laboratory import Laboratory, laboratory
from lab.links import ONE_WAY
from lab.offering import Offering, offer
from lab.processes import Supervised
from lab.reconcile_recovery import percentile
from lab.record import Acknowledged, Failed
from lab.rehearsal import reconciled

OUT = Path("out/calm")
RATE = 50.0
"""Payments offered a second."""

JITTER = timedelta(milliseconds=112.5)
"""One way, on top of the usual delay: together a round trip of 25 to 250 ms."""

LOSS = 0.02
LONGEST_PAUSE = 2.0
"""Seconds."""

PAUSE_EVERY = 20.0
"""Mean seconds between two pauses of one process."""

LOOK_EVERY = 0.1


async def stay_calm(minutes: float, out: Path, seed: int = 1) -> bool:
    """Noise for so long; writes `report.json` and answers whether calm was kept."""
    async with laboratory("calm") as lab:
        await await_calm(lab)
        control = await lab.witness.control()
        assert control is not None, "it was calm a moment ago"
        epoch, known = int(control.posture.epoch), await lab.witness.journal()
        load = await offer(lab, "calm", rate=RATE, settle=timedelta(seconds=30))
        say(f"noise for {minutes:g} minutes: round trips of 25 to 250 ms, {LOSS:.0%} loss, pauses up to {LONGEST_PAUSE:g} s")
        looks, pauses = await _suffer(lab, load, minutes * 60, seed)
        say("quiet again; the load ends")
        await load.finish(timedelta(seconds=60))
        found = await reconciled(lab, load, timedelta(seconds=30))
        compared = await lab.etcd.compare()
        entries = (await lab.witness.journal())[len(known) :]
        after = await lab.witness.control()
        counts = {
            name: getattr(found, name) for name in ("attempted", "acknowledged", "lost", "duplicated", "unresolved", "declined")
        }
        checked = {**counts, "ledgers_equal": found.ledgers_equal, "defects": list(found.defects)}
        epoch_after = int(after.posture.epoch) if after else -1
        broken = broken_calm(epoch_before=epoch, epoch_after=epoch_after, claimed=claims(entries), reconciled=checked)
        report = {
            "minutes": minutes,
            "epoch_before": epoch,
            "epoch_after": epoch_after,
            "failovers": claims(entries).get("failover", 0),
            "claims": claims(entries),
            "near_misses": asdict(nearness(looks)),
            "pauses": pauses,
            "payments": checked,
            "clients": _clients(load),
            "etcd_disagreeing": sorted(compared.disagreeing),
            "broken": list(broken),
        }
        await asyncio.to_thread(_keep, out / "report.json", report)
    print(json.dumps(report, indent=1))
    return not broken


async def _suffer(lab: Laboratory, load: Offering, seconds: float, seed: int) -> tuple[list[Look], Mapping[str, int]]:
    """The noise itself, and what the vantages said meanwhile. Leaves quiet links and running processes behind."""
    for site in SITES:
        await lab.cabling.links.slow(site, delay=ONE_WAY, jitter=JITTER, loss=LOSS)
    victims = {name: one for name, one in lab.processes().items() if name.startswith(("controller-", "payments-"))}
    pauses = dict.fromkeys(victims, 0)
    tasks = [
        asyncio.create_task(_pause_now_and_then(one, pauses, random.Random(f"{seed}/{name}"))) for name, one in victims.items()
    ]
    tasks.append(asyncio.create_task(_tell(load)))
    try:
        looks = await _look(lab, seconds)
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        for site in SITES:
            await lab.cabling.links.slow(site, delay=ONE_WAY, jitter=timedelta(0), loss=0)
    return looks, pauses


async def _pause_now_and_then(process: Supervised, pauses: dict[str, int], chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.expovariate(1 / PAUSE_EVERY))
        await asyncio.to_thread(process.freeze)
        try:
            await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE))
        finally:
            process.thaw()
        pauses[process.label] += 1


async def _look(lab: Laboratory, seconds: float) -> list[Look]:
    began, looks = time.monotonic(), []
    while (t := time.monotonic() - began) < seconds:
        looks.append(await _one_look(lab, t))
        await asyncio.sleep(LOOK_EVERY)
    return looks


async def _one_look(lab: Laboratory, t: float) -> Look:
    control = await lab.witness.control()
    if control is None:
        return Look(t=t, accused=frozenset(), answered=False)
    return Look(
        t=t,
        accused=frozenset(
            (str(vantage), str(site), str(part))
            for vantage, seen in control.observations.items()
            for site, parts in seen.opinions.items()
            for part, opinion in parts.items()
            if opinion.health is Health.FAILING
        ),
        suspecting_themselves=frozenset(str(vantage) for vantage, seen in control.observations.items() if seen.suspects_itself),
    )


async def _tell(load: Offering) -> None:
    while True:
        await asyncio.sleep(10)
        stats = load.progress()
        with suppress(KeyError):
            why = ", ".join(f"{times} x {what}" for what, times in list(stats["why"].items())[:4])
            say(f"{stats['offered']} offered, {stats['acknowledged']} acknowledged, {stats['in_flight']} under way; {why}")


def _clients(load: Offering) -> dict[str, Any]:
    """What noise cost those who pay, from their own record: latencies in seconds."""
    lines = load.lines()
    latencies = [line.latency for line in lines if isinstance(line, Acknowledged)]
    return {
        "failed_attempts": dict(Counter(line.why for line in lines if isinstance(line, Failed)).most_common()),
        **{name: round(percentile(latencies, share) or 0.0, 3) for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))},
    }


def _keep(file: Path, report: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")


def say(line: str) -> None:
    """Progress, as it happens."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> None:
    """Exit 0: calm; 1: a failover or a loss; 2: MINUTES is no number above zero."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        minutes = float(os.environ.get("MINUTES", "10"))
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 24 * 60:
        print(f"MINUTES: a number above 0, not {os.environ.get('MINUTES')!r}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if asyncio.run(stay_calm(minutes, OUT)) else 1)


if __name__ == "__main__":
    main()
