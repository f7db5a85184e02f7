"""Conditions get into the journal once, from one controller, and end there too; a crew of three lives through what brings them."""

import asyncio
from typing import Any

from controller.chronicler import Chronicler
from controller.core.messages import Action
from controller.core.notices import NOTICE
from controller.noticing import Noticer
from tests.unit.core.worlds import AWS, AZURE, GCP
from tests.unit.newsroom import newsroom
from tests.unit.telling_office import SERVICE, Office, office


class Half:
    """A member of etcd that one controller alone cannot reach."""

    def __init__(self, *silent: str) -> None:
        self._silent = dict.fromkeys(silent, "no answer")

    def silent(self) -> dict[str, str]:
        """See `noticing.Members`."""
        return self._silent


def noticers(given: Office, members: dict[str, Half]) -> dict[str, Noticer]:
    """Everybody's."""
    found: dict[str, Noticer] = {}
    for site, one in given.colleagues.items():
        chronicler = Chronicler(service=SERVICE, coordination=one.store, clock=given.clock, past=given.pace.past)
        found[site] = Noticer(
            controller=site,
            loop=one.loop,
            desk=one.store,
            chronicler=chronicler,
            clock=given.clock,
            members=members.get(site),
            tries=one.teller.tries,
        )
    return found


async def notices(given: Office) -> list[tuple[list[str], list[str]]]:
    """What began and what ended, entry by entry."""
    entries: list[Any] = [entry.body for entry in await given.writer.journal(SERVICE) if entry.kind == NOTICE]
    return [([one["key"] for one in body["begun"]], list(body["ended"])) for body in entries]


async def test_a_silent_controller_is_noticed_once_by_whoever_is_first_and_its_end_too() -> None:
    """The first by name writes; when it is the one that is gone, the next does."""
    async with office() as given:
        tasks = [asyncio.create_task(one.run()) for one in noticers(given, {}).values()]
        given.end(AWS)
        await given.live(12)
        assert await notices(given) == [(["controller-silent:aws"], [])]
        given.begin(AWS)
        tasks.append(asyncio.create_task(noticers(given, {})[AWS].run()))
        await given.live(12)
        assert await notices(given) == [(["controller-silent:aws"], []), ([], ["controller-silent:aws"])]
        assert [one.action for one in given.receivers["pager"].came] == [Action.OPEN, Action.RESOLVE]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_controllers_that_see_different_things_do_not_contradict_each_other() -> None:
    """aws cannot reach a member of etcd that the others reach: one notice, and no end while it is so."""
    async with office() as given:
        found = noticers(given, {AWS: Half("https://etcd-gcp:2379"), AZURE: Half(), GCP: Half()})
        tasks = [asyncio.create_task(one.run()) for one in found.values()]
        await given.live(60)
        assert await notices(given) == [(["etcd-silent:https://etcd-gcp:2379"], [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_receiver_that_takes_nothing_is_told_of_on_the_others() -> None:
    """The pager's key was withdrawn, and nobody noticed: the chat hears of it, and of its end."""
    async with office("pager", "chat") as given:
        tasks = [asyncio.create_task(one.run()) for one in noticers(given, {}).values()]
        given.receivers["pager"].denied = True
        await given.write("rebuilt", sentence="s")
        await given.live(30)
        (opened,) = [one for one in given.receivers["chat"].came if one.action is Action.OPEN]
        assert opened.title.startswith("channel pager takes nothing")
        given.receivers["pager"].denied = False
        await given.live(45)
        assert [one.action for one in given.receivers["chat"].came] == [Action.NOTE, Action.OPEN, Action.RESOLVE]
        assert [one.action for one in given.receivers["pager"].came] == [Action.NOTE, Action.OPEN, Action.RESOLVE]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_two_that_both_think_it_is_their_turn_write_once() -> None:
    """Whoever comes second finds that a notice was written since it read the journal, and reads it anew."""
    async with office() as given:
        given.end(GCP)
        await given.live(4)
        made = noticers(given, {})
        first, second = made[AWS], made[AZURE]
        second.controller = AWS
        for _ in range(8):
            await first.look()
            await second.look()
            await given.live(1)
        assert await notices(given) == [(["controller-silent:gcp"], [])]


async def test_a_failover_that_is_held_is_told_with_the_way_out_and_ends_when_it_is_carried_out() -> None:
    """In a mode that leaves the writer to people: nothing happens by itself, and everybody knows why."""
    async with newsroom() as room:
        await room.crew.ask("mode", mode="manual")
        await room.crew.live(1)
        await room.crash(AZURE)
        await room.crew.live(6)
        held = [one for one in room.told() if "would fail over from azure" in one.why]
        assert len(held) == 1 and held[0].command == 'trimaran failover --from azure --reason "..." --service payments'
        assert [one.action for one in room.told(Action.OPEN)] == [Action.OPEN]


async def test_the_first_by_name_dies_with_its_cloud_and_people_are_told_all_the_same() -> None:
    """aws tells and notices first; its whole cloud goes. A follower's loss moves no writer: it is the notice that tells of it."""
    async with newsroom() as room:
        await room.crash(AWS)
        await room.crew.live(9)
        opened = room.told(Action.OPEN)
        assert len(opened) == 1 and any("aws's" in one.why for one in room.told())
        assert not room.told(Action.RESOLVE)


async def test_a_failover_is_as_fast_with_receivers_that_hang() -> None:
    """No step, no decision and no write of a plan waits for who is told, or for a heartbeat."""
    times = []
    for hanging in (False, True):
        async with newsroom("pager", "chat") as room:
            for receiver in room.receivers.values():
                receiver.hanging = hanging
            room.monitor.hanging = hanging
            await room.crash(AZURE)
            await room.crew.live(3)
            entries = await room.crew.journal("plan.done")
            times.append([(entry.at, entry.body["plan"]) for entry in entries])
    assert len(times[0]) == 1 and times[0] == times[1]
