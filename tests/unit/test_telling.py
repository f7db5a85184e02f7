"""People are told what the journal says, once, whoever dies or hangs in between."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from controller.coordination.store import Store
from controller.core.deliveries import Pace, Telling
from controller.core.incidents import Situation
from controller.core.messages import Action, Message
from controller.core.model import JournalEntry, Trigger
from controller.core.proposals import Failover
from controller.core.situation import fold
from controller.ports import Draft
from controller.providers.memory.channel import MemoryReceiver
from controller.telling_ports import Kept
from tests.unit.core.worlds import AWS, AZURE, GCP
from tests.unit.telling_office import SERVICE, office

BEGUN = {"key": "failing:azure/database", "kind": "failing", "site": "azure", "severity": "critical", "said": "azure fails"}
LEAVE = Failover(
    site=AZURE, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0}, trigger=Trigger.AUTOMATIC, because="azure's database is failing"
)


async def test_three_controllers_tell_each_channel_once_and_say_so_in_the_journal() -> None:
    """One entry for one message, with every channel: who sent it, when, at which try; and nothing of an address."""
    async with office("pager", "chat") as given:
        await given.write("notice", begun=[BEGUN], ended=[])
        await given.write("notice", begun=[], ended=[BEGUN["key"]])
        await given.live(8)
        for name in ("pager", "chat"):
            assert [one.action for one in given.receivers[name].came] == [Action.OPEN, Action.RESOLVE]
        receipts = await given.receipts()
        assert [one.body["entry"] for one in receipts] == [2, 3]
        channels = receipts[0].body["channels"]
        assert isinstance(channels, dict) and set(channels) == {"pager", "chat"}
        assert all((said["outcome"], said["tries"], said["detail"]) == ("accepted", 1, "200") for said in channels.values())
        assert all(said["by"] in {"aws", "azure", "gcp"} and said["at"] for said in channels.values())


async def test_in_calm_nothing_is_asked_of_etcd() -> None:
    """Between two entries tellers look at what the loop has read, and at nothing else."""
    async with office("pager", "chat") as given:
        await given.write("takeover", sentence="s")
        await given.live(10)
        before = [one.link.crossed for one in given.colleagues.values()]
        await given.live(10)
        looks = [one.link.crossed - crossed for one, crossed in zip(given.colleagues.values(), before, strict=True)]
        assert all(seen == 40 for seen in looks), f"one read of the loop's in each step, and {looks}"


class Slow:
    """A desk whose writes are on their way for a while, as over a network."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def telling(self, service: str) -> Kept:
        """See `telling_ports.Desk`."""
        return await self._store.telling(service)

    async def tell(self, service: str, known: Kept, record: Telling, journal: Sequence[Draft] = ()) -> Kept:
        """See `telling_ports.Desk`."""
        for _ in range(3):
            await asyncio.sleep(0)
        return await self._store.tell(service, known, record, journal)


class Careless(Slow):
    """The same, and it compares nothing: what telling would be without the comparison."""

    async def tell(self, service: str, known: Kept, record: Telling, journal: Sequence[Draft] = ()) -> Kept:
        """Over whatever is there by now."""
        for _ in range(3):
            await asyncio.sleep(0)
        return await self._store.tell(service, await self._store.telling(service), record, journal)


async def test_without_the_comparison_everybody_would_tell() -> None:
    """All three at the same moment: the compared write lets one through. A desk that compares nothing lets all of them."""
    at_once = Pace(stagger=timedelta())
    async with office(pace=at_once, desk=Slow) as given:
        await given.write("takeover", sentence="s")
        await given.live(3)
        assert len(given.titles()) == 1
    async with office(pace=at_once, desk=Careless) as given:
        await given.write("takeover", sentence="s")
        await given.live(3)
        assert len(given.titles()) > 1


async def test_who_dies_after_sending_is_followed_by_one_who_tells_what_is_missing() -> None:
    """The receiver has the first message, etcd does not know it: it comes again under the same id, and the second one comes."""
    async with office() as given:
        given.receivers["pager"].then = lambda: given.end(AWS)
        await given.write("takeover", sentence="first")
        await given.write("rebuilt", sentence="second")
        await given.live(12)
        first, again, second = given.receivers["pager"].came
        assert first.id == again.id != second.id and second.title == "the control plane was rebuilt"


async def test_a_controller_whose_own_way_out_is_broken_passes_it_on() -> None:
    """aws's resolver is gone and its controller lives: another one tells within seconds, and does not wait as who has failed must."""
    async with office(pace=Pace(first_pause=timedelta(seconds=30))) as given:
        given.colleagues[AWS].channels["pager"].reachable = False
        for number in range(3):
            await given.write("takeover", sentence=str(number))
            await given.live(4)
            assert len(given.titles()) == number + 1
        receipts = await given.receipts()
        assert receipts and "'by': 'azure'" in str(receipts[0].body)


async def test_a_receiver_that_is_away_gets_everything_in_order_when_it_is_back_and_holds_up_no_other() -> None:
    """Errors and silence on one channel: the other has each message at once; no attempt storms, and nothing is lost."""
    async with office("pager", "chat") as given:
        given.receivers["pager"].broken = 5
        given.receivers["chat"].hanging = True
        for number in range(3):
            await given.write("rebuilt", sentence=str(number))
        await given.live(3)
        assert given.titles("chat") == []
        await given.live(60)
        assert [one.why for one in given.receivers["pager"].came] == ["0", "1", "2"]
        assert given.receivers["pager"].attempts == 8
        given.receivers["chat"].hanging = False
        await given.live(70)
        assert [one.why for one in given.receivers["chat"].came] == ["0", "1", "2"]


async def test_retry_after_is_kept_by_everybody() -> None:
    """The limit is the receiver's, whoever asks: nobody tries while it wants to be left alone."""
    async with office() as given:
        receiver = given.receivers["pager"]
        receiver.busy, receiver.rest = 1, timedelta(seconds=20)
        await given.write("rebuilt", sentence="s")
        await given.live(15)
        assert receiver.attempts == 1
        await given.live(15)
        assert receiver.attempts == 2 and len(receiver.came) == 1


async def test_a_lost_answer_is_asked_again_under_the_same_id() -> None:
    """At least once, and the receiver can tell."""
    async with office() as given:
        given.receivers["pager"].lost_answers = 1
        await given.write("rebuilt", sentence="s")
        await given.live(10)
        first, second = given.receivers["pager"].came
        assert first == second


async def test_what_is_refused_for_good_holds_up_nothing_behind_it() -> None:
    """Shown three times, then noted as refused; the next message is told."""
    async with office() as given:
        given.receivers["pager"].refused = 3
        await given.write("takeover", sentence="bad")
        await given.write("rebuilt", sentence="good")
        await given.live(30)
        assert given.titles() == ["the control plane was rebuilt"]
        outcomes = [str(one.body["sentence"]) for one in await given.receipts()]
        assert ["refused" in one for one in outcomes] == [True, False]


async def test_with_an_address_that_is_no_good_messages_wait_and_old_notes_are_left_out() -> None:
    """Two hours later somebody mends the settings: what opened and ended an incident is told, a note of then is not."""
    pace = Pace(longest_pause=timedelta(minutes=20))
    async with office(pace=pace) as given:
        given.receivers["pager"].denied = True
        await given.write("rebuilt", sentence="a note")
        await given.write("notice", begun=[BEGUN], ended=[])
        await given.write("notice", begun=[], ended=[BEGUN["key"]])
        await given.live(5)
        await given.clock.jump(timedelta(hours=2))
        given.receivers["pager"].denied = False
        await given.live(12)
        assert [one.action for one in given.receivers["pager"].came] == [Action.OPEN, Action.RESOLVE]
        assert any("stale" in str(one.body["sentence"]) for one in await given.receipts())


async def test_a_new_channel_is_not_told_the_past() -> None:
    """It is named in the settings after years: it hears of what happened in the last ten minutes, in the incident that is open."""
    async with office() as given:
        for site in (AWS, AZURE, GCP):
            given.end(site)
        given.receivers["chat"] = MemoryReceiver(clock=given.clock)
        for number in range(30):
            await given.write("rebuilt", sentence=f"old {number}")
        await given.write("notice", begun=[BEGUN], ended=[])
        await given.clock.jump(timedelta(hours=1))
        await given.write("notice", begun=[], ended=[BEGUN["key"]])
        for site in (AWS, AZURE, GCP):
            given.begin(site, "chat")
        await given.live(8)
        (told,) = given.receivers["chat"].came
        assert told.action is Action.RESOLVE


async def test_an_etcd_that_began_anew_is_told_of_from_its_own_journal() -> None:
    """Everything kept is gone with it, and its entries count from 1: they are told, under other ids."""
    async with office() as given:
        await given.write("rebuilt", sentence="before")
        await given.live(4)
        given.etcd.restore()
        await given.found()
        await given.write("rebuilt", sentence="after")
        await given.live(8)
        first, second = given.receivers["pager"].came
        assert (first.entry, second.entry, second.why) == (2, 2, "after") and first.id != second.id


async def test_who_is_cut_off_from_etcd_tells_nothing() -> None:
    """What it knows is of the past, and it could not write down that it told."""
    async with office() as given:
        given.colleagues[AWS].link.reachable = False
        await given.write("rebuilt", sentence="s")
        await given.live(6)
        assert len(given.titles()) == 1
        channels = (await given.receipts())[0].body["channels"]
        assert isinstance(channels, dict) and channels["pager"]["by"] != "aws"


async def test_receipts_wait_while_a_plan_is_under_way() -> None:
    """A failover's writes follow each other; an entry between them would cost one of them a round trip. Not for ever: a plan may wait for
    hours."""
    async with office() as given:
        await given.claim(LEAVE)
        await given.live(30)
        assert given.titles() and not await given.receipts()
        await given.live(40)
        assert len(await given.receipts()) == 1


async def test_an_adapter_that_stumbles_is_a_failure_like_any_other_and_its_words_are_not_told() -> None:
    """Its exception's text may be an address; other channels go on."""
    async with office("pager", "chat") as given:
        for one in given.colleagues.values():
            one.channels["pager"].receiver = replace(given.receivers["pager"], then=_stumble)
        await given.write("rebuilt", sentence="s")
        await given.live(3)
        assert len(given.titles("chat")) == 1
        assert "ZeroDivisionError" in str(given.logs) and "secret-address" not in str(given.logs)
        assert SERVICE in str(given.logs)


async def test_an_entry_that_cannot_be_read_silences_nothing_behind_it() -> None:
    """A version ahead wrote it, say: it is logged, and what comes after it is told."""

    def stumbling(before: Situation, entry: JournalEntry, service: str) -> tuple[Situation, Message | None]:
        if entry.kind == "strange":
            raise ZeroDivisionError
        return fold(before, entry, service)

    async with office() as given:
        for one in given.colleagues.values():
            one.teller.chronicler = replace(one.teller.chronicler, fold=stumbling)
        await given.write("strange")
        await given.write("rebuilt", sentence="after it")
        await given.live(4)
        assert [one.why for one in given.receivers["pager"].came] == ["after it"]


def _stumble() -> None:
    raise ZeroDivisionError("https://secret-address.example")
