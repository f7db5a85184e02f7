"""An authority is replaced, and nobody refuses anybody: whatever was read when, wherever it stopped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

from controller.errors import Denied, Refused
from controller.filling.fill import carry_out
from controller.filling.orders import Deed, Order, Wishes
from controller.filling.plan import Issued, Trusted
from controller.issuing.archive import Issuer
from controller.issuing.authority import Certificate
from controller.issuing.succession import Stage
from tests.unit.filling.worlds import NONE, World

CIRCLES = tuple(Issuer)
STEPS = (Stage.TRUST, Stage.ISSUE, Stage.FORGET)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With everything that is needed."""
    return World(tmp_path)


def wish(step: Stage, *issuers: Issuer, restarted: bool = True) -> Wishes:
    """For these."""
    return Wishes(replace=dict.fromkeys(issuers, step), restarted=restarted)


def believes(listed: bytes, identity: bytes) -> bool:
    """Is there one in this list who has issued it?"""
    parts = listed.split(b"-----END CERTIFICATE-----\n")[:-1]
    return any(Certificate.read(part + b"-----END CERTIFICATE-----\n").has_issued(identity) for part in parts)


@dataclass
class Running:
    """Programs that may have been started at any moment since somebody said that all of them were: each shows and believes any of what was
    in its places since then."""

    world: World
    read: dict[str, list[bytes]] = field(default_factory=dict)

    def started(self) -> None:
        """All of them."""
        self.read.clear()
        for one in self.world.estate.places:
            self.look(one.site, one.name)

    def look(self, site: str, name: str) -> None:
        """Somebody may be started now."""
        self.read.setdefault(f"{site}:{name}", []).append(self.world.told(site, name))

    def refused(self) -> Iterator[str]:
        """Who would be, by whom."""
        for issuer in CIRCLES:
            mine = [one for one in self.world.estate.places if getattr(one.source, "issuer", None) is issuer]
            identities = {what for one in mine if isinstance(one.source, Issued) for what in self.read[str(one)]}
            lists = {what: str(one) for one in mine if isinstance(one.source, Trusted) for what in self.read[str(one)]}
            for (listed, name), identity in product(lists.items(), identities):
                if not believes(listed, identity):
                    yield f"{issuer}: {name}"


async def stepped(world: World, running: Running, wishes: Wishes) -> int:
    """How many places were replaced. Whoever is started meanwhile, at whatever place it stands, meets nobody who refuses it."""

    def told(order: Order) -> None:
        if order.deed is not Deed.LEAVE:
            running.look(order.seen.place.site, order.seen.place.name)

    outcome = await carry_out(await world.decided(wishes), world.stores, world.means(), told, NONE, wishes)
    assert not list(running.refused())
    return outcome.replaced


async def test_nobody_is_refused_while_all_authorities_are_replaced(world: World) -> None:
    """Each step is interrupted at the last site first, goes on, and may be repeated; in the end the old ones are believed by nobody."""
    await world.filled()
    running = Running(world)
    running.started()
    before = {one: world.means().archive.believed(one)[0] for one in CIRCLES}
    for step in STEPS:
        world.stores["gcp"].denied_changes = True
        with pytest.raises(Denied):
            await stepped(world, running, wish(step, *CIRCLES))
        assert not list(running.refused())
        world.stores["gcp"].denied_changes = False
        assert await stepped(world, running, wish(step, *CIRCLES)) > 0
        assert await stepped(world, running, wish(step, *CIRCLES)) == 0
        running.started()
    for one in world.estate.places:
        if isinstance(one.source, Trusted):
            assert before[one.source.issuer].pem not in world.told(one.site, one.name)
        if isinstance(one.source, Issued):
            assert not before[one.source.issuer].has_issued(world.told(one.site, one.name))
            assert world.means().archive.authority(one.source.issuer).has_issued(world.told(one.site, one.name))
    assert set(await deeds(world)) == {Deed.LEAVE}


async def deeds(world: World) -> list[Deed]:
    """What would be done without a wish."""
    return [one.deed for one in await world.decided()]


async def refusal(world: World, wishes: Wishes, directory: str = "authority") -> str:
    """Why nothing is done."""
    before = list(world.versions())
    with pytest.raises(Refused) as found:
        await world.filled(wishes, directory)
    assert list(world.versions()) == before
    return found.value.value


async def test_no_step_is_made_before_the_earlier_one_is_through(world: World) -> None:
    """Everywhere, and read by everybody."""
    fleet = Issuer.FLEET
    assert "there is none yet that could be replaced" in await refusal(world, wish(Stage.TRUST, fleet))
    await world.filled()
    assert "at settled, from where it goes on with trust" in await refusal(world, wish(Stage.ISSUE, fleet))
    world.stores["gcp"].denied_changes = True
    with pytest.raises(Denied):
        await world.filled(wish(Stage.TRUST, fleet))
    world.stores["gcp"].denied_changes = False
    said = await refusal(world, wish(Stage.ISSUE, fleet))
    assert "gcp:payments/authority" in said and "not believed there yet; --replace fleet=trust" in said and "aws:" not in said
    assert "goes on with issue" in await refusal(world, wish(Stage.FORGET, fleet))
    await world.filled(wish(Stage.TRUST, fleet))
    said = await refusal(world, wish(Stage.ISSUE, fleet, restarted=False))
    assert (
        "--replace fleet=issue: say --restarted when everything of edge, payments, screening, vault, webhooks was started" in said
    )
    world.stores["azure"].denied_changes = True
    with pytest.raises(Denied):
        await world.filled(wish(Stage.ISSUE, fleet))
    world.stores["azure"].denied_changes = False
    said = await refusal(world, wish(Stage.FORGET, fleet))
    assert (
        "azure:payments/identity" in said
        and "of the old authority of fleet; --replace fleet=issue" in said
        and "aws:" not in said
    )
    assert (await world.filled(wish(Stage.ISSUE, fleet, restarted=False))).replaced > 0, (
        "this step again: nobody has to be started for it"
    )
    assert "say --restarted" in await refusal(world, wish(Stage.FORGET, fleet, restarted=False))
    await world.filled(wish(Stage.FORGET, fleet))


async def test_the_old_one_is_forgotten_when_every_list_is_known_to_be_without_it(world: World) -> None:
    """Somebody else was faster at one place: what is in it is not known, so the succession is not over. The same step again ends it."""
    await world.filled()
    for step in STEPS[:2]:
        await world.filled(wish(step, Issuer.ETCD))
    last = wish(Stage.FORGET, Issuer.ETCD)
    wanted = await world.decided(last)
    world.stores["aws"].places[world.estate.ids["aws:edge/etcd-authority"]].append(b"somebody else's")
    outcome = await carry_out(wanted, world.stores, world.means(), pause=NONE, wishes=last)
    assert outcome.overtaken == ("aws:edge/etcd-authority",)
    assert world.means().archive.succession(Issuer.ETCD).stage is Stage.FORGET
    assert (await world.filled(last)).replaced == 1
    assert world.means().archive.succession(Issuer.ETCD).stage is Stage.SETTLED


@pytest.mark.parametrize("step", STEPS[:2])
async def test_what_is_added_or_renewed_meanwhile_is_refused_by_nobody(world: World, step: Stage) -> None:
    """A place was added in the middle of it; another is replaced by name."""
    await world.filled()
    running = Running(world)
    for one in STEPS[: STEPS.index(step) + 1]:
        running.started()
        await stepped(world, running, wish(one, Issuer.ETCD))
    for name in ("etcd-identity", "etcd-authority"):
        world.stores["azure"].places[world.estate.ids[f"azure:control/{name}"]].clear()
    await stepped(world, running, Wishes(rotate=frozenset({"edge/etcd-identity", "edge/etcd-authority"})))
    assert len(set(running.read["azure:control/etcd-identity"])) > 1


async def test_everything_at_once_from_another_directory_is_refused(world: World) -> None:
    """Whoever got the new identity first would be refused by whoever was not started yet: all of them, at all sites."""
    await world.filled()
    everything = Wishes(rotate=frozenset(one.name for one in world.estate.places if isinstance(one.source, Issued | Trusted)))
    said = await refusal(world, everything, "another")
    assert said.count("filled from another directory than this one") >= len(CIRCLES)
    lists = Wishes(rotate=frozenset({"payments/authority"}))
    assert "aws:payments/identity" in await refusal(world, lists, "another")


async def test_a_lost_directory_is_begun_anew_from_what_is_believed(world: World) -> None:
    """Of the old authority there is only the certificate that places believe, which somebody puts there; it is replaced as any other."""
    await world.filled()
    running = Running(world)
    running.started()
    lost, folder = world.folder / "authority", world.folder / "lost"
    lost.rename(folder)
    lost.mkdir(mode=0o700)
    for issuer in CIRCLES:
        public = Certificate.read((folder / f"{issuer}.pem").read_bytes()).pem
        (lost / f"{issuer}.pem").touch(mode=0o600)
        (lost / f"{issuer}.pem").write_bytes(public)
    assert "fleet: its key is not in this directory" in await refusal(world, Wishes(rotate=frozenset({"payments/identity"})))
    said = await refusal(world, wish(Stage.TRUST, *CIRCLES))
    assert "aws:edge/clients: nobody here knows what was given there" in said
    (world.folder / "given" / "edge" / "clients.pem").parent.mkdir(exist_ok=True)
    (world.folder / "given" / "edge" / "clients.pem").write_text("none")
    for step in STEPS:
        assert await stepped(world, running, wish(step, *CIRCLES)) > 0
        running.started()
    assert world.means().archive.authority(Issuer.FLEET).has_issued(world.told("gcp", "payments/identity"))
