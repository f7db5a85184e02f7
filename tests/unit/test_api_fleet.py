"""A service that goes with another is told beside it: together, half-moved, or unknown."""

from contextlib import suppress
from dataclasses import replace

import pytest

from controller.core.model import Epoch
from controller.errors import TrimaranError
from tests.unit.cli.test_screen import shown, status
from tests.unit.core.worlds import AWS, AZURE
from tests.unit.room import Room, first, room

pytestmark = pytest.mark.asyncio


async def write_vault_at(given: Room, site: str) -> None:
    """The vault's posture in etcd, read by aws's controller."""
    writer = AWS if site == "aws" else AZURE
    posture = replace(first(), service="vault", writer=writer, must_cut=frozenset({AZURE if writer == AWS else AWS}))
    await given.stores[AWS].found(replace(posture, epoch=Epoch(1), reign=Epoch(1)))
    with suppress(TrimaranError):
        await given.companions[AWS].tick()


async def test_services_that_write_at_one_site_are_together() -> None:
    """Nothing is said on the screen."""
    async with room(companion=True) as given:
        await write_vault_at(given, "azure")
        told = await status(given)
        assert told["fleet"]["together"] is True and told["fleet"]["said"] == ""
        assert [(one["service"], one["writer"]) for one in told["fleet"]["others"]] == [("vault", "azure")]
        assert not [line for line in shown(told, 120) if line.startswith("fleet")]


async def test_a_half_moved_fleet_stands_on_the_screen() -> None:
    """Who writes where."""
    async with room(companion=True) as given:
        await write_vault_at(given, "aws")
        told = await status(given)
        assert told["fleet"]["together"] is False
        assert "fleet half-moved: payments writes at azure in epoch 1, but vault writes at aws in epoch 1" in shown(told, 120)


async def test_a_companion_of_which_nothing_was_heard_is_unknown_and_one_that_is_old_too() -> None:
    """Not yet ticked; and ticked, then silent for longer than facts are believed."""
    async with room(companion=True) as given:
        assert (await status(given))["fleet"]["together"] is None
        await write_vault_at(given, "azure")
        assert (await status(given))["fleet"]["together"] is True
        await given.tick(40)
        assert (await status(given))["fleet"]["together"] is None


async def test_a_service_that_goes_alone_has_no_fleet() -> None:
    """No line about what is not there."""
    async with room() as given:
        assert (await status(given))["fleet"] is None
