"""Every wrap is opened by the cloud that made it, and what comes out is compared: nothing else is taken for an opening."""

import hashlib
import os
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from lab.memory_kms import MemoryKms, State
from lab.vault_opening import Held, open_wraps
from workload.vault import sealing
from workload.vault.clouds import Clouds
from workload.vault.metrics import Metrics
from workload.vault.model import LockedKey
from workload.vault.wrapping import Wrapped

SOON = timedelta(seconds=5)


def three() -> tuple[MemoryKms, ...]:
    return tuple(MemoryKms(cloud=cloud) for cloud in ("aws", "azure", "gcp"))


async def held(clouds: tuple[MemoryKms, ...]) -> list[Held]:
    """The three wraps of a new data key."""
    material, id, subject = os.urandom(sealing.KEY_BYTES), uuid4(), uuid4()
    context = sealing.context(id, subject)
    wraps = await Clouds(clouds, Metrics()).wrap(material, context, minimum=3, deadline=SOON, grace=SOON)
    locked = LockedKey(id=id, subject=subject, check=sealing.check(material, id), wraps=wraps)
    return [Held(locked=locked, wrap=wrap) for wrap in wraps]


async def test_what_opens_opens() -> None:
    """Each by its own cloud, and once however many sites hold it."""
    clouds = three()
    wraps = [*await held(clouds), *await held(clouds)]
    before = sum(cloud.calls for cloud in clouds)
    told = await open_wraps([*wraps, *wraps], clouds)
    assert told == {(str(one.locked.id), one.wrap.cloud, hashlib.sha256(one.wrap.ciphertext).hexdigest()): "" for one in wraps}
    assert sum(cloud.calls for cloud in clouds) == before + 6


@pytest.mark.parametrize("turn", [1, -1])
async def test_a_wrap_in_another_subjects_row_does_not_open(turn: int) -> None:
    """Two rows of one ciphertext are tried each by itself, in whatever order a database shows them; and so are two clouds that hold one."""
    clouds = three()
    own, foreign = (await held(clouds))[0], (await held(clouds))[0]
    misplaced, astray = replace(foreign, wrap=own.wrap), replace(own, wrap=replace(own.wrap, cloud="gcp"))
    told = await open_wraps([own, misplaced, astray][::turn], clouds)
    assert [told[one.id] == "" for one in (own, misplaced, astray)] == [True, False, False]


async def test_what_does_not_open_is_told_with_the_reason() -> None:
    """Damaged, disabled, of a cloud that is not there, of another key; the one that is left opens."""
    clouds = three()
    aws, azure, gcp = await held(clouds)
    clouds[1].put(State.DISABLED)
    damaged = replace(aws, wrap=replace(aws.wrap, ciphertext=b"damaged"))
    nowhere = replace(aws, wrap=Wrapped(cloud="elsewhere", kek="1", ciphertext=b"elsewhere"))
    another = replace(aws, locked=replace(aws.locked, check=bytes(sealing.CHECK_BYTES)))
    for wrap, why in ((damaged, "does not match"), (azure, "disabled"), (nowhere, "no cloud"), (another, "is not the data key")):
        (told,) = (await open_wraps([wrap], clouds)).values()
        assert why in told
    assert list((await open_wraps([gcp], clouds)).values()) == [""]
