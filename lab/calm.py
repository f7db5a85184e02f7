"""`make calm`: minutes of noise without any fault; nothing may be failed over and nothing lost.

The round trip of every link, the clients' included, varies from 25 to 250 ms, 2 % of what it carries arrives late as after a loss,
and every controller and every service's process is stopped now and then for up to two seconds. Same policy and same load as the demo's:
25 payments a second, and cardholders. Environment: MINUTES (10), SEED (1), RATE (25; a site's traffic says something from 20 a second at
that site). Exit status 1 when any service's epoch moved, or any promise was broken that every run is judged by.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.core.model import Health
from controller.errors import TrimaranError
from lab.bench_evidence import TROUBLE
from lab.bench_ground import await_calm
from lab.calm_figures import Look, Stood, broken_calm, claims, nearness, waited
from lab.calm_noise import LONGEST_PAUSE, LOSS, noise
from lab.calm_report import calm_said
from lab.errors import LabError
from lab.fleet import PAYMENTS
from lab.laboratory import Laboratory, laboratory
from lab.observed import read_rates
from lab.offering import RATE, Offering, offer
from lab.record import Failed
from lab.retrospect import look_back
from lab.service_rates import ServiceRates, rates_said
from lab.vault_offering import entrust
from lab.witness import Witness

OUT = Path("out/calm")
LOOK_EVERY = 0.1
SETTLE, AGREE = timedelta(seconds=60), timedelta(seconds=30)


async def stay_calm(minutes: float, out: Path, seed: int = 1, rate: float = RATE) -> bool:
    """Noise for so long; writes `report.json` and answers whether calm was kept. A run that does not come to its end is not calm."""
    report: dict[str, Any] = {
        "minutes": minutes,
        "seed": seed,
        "offered_per_second": rate,
        "broken": ["it did not come to its end"],
    }
    await asyncio.to_thread(_keep, out / "report.json", report)
    try:
        async with laboratory("calm") as lab:
            report |= await _measure(lab, minutes, seed, rate)
    except TROUBLE as error:
        report["broken"] = [f"{type(error).__name__}: {error}"]
    await asyncio.to_thread(_keep, out / "report.json", report)
    print(json.dumps(report, indent=1))
    return not report["broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """One service before the noise."""

    epoch: int
    known: int
    """Entries of its journal."""


async def _measure(lab: Laboratory, minutes: float, seed: int, rate: float) -> dict[str, Any]:
    await await_calm(lab)
    before = {service: await _before(witness) for service, witness in lab.witnesses.items()}
    began, load = time.monotonic(), await offer(lab, "calm", rate=rate, settle=SETTLE / 2, beside=True)
    holding = await entrust(lab, "calm", settle=SETTLE / 2)
    say(
        f"noise for {minutes:g} minutes, seed {seed}, {rate:g} payments a second: round trips of 25 to 250 ms, {LOSS:.0%} loss, "
        f"pauses up to {LONGEST_PAUSE:g} s"
    )
    telling = asyncio.create_task(_tell(load))
    try:
        async with noise(lab, seed) as pauses:
            looks = await _look(lab, minutes * 60)
    finally:
        telling.cancel()
    say("quiet again; the load ends")
    aftermath, _ = await look_back(lab, load, since=began, settle=SETTLE, agree=AGREE, holding=holding)
    stood = [await _stood(witness, before[service], looks[service]) for service, witness in lab.witnesses.items()]
    rates = await read_rates(lab)
    broken = broken_calm(stood=stood, aftermath=aftermath, pauses=pauses, unscreened=_unscreened(rates[PAYMENTS]))
    said = calm_said(stood, looks, aftermath, pauses)
    return {**said, "rates": rates_said(rates), "clients": _clients(load), "broken": list(broken)}


def _unscreened(counted: ServiceRates) -> int | None:
    """Payments of which screening said nothing in time; None when somebody could not be asked."""
    return None if counted.silent else counted.screened.get("absent", 0)


async def _before(witness: Witness) -> _Before:
    control = await witness.control()
    if control is None:
        raise LabError(f"etcd does not answer of {witness.service}, though it was calm a moment ago")
    return _Before(epoch=int(control.posture.reign), known=len(await witness.journal()))


async def _stood(witness: Witness, before: _Before, looks: Sequence[Look]) -> Stood:
    control = await witness.control()
    try:
        journal = await witness.journal()
    except TrimaranError:
        # `look_back` has told that it cannot be read, and the run is broken by that.
        journal = ()
    return Stood(
        service=witness.service,
        epoch_before=before.epoch,
        epoch_after=int(control.posture.reign) if control else None,
        claimed=claims(journal[before.known :]),
        near=nearness(looks),
    )


async def _look(lab: Laboratory, seconds: float) -> Mapping[str, list[Look]]:
    began, looks = time.monotonic(), {service: list[Look]() for service in lab.witnesses}
    while (t := time.monotonic() - began) < seconds:
        for service, witness in lab.witnesses.items():
            looks[service].append(await _one_look(witness, t))
        await asyncio.sleep(LOOK_EVERY)
    return looks


async def _one_look(witness: Witness, t: float) -> Look:
    control = await witness.control()
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
        traffic={str(vantage): seen.traffic for vantage, seen in control.observations.items() if seen.traffic is not None},
    )


async def _tell(load: Offering) -> None:
    while True:
        await asyncio.sleep(10)
        stats = load.progress()
        with suppress(KeyError):
            why = ", ".join(f"{times} x {what}" for what, times in list(stats["why"].items())[:4])
            say(f"{stats['offered']} offered, {stats['acknowledged']} acknowledged, {stats['in_flight']} under way; {why}")


def _clients(load: Offering) -> dict[str, Any]:
    """What noise cost those who pay, from their own record: seconds from the wish to the answer, whatever it took."""
    lines = load.lines()
    failed = Counter(line.why for line in lines if isinstance(line, Failed))
    return {"failed_attempts": dict(failed.most_common()), **asdict(waited(lines))}


def _keep(file: Path, report: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")


def say(line: str) -> None:
    """Progress, as it happens."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> None:
    """Exit 0: calm; 1: a failover, a loss, or another broken promise; 2: MINUTES, SEED or RATE is not what it should be."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        minutes, seed = float(os.environ.get("MINUTES", "10")), int(os.environ.get("SEED", "1"))
        rate = float(os.environ.get("RATE", RATE))
    except ValueError:
        minutes = rate = seed = 0
    if not (0 < minutes < 24 * 60 and 0 < rate <= 1000):
        given = ", ".join(f"{os.environ.get(name)!r}" for name in ("MINUTES", "SEED", "RATE"))
        print(f"MINUTES, SEED, RATE: a number above 0, a whole number, and up to 1000 a second, not {given}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if asyncio.run(stay_calm(minutes, OUT, seed, rate)) else 1)


if __name__ == "__main__":
    main()
