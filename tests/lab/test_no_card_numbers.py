"""No number is anywhere it does not belong: numbers are planted in a running lab, and then everything the lab holds is searched for them.

A number may be sent to `POST /v1/tokens` in the body's `number`, and comes back from a reveal. Everywhere else it is a mistake that clients
make, and it must be neither kept nor told: not in logs, traces, metrics, journals, reports, databases, their logs and write-ahead logs,
etcd, nor in the error that says that it was a mistake. Also not while a cloud dies under it: errors are what quotes what was sent.

Whether the search can find anything is proven twice: every form in a file of its own (`test_number_search.py`), and in the same lab, in
which a number is leaked on purpose at the end.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import cycle, islice

import psycopg
import pytest

from lab.cabling import Door
from lab.laboratory import Laboratory, laboratory
from lab.rehearsal import Course, rehearse
from lab.report import Rehearsal, document
from lab.report_page import page
from lab.vault_load_schedule import card_number
from tests.lab.number_plants import PLANTS, Plant, filled, is_filled
from tests.lab.number_search import ACCOUNT, PUBLISHED, Found, Search, planted
from tests.lab.number_world import Speaker, dump, harass, pages, speaking

pytestmark = pytest.mark.timeout(900)

RUN = "numbers"
"""Of the rehearsal: the numbers of its cardholders are made from it."""
HELD = 2000
"""Of those, at most: ten a second are kept."""
HARASSED, SOMEBODY = 1000, 200
"""Where the numbers begin that are planted while the writer dies, and as many of each of two clients: some twenty seconds' worth. Whoever
went on until the end would keep the ledgers from ever being equal."""
BROKEN, LEAKED = planted(900), planted(901)

QUICK = Course(run=RUN, rate=20, calm=timedelta(seconds=2), hold=timedelta(seconds=2), after=timedelta(seconds=1))


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_every_plant_carries_its_number(plant: Plant) -> None:
    """A plant that lost it on the way would prove nothing."""
    sent = filled(plant, planted(9), ("d", "c"))
    request = f"{sent.method} {sent.path} {sent.headers} {sent.body}"
    assert list(Search([planted(9)]).within(request.encode(), "request")) and is_filled(sent)


async def plant_all(speaker: Speaker, accounts: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Send every plant; answers the plants' names by their numbers, and what went wrong with the answers."""
    names, wrong = {}, []
    for number, plant in enumerate(PLANTS):
        card = planted(number)
        names[card] = plant.name
        reply = await speaker.speak(filled(plant, card, accounts))
        if list(Search([card]).within(reply.said.encode(), "answer")):
            wrong.append(f"{plant.name}: the answer repeats it: {reply.said}")
        if (reply.status // 100 == 4) is not plant.is_refused or reply.status == 500:
            wrong.append(f"{plant.name}: answered {reply.status}: {reply.said}")
    return names, wrong


def mixed() -> Iterator[Plant]:
    """Every plant, and in between those that are let in: what is refused at the door meets no writer that is gone."""
    let_in = cycle(plant for plant in PLANTS if not plant.is_refused)
    for plant in cycle(PLANTS):
        yield from (plant, next(let_in))


@asynccontextmanager
async def harassed(speakers: Sequence[Speaker], accounts: Sequence[str], wrong: list[str]) -> AsyncIterator[set[str]]:
    """Plants at these sites for the length of the block, each with a number of its own; whatever is answered must not hold it."""
    numbers: set[str] = set()
    tasks = []
    for which, speaker in enumerate(speakers):
        cards = [planted(HARASSED + which * SOMEBODY + number) for number in range(SOMEBODY)]
        numbers.update(cards)
        plants = [filled(plant, card, accounts) for plant, card in zip(islice(mixed(), SOMEBODY), cards, strict=True)]
        tasks.append(asyncio.create_task(harass(speaker, plants)))
    try:
        yield numbers
    finally:
        for task in tasks:
            task.cancel()
        told = [reply for replies in await asyncio.gather(*tasks) for reply in replies]
        seen = "\n".join(reply.said for _, reply in told)
        wrong += [f"{one.digits} in an answer: {one.around!r}" for one in Search(numbers).within(seen.encode(), "answers")]
        assert {reply.status // 100 for _, reply in told} >= {2, 4, 5}, "nothing failed while the writer was gone"


def reported(seen: Rehearsal, said: Sequence[str]) -> list[tuple[str, bytes]]:
    """What people are given of the run."""
    return [
        ("report.json", json.dumps(document(seen)).encode()),
        ("report.html", page(seen).encode()),
        ("terminal", "\n".join(said).encode()),
    ]


async def found_in(lab: Laboratory, search: Search, *seen: tuple[str, bytes]) -> tuple[list[Found], int]:
    """In everything that is shown and everything that is held, and how many bytes of files that were."""
    tables = await asyncio.to_thread(lambda: list(dump(lab)))
    shown = [one for place, text in (*seen, *tables) for one in search.within(text, place)]
    in_files, size = await asyncio.to_thread(search.files, lab.workspace.path)
    return [*shown, *in_files], size


def leak(lab: Laboratory) -> None:
    """What this test is there to notice: a number in a log, in a text and in a number of a table."""
    with lab.workspace.log("payments-aws").open("a") as file:
        file.write(json.dumps({"event": "a number", "body": LEAKED}) + "\n")
    with psycopg.connect(lab.sites["gcp"].server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE TABLE leak (text text, amount bigint, exact numeric)")
        admin.execute("INSERT INTO leak VALUES (%s, %s, %s::numeric)", (LEAKED, int(LEAKED), LEAKED))


@pytest.mark.long
async def test_no_number_is_found_where_it_does_not_belong() -> None:
    """Every plant is refused or does no harm, no answer repeats a number, and nothing in the lab holds one in any form: before, during and
    after the death of the cloud that writes."""
    said: list[str] = []

    def say(what: str) -> None:
        said.append(what)
        print(f"{time.monotonic():.1f} {what}")

    async with laboratory("test-no-numbers", say=say) as lab, speaking(lab) as speakers:
        names, wrong = await plant_all(speakers["aws"], lab.accounts)
        for speaker in speakers.values():
            for door in (Door.EDGE, Door.HEALTH, Door.SERVICE, Door.VAULT, Door.SCREENING, Door.WEBHOOKS):
                assert BROKEN.encode() not in await speaker.mumble(door, f"{BROKEN} {BROKEN}\r\n{BROKEN}\r\n\r\n".encode())
        assert wrong == []
        async with harassed([speakers["aws"], speakers["azure"]], lab.accounts, wrong) as others:
            seen = await rehearse(lab, QUICK, say)
        held = [card_number(RUN, 1, number) for number in range(HELD)]
        search = Search([*names, *others, *held, BROKEN, LEAKED, PUBLISHED, ACCOUNT])
        found, size = await found_in(lab, search, *reported(seen, said), *await pages(lab))
        told = [f"{names.get(one.digits, one.digits)} as {one.form} in {one.place}: {one.around!r}" for one in found]
        assert (wrong, told) == ([], [])
        assert seen.epoch_after is not None and seen.epoch_after > seen.epoch_before
        assert seen.vault is not None and 0 < seen.vault.reconciliation.tokens <= HELD
        assert size > 50 * 2**20, "the files of three databases were not among what was searched"
        await asyncio.to_thread(leak, lab)
        leaked, _ = await found_in(lab, search)
        assert {one.digits for one in leaked} == {LEAKED}
        assert {one.form for one in leaked} >= {"plain", "integer", "numeric of PostgreSQL"}
        assert {"logs/payments-aws.log", "gcp postgres public.leak"} <= {one.place for one in leaked}
