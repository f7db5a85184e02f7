"""What a payer makes of answers that are none, or come late: it listens longer, settles what is settled, and says so when it stumbles."""

from pathlib import Path

from lab.load import Load
from lab.load_payer import Manners, Reply, Route, Sending
from lab.record import Acknowledged, Defect, Held, Record, read_record
from tests.unit.lab.test_load import BUSY, OFFER, PAID, WAITS, World, settings


async def test_a_payment_that_a_person_looks_at_first_is_settled_and_no_payment(tmp_path: Path) -> None:
    """It is not asked for again, and what was told is on the record under its id."""
    world = World(answers=[Reply(status=202, body=WAITS)])
    outcome = await world.payer.pay(OFFER, world.device)
    assert isinstance(outcome, Held) and (outcome.payment, outcome.epoch) == ("p", 3)
    assert world.lines[-1] == outcome and len(world.posted) == 1


async def test_a_payer_that_stumbles_is_a_defect_of_the_run(tmp_path: Path) -> None:
    """Without a word of it a payment would stay unresolved, and nobody would know why."""

    async def stumble(route: Route, sending: Sending) -> Reply:
        raise ValueError("i2d() failed")

    with Record(tmp_path / "record") as record:
        wanted = settings(tmp_path, duration=0.02, settle=0.1)
        await Load(wanted, record, stumble, {"route53": World().ask}).run()
    said = [line.what for line in read_record(tmp_path / "record") if isinstance(line, Defect)]
    assert said and "r-0 ended with ValueError('i2d() failed')" in said[0]


async def test_whoever_is_not_answered_asks_less_and_waits_longer() -> None:
    """A service that answers after 1.1 s would otherwise be asked again and again by clients who hear none of its answers."""
    manners = Manners(request_deadline=1.0)
    assert [manners.patience(attempt) for attempt in (1, 4, 5, 8, 9, 100)] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    world, told = World(answers=[BUSY] * 9), list[float]()
    post = world.payer._post

    async def listen(route: Route, sending: Sending) -> Reply:
        told.append(sending.left)
        return PAID if sending.attempt == 10 else await post(route, sending)

    world.payer._post = listen
    assert isinstance(await world.payer.pay(OFFER, world.device), Acknowledged)
    assert told == [1.0] * 4 + [2.0] * 4 + [3.0] * 2
