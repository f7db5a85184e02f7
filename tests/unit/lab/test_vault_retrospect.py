"""Vaults are read again until they agree and every data key is wrapped, and what cannot be read or has not returned is told apart."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from lab.errors import LabError
from lab.reconcile_vault_rows import Harm, VaultRows, WrapId
from lab.vault_retrospect import Reading, reconciled_vault
from tests.unit.lab.test_reconcile_vault import OPENED, RECORD, SOUND, everywhere, wraps

PATIENCE = timedelta(seconds=2)
SHUT = "azure: permission is missing"
UNWRAPPED = replace(SOUND, wraps=wraps("k-ann", "aws", "gcp"))
SHORT = replace(SOUND, tokens=SOUND.tokens[1:])


@dataclass
class World:
    """Vaults that change with every look, and a clock that only sleeping moves."""

    looks: list[Mapping[str, VaultRows | str]]
    absent: frozenset[str] = frozenset()
    shut: list[str] = field(default_factory=list)
    """Why the one data key that these vaults hold is not opened by gcp, look by look; then it is."""
    tried: int = 0
    now: float = 50.0
    slept: list[float] = field(default_factory=list)

    async def read(self) -> Mapping[str, VaultRows | str]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    async def missing(self, site: str) -> str:
        return "silent" if site in self.absent else ""

    async def open(self, opened: Collection[WrapId]) -> Mapping[WrapId, str]:
        left = OPENED.keys() - set(opened)
        self.tried += bool(left)
        why = self.shut.pop(0) if self.shut else ""
        return {one: why if one[1] == "gcp" else "" for one in left}

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def reading(self) -> Reading:
        return Reading(read=self.read, missing=self.missing, open=self.open, monotonic=lambda: self.now, sleep=self.sleep)


async def test_what_is_sound_at_once_is_read_once() -> None:
    """No waiting for what is there."""
    world = World([everywhere(SOUND)])
    found, unread = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert (found.findings, unread, world.slept) == ((), (), [])


@pytest.mark.parametrize(
    "first", [everywhere(UNWRAPPED), {**everywhere(SOUND), "gcp": SHORT}, {**everywhere(SOUND), "gcp": "gcp cannot be read"}]
)
async def test_what_will_be_sound_is_waited_for(first: Mapping[str, VaultRows | str]) -> None:
    """A repair that is under way, a follower that lags, a server that is slow to answer."""
    world = World([first, first, everywhere(SOUND)])
    found, unread = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert (found.findings, unread, len(world.slept)) == ((), (), 2)
    assert found.ledgers_equal


async def test_a_wrap_is_believed_when_it_was_opened() -> None:
    """Tried again until a repair has replaced it, and once it opened no more."""
    world = World([everywhere(SOUND)], shut=[SHUT, SHUT])
    found, _ = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert (found.findings, len(world.slept), world.tried) == ((), 2, 3)


async def test_a_wrap_that_never_opens_is_told() -> None:
    """A row of the right name in every database: one cloud less that can serve when others are gone."""
    world = World([everywhere(SOUND)], shut=[SHUT] * 100)
    found, _ = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert dict(found.harms) == {Harm.UNWRAPPED: 1} and SHUT in found.findings[0].detail


async def test_what_stays_wrong_is_told_at_the_deadline() -> None:
    """A data key that nobody repairs."""
    world = World([everywhere(UNWRAPPED)])
    found, unread = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert (dict(found.harms), unread) == ({Harm.UNWRAPPED: 1}, ())
    assert sum(world.slept) == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(("absent", "lost"), [(frozenset({"gcp"}), 0), (frozenset(), 1), (frozenset({"aws", "azure", "gcp"}), 1)])
async def test_a_site_that_has_not_returned_has_lost_nothing(absent: frozenset[str], lost: int) -> None:
    """It breaks another promise; that the sites differ is told all the same. With nobody whole everybody is looked at."""
    world = World([{**everywhere(SOUND), "gcp": SHORT}], absent=absent)
    found, _ = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert found.lost == lost
    assert not found.ledgers_equal
    assert set(found.digests) == {"aws", "azure", "gcp"}


async def test_a_wrap_that_survives_on_a_site_that_does_not_count_is_told() -> None:
    """It is back and does not stream yet: what it lacks is not lost, and what it kept of an erased subject opens everything again."""
    gone = next(proof.data_key for proof in SOUND.erasures)
    kept = replace(SOUND, wraps=(*SOUND.wraps, *wraps(gone, "aws")))
    world = World([{**everywhere(SOUND), "gcp": kept}], absent=frozenset({"gcp"}))
    found, _ = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert dict(found.harms) == {Harm.UNERASED: 1}
    assert [finding.site for finding in found.findings] == ["gcp"]


async def test_what_cannot_be_read_is_told_beside_what_can() -> None:
    """And when nothing can be read nothing is proven."""
    world = World([{**everywhere(SOUND), "gcp": "gcp cannot be read"}])
    found, unread = await reconciled_vault(RECORD, world.reading, PATIENCE)
    assert (found.findings, unread) == ((), ("gcp cannot be read",))
    world = World([dict.fromkeys(("aws", "gcp"), "no")])
    with pytest.raises(LabError, match="no; no"):
        await reconciled_vault(RECORD, world.reading, PATIENCE)
