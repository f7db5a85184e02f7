"""Three control loops over databases and etcd in memory: who claims, who carries on, what is written down, and what is not."""

from dataclasses import replace
from datetime import timedelta

from controller.core.explain import DECISION
from controller.core.model import Role, Site
from controller.core.plans import Phase, PlanKind
from controller.core.policy import Policy
from controller.loop import CLAIM
from controller.ports import Control
from controller.providers.memory.probe import Behaviour
from tests.unit.crew import Crew, crew
from tests.unit.stage import AWS, AZURE, GCP, GROUP, SITES


async def _kept(given: Crew) -> None:
    assert await given.stage.promises() == ()


async def test_a_lost_writer_is_replaced_and_no_payment_is_lost() -> None:
    """Detection, claim, election, opening, steering: within three seconds, by exactly one of the controllers."""
    async with crew() as given:
        await given.crash(AZURE)
        began = given.stage.clock.monotonic()
        while given.stage.world.servers[AWS].role is not Role.WRITER:
            await given.live(0.05)
        assert given.stage.clock.monotonic() - began < timedelta(seconds=3)
        await given.live(8)
        control = await given.stage.control()
        assert (control.posture.writer, control.posture.reign, control.plan) == (AWS, 2, None)
        assert (await given.stage.dns.read())[GROUP][AZURE] == 0.0
        await _kept(given)


async def test_of_three_that_see_the_same_one_claims() -> None:
    """etcd decides who did; the others see the plan and leave it alone."""
    async with crew() as given:
        given.stage.world.crash(AZURE)
        given.edges[AZURE].behaviour = Behaviour.HANGS
        await given.live(3)
        claims = await given.journal(CLAIM)
        assert [entry.body["epoch"] for entry in claims if entry.body["plan_kind"] == "failover"] == [2]
        await _kept(given)


async def test_a_quiet_world_writes_nothing_down() -> None:
    """Only news is journaled: twenty calm seconds leave no line."""
    async with crew() as given:
        before = len(await given.journal())
        await given.live(20)
        assert len(await given.journal()) == before
        assert (await given.stage.control()).posture.reign == 1


async def _looks(given: Crew, seconds: float) -> dict[Site, int]:
    """How often each controller looked at etcd meanwhile."""
    seen: dict[Site, set[timedelta]] = {site: set() for site in given.members}
    for _ in range(round(seconds / 0.05)):
        await given.live(0.05)
        for site, member in given.members.items():
            if member.loop.view is not None:
                seen[site].add(member.loop.view.at)
    return {site: len(moments) for site, moments in seen.items()}


async def test_a_calm_world_is_looked_at_in_the_pace_of_the_probes() -> None:
    """etcd carries the reads of every controller for every service: in ten calm seconds 34 of each, not a hundred."""
    async with crew() as given:
        await given.live(2)
        assert all(30 <= looks <= 40 for looks in (await _looks(given, 10)).values())


async def test_trouble_is_looked_at_in_full_pace() -> None:
    """A follower's edge hangs: what others say of it, and whatever is decided about it, is read ten times a second."""
    async with crew() as given:
        given.edges[GCP].behaviour = Behaviour.HANGS
        await given.live(4)
        assert all(looks >= 15 for looks in (await _looks(given, 2)).values())


async def test_a_refusal_is_journaled_once_and_not_at_every_tick() -> None:
    """A pause forbids the failover; each controller says so once, however long it lasts."""
    async with crew() as given:
        await given.ask("pause")
        await given.live(1)
        await given.crash(AZURE)
        await given.live(4)
        said = await given.journal(DECISION)
        assert any("pause" in str(entry.body) for entry in said)
        await given.live(10)
        assert len(await given.journal(DECISION)) <= len(said) + 2
        assert (await given.stage.control()).posture.reign == 1, "an operator's pause always wins"
        assert len(await given.journal(CLAIM)) == 1, "the pause itself"


async def test_a_refusal_whose_entry_was_not_written_is_told_later() -> None:
    """etcd takes no write of aws while it first holds back; as soon as it does, the journal says why aws did nothing."""
    async with crew() as given:
        await given.ask("pause")
        await given.live(1)
        await given.crash(AZURE)
        link = given.stage.controllers[AWS].link
        link.hold_writes = 1_000_000
        await given.live(4)
        assert AWS not in {entry.actor for entry in await given.journal(DECISION) if entry.body["withheld"]}
        link.hold_writes = 0
        link.held.clear()
        await given.live(3)
        assert AWS in {entry.actor for entry in await given.journal(DECISION) if entry.body["withheld"]}


async def test_resuming_lets_the_waiting_failover_go() -> None:
    """What was withheld is decided anew."""
    async with crew() as given:
        await given.ask("pause")
        await given.live(1)
        await given.crash(AZURE)
        await given.live(4)
        await given.ask("resume")
        await given.live(6)
        assert (await given.stage.control()).posture.writer == AWS
        await _kept(given)


async def _under_way(given: Crew) -> Site:
    """Until a plan is under way; answers the site of its owner."""
    for _ in range(100):
        await given.live(0.05)
        control = await given.stage.control()
        if control.plan is not None and control.ownership is not None:
            return Site(control.ownership.controller)
    raise AssertionError("no plan was claimed")


async def test_a_plan_whose_owner_dies_is_taken_over() -> None:
    """The owner is gone in the middle; the session lapses, and another controller finishes what the journal says."""
    async with crew() as given:
        given.hold("cut", GCP)
        await given.crash(AZURE)
        await given.stop(await _under_way(given))
        given.hold("cut", GCP, calls=0)
        await given.live(6)
        control = await given.stage.control()
        assert (control.posture.writer, control.plan) == (AWS, None)
        assert len(await given.journal("takeover")) == 1
        await _kept(given)


async def test_a_restarted_controller_is_not_the_owner_it_was() -> None:
    """Same name, new session: its old life's plan is taken over like anybody's, and finished."""
    async with crew() as given:
        given.hold("cut", AZURE)
        await given.ask("switchover", to="aws")
        owner = await _under_way(given)
        await given.stop(owner)
        given.hold("cut", AZURE, calls=0)
        given.begin(owner)
        await given.live(6)
        control = await given.stage.control()
        assert (control.posture.writer, control.plan) == (AWS, None)
        assert len(await given.journal("takeover")) == 1
        await _kept(given)


async def test_a_wish_is_carried_out_and_settled() -> None:
    """An operator asks for a switchover; it is done once, and the wish is gone."""
    async with crew() as given:
        await given.ask("switchover", to="gcp")
        await given.live(4)
        control = await given.stage.control()
        assert (control.posture.writer, control.plan, control.requests) == (GCP, None, ())
        assert control.posture.must_cut == {AWS, AZURE}
        await _kept(given)


async def test_a_wish_that_cannot_be_is_refused_with_the_reason() -> None:
    """Nothing is changed, and the answer is in the journal."""
    async with crew() as given:
        await given.ask("switchover", to="mars")
        await given.live(1)
        control = await given.stage.control()
        assert (control.posture.reign, control.requests) == (1, ())
        assert any("mars" in str(entry.body) for entry in await given.journal(DECISION))


async def test_without_a_majority_nothing_is_decided() -> None:
    """The writer dies while etcd is away: nobody acts, and afterwards somebody does."""
    async with crew() as given:
        given.stage.etcd.majority = False
        await given.crash(AZURE)
        await given.live(6)
        assert all(server.epoch == 1 for server in given.stage.world.servers.values())
        given.stage.etcd.majority = True
        await given.live(8)
        assert (await given.stage.control()).posture.writer == AWS
        await _kept(given)


async def _home(given: Crew) -> Control:
    """Until azure counts and has traffic again."""
    for _ in range(100):
        await given.live(1)
        control = await given.stage.control()
        if control.plan is None and AZURE in control.posture.must_cut and min(control.posture.weights.values()) > 0:
            return control
    raise AssertionError(control)


async def test_the_old_writer_comes_home_as_a_follower() -> None:
    """Failover, heal, return, grow, traffic: everything without a person, and the writer stays where it is."""
    async with crew() as given:
        await given.crash(AZURE)
        await given.live(8)
        given.heal(AZURE)
        control = await _home(given)
        assert (control.posture.writer, control.posture.reign) == (AWS, 2)
        given.stage.world.flow()
        ledgers = [given.stage.world.servers[site].ledger for site in SITES]
        assert ledgers[0] == ledgers[1] == ledgers[2]
        await _kept(given)


async def test_a_restarted_controller_remembers_how_often_it_failed_over() -> None:
    """The velocity limit counts what the journal says, not what this process has seen."""
    policy = replace(Policy(), automatic_failovers=1)
    async with crew(policy) as given:
        await given.crash(AZURE)
        await given.live(8)
        assert (await given.stage.control()).posture.writer == AWS
        given.heal(AZURE)
        await _home(given)
        for site in (AZURE, GCP):
            await given.stop(site)
            given.begin(site)
        await given.live(4)
        await given.crash(AWS)
        await given.live(10)
        assert (await given.stage.control()).posture.reign == 2, "one automatic failover was allowed"
        assert any("velocity" in str(entry.body) for entry in await given.journal(DECISION))


async def test_a_failover_does_not_wait_for_the_copy_it_replaces() -> None:
    """The writer's database dies while the very controller that claims the failover is copying a returning node's ledger."""
    async with crew(replace(Policy(), automatic_failovers=9)) as given:
        world = given.stage.world
        await given.crash(AZURE)
        await given.live(15)
        given.heal(AZURE)
        world.held.add(AZURE)
        while (await given.stage.control()).plan is None or (await given.stage.control()).plan.phase is not Phase.RESEED:
            await given.live(0.05)
        owner = Site((await given.stage.control()).ownership.controller)
        for site in {AZURE, AWS, GCP} - {owner}:
            await given.stop(site)
        if owner is AZURE:
            given.begin(GCP)
        else:
            given.begin(AZURE)
        await given.live(1)
        world.crash(AWS)
        began = given.stage.clock.monotonic()
        while world.servers[GCP].role is not Role.WRITER:
            await given.live(0.05)
        assert given.stage.clock.monotonic() - began < timedelta(seconds=5)
        world.held.discard(AZURE)
        await given.live(20)
        await _kept(given)


async def test_a_plan_is_carried_on_by_whoever_reaches_the_node() -> None:
    """Only the owner's own path to gcp's database is broken: the other controller takes over, and nobody has to be left out."""
    async with crew() as given:
        given.hold("cut", GCP)
        await given.crash(AZURE)
        owner = await _under_way(given)
        for site, controller in given.stage.controllers.items():
            if site != owner:
                controller.databases[GCP].path.hold_calls.clear()
        await given.live(4)
        assert (await given.stage.control()).plan.phase is Phase.CUT
        await given.live(14)
        control = await given.stage.control()
        assert (control.posture.reign, control.plan, control.ownership.controller == owner) == (2, None, False)
        assert [entry for entry in await given.journal("takeover") if "gets nowhere" in str(entry.body)]
        await _kept(given)


async def test_an_edge_that_dies_during_a_return_is_drained() -> None:
    """A node comes back, dies again in the middle of its copy, and another site's edge fails: nobody is sent to either of them."""
    async with crew(replace(Policy(), automatic_failovers=9)) as given:
        await given.crash(AZURE)
        await given.live(15)
        given.heal(AZURE)
        given.stage.world.held.add(AZURE)
        while (await given.stage.control()).plan is None or (await given.stage.control()).plan.phase is not Phase.RESEED:
            await given.live(0.05)
        given.edges[GCP].behaviour = Behaviour.HANGS
        await given.live(8)
        assert (await given.stage.control()).plan.kind is PlanKind.RETURN, "it goes on"
        assert (await given.stage.control()).posture.weights[GCP] == 0
        await given.crash(AZURE)
        await given.live(8)
        assert PlanKind.RETURN not in {plan.kind for plan in [(await given.stage.control()).plan] if plan}, "it was given up"
        assert [entry.body["sentence"] for entry in await given.journal("plan.done") if "give up" in str(entry.body)]
        await _kept(given)


async def test_a_controller_that_missed_a_failover_counts_it() -> None:
    """aws's controller hears nothing of etcd while the writer moves to its own site. Then aws's database dies: within the window that is
    the second automatic failover, whoever claims it."""
    async with crew() as given:
        given.stage.controllers[AWS].link.reachable = False
        given.stage.world.crash(AZURE)
        given.edges[AZURE].behaviour = Behaviour.HANGS
        await given.live(8)
        assert (await given.stage.control()).posture.reign == 2
        given.stage.controllers[AWS].link.reachable = True
        await given.live(6)
        given.stage.world.crash((await given.stage.control()).posture.writer)
        await given.live(20)
        assert (await given.stage.control()).posture.epoch == 2
