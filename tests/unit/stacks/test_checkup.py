"""A check-up by settings that were made of stacks asks everybody that the stacks have told of."""

from pathlib import Path

import pytest

from controller.core.checkup.catalogue import Check
from controller.core.checkup.finding import Verdict
from controller.stacks import toml
from controller.stacks.contract import SITES, Stack, understood
from controller.stacks.settings import document
from controller.wiring_checkup import put_together
from tests.unit.stacks.rehearsal import DEADLINE, Rehearsal, everybody
from tests.unit.stacks.samples import DOMAIN, outputs
from tests.unit.stacks.test_settings import choices, read

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("site", SITES)
async def test_everybody_is_asked_and_nothing_is_left_unknown(site: str, tmp_path: Path) -> None:
    """Every check there is, and no table of the settings is missing for any."""
    told = outputs()
    settings = read(toml.text(document(understood(told), choices(site))), tmp_path)
    rehearsal = Rehearsal(settings=settings, nameservers=frozenset(one.rstrip(".") for one in told[Stack.EDGE]["nameservers"]))
    findings = await rehearsal.findings()
    assert [one for one in findings if one.verdict is not Verdict.GOOD] == []
    assert {one.check for one in findings} == set(Check)
    assert rehearsal.asked == everybody(told, settings)


async def test_every_edges_certificate_is_looked_at_and_says_how_it_is_renewed(tmp_path: Path) -> None:
    """By both names at each site: filled anew where the edge has it, asked for by a record where the vendor has."""
    settings = read(toml.text(document(understood(outputs()), choices())), tmp_path)

    async def nothing(_: str) -> None:
        return None

    found = put_together(settings, settings.services, DEADLINE, nothing)
    doors = {place for site in SITES for place in (f"edge of {site}", f"edge of {site} as vault.{DOMAIN}")}
    assert set(found.renewals) == doors == {one for one in found.certificates if one.startswith("edge")}
    for place, way in found.renewals.items():
        site = place.split()[2]
        assert ("certificate_records" if site == "gcp" else f"--rotate {site}:edge/door,") in way, place
