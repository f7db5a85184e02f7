"""The noise of `make calm` on real links."""

from datetime import timedelta

from lab.cabling import CLIENTS, SITES, Cabling, lay_cables
from lab.calm_noise import JITTER, LOSS, shape
from lab.workspace import Workspace


async def shapes(cabling: Cabling) -> dict[tuple[str, str], tuple[float, float]]:
    """Jitter and loss of every directed pair, as the links themselves have it."""
    told = [*(await cabling.links.stats())["pairs"], *(await cabling.public.stats())["pairs"]]
    return {(one["source"], one["destination"]): (one["jitter"], one["loss"]) for one in told}


async def test_noise_is_on_every_way_between_two_places() -> None:
    """Between all sites and from all clients, both ways, to the emulated API too; and off again afterwards."""
    with Workspace("test-calm-noise") as workspace:
        cabling = await lay_cables(workspace)
        await shape(cabling, jitter=JITTER, loss=LOSS)
        noisy = await shapes(cabling)
        assert set(noisy.values()) == {(JITTER.total_seconds(), LOSS)}
        assert noisy.keys() >= {(one, other) for one in (*SITES, CLIENTS) for other in SITES if one != other}
        assert noisy.keys() >= {(site, CLIENTS) for site in SITES}
        await shape(cabling, jitter=timedelta(0), loss=0)
        assert set((await shapes(cabling)).values()) == {(0.0, 0.0)}
        await cabling.stop()
