"""The order of steps: what is durable before what is sealed, given out or forgotten."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from tests.unit.workload.vault.clouds_double import BLINK, SOON, Cloud, Tally, three
from tests.unit.workload.vault.desk import PINS, READ, Desk, Row
from workload.calls.lasting import Lasting
from workload.durable.errors import OutcomeUnknown
from workload.vault import store
from workload.vault.clouds import Clouds
from workload.vault.errors import KeyLost, KeysOutOfReach, SealBroken, WrapRefused
from workload.vault.key_settings import KeyTuning
from workload.vault.keyring import Keyring
from workload.vault.metrics import Metrics
from workload.vault.model import DataKey, Grounds, Order, Outcome, Whose
from workload.vault.numbers import Kind, read_number
from workload.vault.service import SHOWN, Vault

pytestmark = pytest.mark.asyncio

NUMBER = read_number(Kind.CARD, "4111 1111 1111 1111")
SUBJECT = UUID(int=5)
GROUNDS = Grounds(caller="desk", reason="dispute")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Stage:
    """The service over a database with one subject's rows, three clouds in memory, and a barrier that the test holds."""

    def __init__(self) -> None:
        self.clouds: tuple[Cloud, ...] = three()
        self.key: Row | None = None
        self.tokens: dict[UUID, Row] = {}
        self.is_erased = False
        self.metrics = Metrics()
        self.desk = Desk(
            {
                store.LOCKED_KEY: self.locked_key,
                store.FOUND_KEY: self.found_key,
                store.TOKENIZE: self.tokenize,
                store.GIVE_OUT: self.give_out,
                store.WHOSE: self.whose,
                store.ERASE: self.erase,
            }
        )
        tuning = KeyTuning(wrap_deadline=SOON, unwrap_deadline=SOON, key_deadline=SOON)
        self.drawn = 0
        self.ring = Keyring(Clouds(self.clouds, Tally()), tuning=tuning, entropy=self.entropy, monotonic=lambda: 0.0)
        self.vault = self.serve(SOON)

    def serve(self, patience: timedelta) -> Vault:
        """Over the same rows, for requests that wait for a key so long."""
        lasting: Lasting[DataKey | None] = Lasting(
            longest=SOON, monotonic=time.monotonic, crowded=KeysOutOfReach, expected=(KeyLost,)
        )
        return Vault(
            answers=self.desk.answers(),
            keyring=self.ring,
            metrics=self.metrics,
            new_id=uuid4,
            new_token=uuid4,
            entropy=self.entropy,
            key_patience=patience,
            key_tasks=lasting,
            monotonic=time.monotonic,
        )

    def entropy(self, length: int) -> bytes:
        """Never the same twice."""
        self.drawn += 1
        return self.drawn.to_bytes(length, "big")

    def locked_key(self, subject: UUID | None, id: UUID | None) -> Row:
        """Not there, or there, or erased."""
        if self.key is None:
            return (*READ, *[None] * 7)
        id, subject, check, *wraps = self.key
        return (*READ, id, subject, check, self.is_erased, *([[], [], []] if self.is_erased else wraps))

    def found_key(self, *values: Any) -> Row:
        """First come, first served."""
        if self.key is not None:
            return (*PINS, "exists")
        self.key = values
        return (*PINS, "founded")

    def tokenize(self, id: UUID, *values: Any) -> Row:
        """Keeps it."""
        if self.key is None or values[2] != self.key[0]:
            return (*PINS, "unknown_key", None, None, None)
        self.tokens[id] = values
        return (*PINS, "created", id, 1, NOW)

    def give_out(self, access: UUID, token: UUID, action: str, caller: str, reason: str) -> Row:
        """Sealed, with where it belongs."""
        assert self.key
        if self.is_erased:
            return (*PINS, "erased", *[None] * 6)
        _, _, data_key, kind, sealed, hint, *_ = self.tokens[token]
        return (*PINS, "found", kind, self.key[1], data_key, {"reveal": sealed, "describe": hint}[action], 1, NOW)

    def whose(self, token: UUID) -> Row:
        """The subject."""
        assert self.key
        return (*READ, self.key[1] if token in self.tokens else None, self.is_erased)

    def erase(self, id: UUID, subject: UUID, caller: str, by: str | None, reason: str) -> Row:
        """Once."""
        assert self.key
        self.is_erased = True
        return (*PINS, "erased", id, subject, self.key[0], ["aws"], b"digest", 1, caller, by, reason, 1, NOW)

    def order(self) -> Order:
        """A new one."""
        return Order(key=uuid4(), subject=SUBJECT, number=NUMBER, caller="shop")

    async def kept(self) -> UUID:
        """A token."""
        answer = await self.vault.tokenize(self.order())
        for cloud in self.clouds:
            cloud.asked.clear()  # whoever wraps also opens, once
        assert answer.token
        return answer.token.id

    def lose_memory(self) -> None:
        """As a process of another site, which never had the key."""
        self.ring.drop(SUBJECT)

    @property
    def unwraps(self) -> int:
        """How often some cloud was asked to open a key."""
        return sum(cloud.asked.count("unwrap") for cloud in self.clouds)


async def test_a_number_comes_back() -> None:
    """Kept, described by its last four, given out; also by a process that has to have the key opened."""
    stage = Stage()
    token = await stage.kept()
    for _ in range(2):
        described = (await stage.vault.describe(token, "shop")).token
        assert described and described.last_four == "1111"
        assert (await stage.vault.reveal(token, GROUNDS)).number == NUMBER
        stage.lose_memory()


async def test_nothing_readable_reaches_the_database() -> None:
    """Not the number, not its last four."""
    stage = Stage()
    await stage.kept()
    sent = repr(stage.desk.values)
    assert NUMBER.text not in sent and b"1111" not in b"".join(
        value for values in stage.desk.values for value in values if isinstance(value, bytes)
    )


async def test_no_key_seals_anything_before_it_is_durable() -> None:
    """The barrier stays closed after the key's wraps were written: the number is not sealed, and the key is not kept."""
    stage = Stage()
    stage.desk.on_confirm = lambda: setattr(
        stage.desk, "holds_back", OutcomeUnknown("closed") if stage.desk.asked[-1] == store.FOUND_KEY else None
    )
    with pytest.raises(OutcomeUnknown):
        await stage.vault.tokenize(stage.order())
    assert store.TOKENIZE not in stage.desk.asked and stage.ring.cached == 0


async def test_no_number_is_opened_before_its_access_is_durable() -> None:
    """The barrier stays closed after the audit row was written: no cloud is asked for the key, nobody gets the number."""
    stage = Stage()
    token = await stage.kept()
    stage.lose_memory()
    stage.desk.holds_back = OutcomeUnknown("closed")
    with pytest.raises(OutcomeUnknown):
        await stage.vault.reveal(token, GROUNDS)
    assert stage.desk.asked[-1] == store.GIVE_OUT and stage.unwraps == 0
    with pytest.raises(OutcomeUnknown):
        await stage.vault.describe(token, "shop")
    assert stage.desk.asked[-1] == store.GIVE_OUT and stage.unwraps == 0, "nor its last four"


async def test_the_evidence_of_a_reveal_is_its_access_row() -> None:
    """What the follower beside the service is asked for is the row that names who and why."""
    stage = Stage()
    token = await stage.kept()
    await stage.vault.reveal(token, GROUNDS)
    access, *asked = stage.desk.values[stage.desk.asked.index(store.GIVE_OUT)]
    assert stage.desk.confirmed[-1].row == access
    assert asked == [token, "reveal", GROUNDS.caller, GROUNDS.reason]


async def test_the_evidence_of_a_description_is_its_access_row() -> None:
    """Four digits and a kind are shown: who walks through all tokens leaves as many rows."""
    stage = Stage()
    token = await stage.kept()
    await stage.vault.describe(token, "curious")
    access, *asked = stage.desk.values[stage.desk.asked.index(store.GIVE_OUT)]
    assert stage.desk.confirmed[-1].row == access and asked == [token, "describe", "curious", SHOWN]


async def test_whose_a_token_is_touches_no_key() -> None:
    """Told by a process that has no key and reaches no cloud: whoever asks is kept waiting by no key service. Nothing sealed is read."""
    stage = Stage()
    token = await stage.kept()
    stage.lose_memory()
    for cloud in stage.clouds:
        cloud.hangs = True
    stage.desk.asked.clear()
    assert await stage.vault.whose(token) == Whose(outcome=Outcome.FOUND, subject=SUBJECT)
    assert (await stage.vault.whose(uuid4())).outcome is Outcome.UNKNOWN_TOKEN
    await stage.vault.erase(SUBJECT, GROUNDS)
    assert await stage.vault.whose(token) == Whose(outcome=Outcome.ERASED)
    assert stage.desk.asked == [store.WHOSE, store.WHOSE, store.ERASE, store.WHOSE] and stage.unwraps == 0


def told(stage: Stage, name: str, **labels: str) -> float | None:
    """A counter."""
    return stage.metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("describes", [False, True])
async def test_a_row_that_was_moved_to_another_token_is_told_to_people(describes: bool) -> None:
    """What the associated data is for. The client sees a 500 like any other."""
    stage = Stage()
    mine, rich = await stage.kept(), await stage.kept()
    stage.tokens[mine] = stage.tokens[rich]
    assert told(stage, "vault_broken_total", kind="seal-broken") == 0
    with capture_logs() as logs, pytest.raises(SealBroken):
        await (stage.vault.describe(mine, "shop") if describes else stage.vault.reveal(mine, GROUNDS))
    assert told(stage, "vault_broken_total", kind="seal-broken") == 1
    assert [(line["log_level"], line["token"]) for line in logs if line["log_level"] == "critical"] == [("critical", str(mine))]


@pytest.mark.parametrize("describes", [False, True])
async def test_a_lost_key_is_told_to_people(describes: bool) -> None:
    """Also where the answer goes on without it."""
    stage = Stage()
    token = await stage.kept()
    stage.lose_memory()
    for cloud in stage.clouds:
        cloud.refuses = lambda: WrapRefused("destroyed")
    with capture_logs() as logs:
        if describes:
            described = (await stage.vault.describe(token, "shop")).token
            assert described and described.last_four is None
        else:
            with pytest.raises(KeyLost):
                await stage.vault.reveal(token, GROUNDS)
    assert told(stage, "vault_broken_total", kind="key-lost") == 1
    assert len([line for line in logs if line["log_level"] == "critical"]) == 1


async def test_a_lost_key_is_told_to_people_also_when_its_client_has_left() -> None:
    """Far clouds refuse later than a request waits. Each client is told to come again, and without this nobody would ever know."""
    stage = Stage()
    token = await stage.kept()
    stage.vault = stage.serve(BLINK)
    stage.lose_memory()
    gone = asyncio.Event()
    for cloud in stage.clouds:
        cloud.refuses, cloud.waits = (lambda: WrapRefused("destroyed")), gone
    with capture_logs() as logs:
        with pytest.raises(KeysOutOfReach):
            await stage.vault.reveal(token, GROUNDS)
        assert told(stage, "vault_broken_total", kind="key-lost") == 0
        gone.set()
        for _ in range(50):
            await asyncio.sleep(0)
    assert told(stage, "vault_broken_total", kind="key-lost") == 1
    assert [line["event"] for line in logs if line["log_level"] == "critical"] == ["a data key is lost"]


async def test_a_key_of_all_clouds_that_is_only_out_of_reach_wakes_nobody() -> None:
    """An outage has alarms of its own."""
    stage = Stage()
    token = await stage.kept()
    stage.lose_memory()
    for cloud in stage.clouds:
        cloud.fails = lambda: RuntimeError("gone")
    with pytest.raises(KeysOutOfReach):
        await stage.vault.reveal(token, GROUNDS)
    assert told(stage, "vault_broken_total", kind="key-lost") == 0


async def test_who_brings_a_key_with_something_else_is_counted_by_name() -> None:
    """Once is a mistake; ten thousand times is somebody who tries numbers."""
    stage = Stage()
    stage.desk.replies[store.TOKENIZE] = lambda *values: (*PINS, "key_reused", uuid4(), 1, NOW)
    for _ in range(3):
        answer = await stage.vault.tokenize(stage.order())
        assert answer.outcome is Outcome.KEY_REUSED and answer.token is None
        assert stage.desk.confirmed[-1].row == stage.desk.values[-1][7], "the row that the attempt leaves is durable first"
    assert told(stage, "vault_keys_reused_total", caller="shop") == 3


async def test_a_new_subject_needs_clouds_and_writes_nothing_without_them() -> None:
    """Two of three must wrap."""
    stage = Stage()
    stage.clouds[0].fails = stage.clouds[1].fails = lambda: RuntimeError("gone")
    with pytest.raises(KeysOutOfReach):
        await stage.vault.tokenize(stage.order())
    assert stage.desk.asked == [store.LOCKED_KEY]


async def test_nobody_waits_for_a_key_longer_than_told() -> None:
    """Every cloud hangs: refused in time, with nothing written."""
    stage = Stage()
    stage.vault = stage.serve(BLINK)
    for cloud in stage.clouds:
        cloud.hangs = True
    with pytest.raises(KeysOutOfReach, match=r"0\.005 s"):
        await asyncio.wait_for(stage.vault.tokenize(stage.order()), 1)
    assert stage.desk.asked == [store.LOCKED_KEY]


async def test_known_subjects_need_no_cloud() -> None:
    """While their keys are at hand: tokens, reveals and descriptions go on with every key service gone."""
    stage = Stage()
    token = await stage.kept()
    for cloud in stage.clouds:
        cloud.fails = lambda: RuntimeError("gone")
    assert (await stage.vault.tokenize(stage.order())).outcome is Outcome.CREATED
    assert (await stage.vault.reveal(token, GROUNDS)).number == NUMBER


async def test_a_token_is_described_without_its_digits_when_no_cloud_opens_them() -> None:
    """Everything else is there."""
    stage = Stage()
    token = await stage.kept()
    stage.lose_memory()
    for cloud in stage.clouds:
        cloud.fails = lambda: RuntimeError("gone")
    described = (await stage.vault.describe(token, "shop")).token
    assert described and described.id == token and described.last_four is None


async def test_whoever_loses_the_race_for_a_subject_uses_the_winners_key() -> None:
    """Another site founded it between the look and the founding: the number is sealed with the key that is there."""
    stage, other = Stage(), Stage()
    other.drawn = 1000
    await other.kept()
    for mine, theirs in zip(stage.clouds, other.clouds, strict=True):
        mine.kept = theirs.kept

    def late(*values: Any) -> Row:
        stage.key = other.key
        return (*PINS, "exists")

    stage.desk.replies[store.FOUND_KEY] = late
    token = await stage.kept()
    assert other.key and stage.tokens[token][2] == other.key[0]
    assert (await stage.vault.reveal(token, GROUNDS)).number == NUMBER


async def test_a_key_that_its_database_lost_is_replaced() -> None:
    """An operator accepted a single copy, and it died: the cached key is not in the database any more, and must seal nothing there."""
    stage = Stage()
    await stage.kept()
    lost, stage.key = stage.key, None
    token = await stage.kept()
    assert stage.key and lost and stage.key[0] != lost[0]
    assert (await stage.vault.reveal(token, GROUNDS)).number == NUMBER


async def test_erased_is_erased_everywhere_and_for_good() -> None:
    """The proof names the data key; nothing is revealed, described or kept for the subject any more, cached key or not."""
    stage = Stage()
    token = await stage.kept()
    erased = await stage.vault.erase(SUBJECT, GROUNDS)
    assert erased.proof and stage.key and erased.proof.data_key == stage.key[0]
    assert stage.ring.cached == 0
    assert (await stage.vault.reveal(token, GROUNDS)).outcome is Outcome.ERASED
    assert (await stage.vault.describe(token, "shop")).outcome is Outcome.ERASED
    assert (await stage.vault.tokenize(stage.order())).outcome is Outcome.ERASED


async def test_an_erasure_between_the_access_and_the_opening_wins() -> None:
    """The row was read before it, the wraps are gone after it: nobody gets the number."""
    stage = Stage()
    token = await stage.kept()
    stage.lose_memory()
    stage.desk.on_confirm = lambda: setattr(stage, "is_erased", True)
    assert (await stage.vault.reveal(token, GROUNDS)).outcome is Outcome.ERASED


async def test_a_key_is_dropped_even_when_the_erasures_outcome_is_unknown() -> None:
    """It may have happened."""
    stage = Stage()
    await stage.kept()
    stage.desk.holds_back = OutcomeUnknown("closed")
    with pytest.raises(OutcomeUnknown):
        await stage.vault.erase(SUBJECT, GROUNDS)
    assert stage.ring.cached == 0
