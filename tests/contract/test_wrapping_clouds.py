"""What is one cloud's own about wrapping: versions, aliases, multi-Region keys, permissions that are granted apart."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from lab.clouds.faults import FaultKind, Rule
from tests.contract.implementation import Started, started
from tests.contract.wrapping_worlds import AWS, AZURE, GCP, AwsWorld, AzureWorld, GcpWorld
from tests.unit.workload.vault.clouds_double import Tally
from workload.vault import sealing
from workload.vault.clouds import Clouds
from workload.vault.errors import WrapBroken, WrapForeign, WrapRefused
from workload.vault.kms.aws import Kms
from workload.vault.kms.azure import KeyVault
from workload.vault.model import LockedKey

LONG = timedelta(seconds=5)
KEY, CONTEXT = b"k" * 32, b"context"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Emulated clouds, started when the first test asks for them."""
    with started(tmp_path_factory.mktemp("wrapping-clouds")) as made:
        yield made


@pytest.fixture
async def aws(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[AwsWorld]:
    """KMS with a key."""
    async with shared.world(AWS, request.node.originalname) as made:
        assert isinstance(made, AwsWorld)
        yield made


@pytest.fixture
async def azure(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[AzureWorld]:
    """Key Vault with a key."""
    async with shared.world(AZURE, request.node.originalname) as made:
        assert isinstance(made, AzureWorld)
        yield made


@pytest.fixture
async def gcp(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[GcpWorld]:
    """Cloud KMS with a key."""
    async with shared.world(GCP, request.node.originalname) as made:
        assert isinstance(made, GcpWorld)
        yield made


async def test_a_multi_region_key_opens_what_it_wrapped(aws: AwsWorld) -> None:
    """Its id is longer than others'."""
    world = AwsWorld(aws.control, aws.url, f"{aws.test}-mrk")
    await world.found(multi_region=True)
    wrapped = await world.wrapper.wrap(KEY, CONTEXT, LONG)
    assert ":key/mrk-" in wrapped.kek
    assert await world.wrapper.unwrap(wrapped, CONTEXT, LONG) == KEY


async def test_an_alias_that_is_pointed_elsewhere_is_a_rotation(aws: AwsWorld) -> None:
    """The way to rotate a key whose material KMS does not rotate. Old wraps name their own key."""
    old = await aws.wrapper.wrap(KEY, CONTEXT, LONG)

    def repoint() -> None:
        made = aws.api.create_key()["KeyMetadata"]["KeyId"]
        aws.api.update_alias(AliasName=f"alias/{aws.test}", TargetKeyId=made)

    await asyncio.to_thread(repoint)
    new = await aws.wrapper.wrap(KEY, CONTEXT, LONG)
    assert new.kek.partition("#")[0] != old.kek.partition("#")[0]
    assert await aws.wrapper.unwrap(old, CONTEXT, LONG) == KEY
    assert await aws.wrapper.unwrap(new, CONTEXT, LONG) == KEY


async def test_kms_opens_with_the_key_that_the_wrap_names_and_no_other(aws: AwsWorld) -> None:
    """The role may use both; a row that says otherwise than its ciphertext was changed."""
    other = AwsWorld(aws.control, aws.url, f"{aws.test}-other")
    await other.found()
    own, foreign = await aws.wrapper.wrap(KEY, CONTEXT, LONG), await other.wrapper.wrap(KEY, CONTEXT, LONG)
    with pytest.raises(WrapBroken):
        await aws.wrapper.unwrap(replace(own, ciphertext=foreign.ciphertext), CONTEXT, LONG)


async def test_kms_opens_with_no_key_but_those_of_the_settings(aws: AwsWorld) -> None:
    """A row names another key that this role may use, in this account or in a thief's, and was wrapped with it: whoever wrote the row
    would know what numbers are sealed with. Nothing of it is sent."""
    other = AwsWorld(aws.control, aws.url, f"{aws.test}-other")
    await other.found()
    foreign = await other.wrapper.wrap(KEY, CONTEXT, LONG)
    before = await aws.control.requests()
    with pytest.raises(WrapForeign):
        await aws.wrapper.unwrap(foreign, CONTEXT, LONG)
    assert (await aws.control.requests()).get("Decrypt", 0) == before.get("Decrypt", 0)


async def test_a_former_key_is_named_in_the_settings(aws: AwsWorld) -> None:
    """A process that started after the alias was pointed elsewhere has never seen it stand for the old key."""
    old = await aws.wrapper.wrap(KEY, CONTEXT, LONG)

    def repoint() -> None:
        made = aws.api.create_key()["KeyMetadata"]["KeyId"]
        aws.api.update_alias(AliasName=f"alias/{aws.test}", TargetKeyId=made)

    await asyncio.to_thread(repoint)
    with pytest.raises(WrapForeign):
        await Kms(client=lambda: aws.api, key=f"alias/{aws.test}").unwrap(old, CONTEXT, LONG)
    told = Kms(client=lambda: aws.api, key=f"alias/{aws.test}", former=[old.kek.partition("#")[0]])
    assert await told.unwrap(old, CONTEXT, LONG) == KEY


async def test_a_wrap_of_before_the_materials_were_told_opens(aws: AwsWorld) -> None:
    """A key in a custom key store has none to tell."""
    wrapped = await aws.wrapper.wrap(KEY, CONTEXT, LONG)
    bare = replace(wrapped, kek=wrapped.kek.partition("#")[0])
    assert await aws.wrapper.unwrap(bare, CONTEXT, LONG) == KEY


async def test_an_alias_of_no_key_is_refused(aws: AwsWorld) -> None:
    """Somebody has to mend the settings."""
    with pytest.raises(WrapRefused):
        await Kms(client=lambda: aws.api, key="alias/nowhere").wrap(KEY, CONTEXT, LONG)


async def test_a_disabled_newest_version_leaves_the_wrapping_to_the_one_before(azure: AzureWorld) -> None:
    """The vault itself would wrap with it, and nobody could open that."""
    before = await azure.wrapper.current(LONG)
    await azure.rotate()
    newest = await azure.wrapper.current(LONG)
    await asyncio.to_thread(lambda: azure.keys.update_key_properties(azure.test, newest.rpartition("/")[2], enabled=False))
    wrapped = await azure.wrapper.wrap(KEY, CONTEXT, LONG)
    assert wrapped.kek == before
    assert await azure.another().unwrap(wrapped, CONTEXT, LONG) == KEY


async def test_a_wrap_of_a_version_that_was_disabled_at_once_is_made_anew(azure: AzureWorld) -> None:
    """The version is thought to be known to others, so nobody waits until a rotation is through. Taken for a missing permission, its wraps
    would stay for ever, and the cloud would open nothing."""
    clouds = Clouds([azure.wrapper], Tally())
    data_key, subject = UUID(int=1), UUID(int=2)
    wraps = await clouds.wrap(KEY, sealing.context(data_key, subject), minimum=1, deadline=LONG, grace=LONG)
    locked = LockedKey(id=data_key, subject=subject, check=sealing.check(KEY, data_key), wraps=wraps)
    await azure.rotate()
    old = wraps[0].kek.rpartition("/")[2]
    await asyncio.to_thread(lambda: azure.keys.update_key_properties(azure.test, old, enabled=False))
    renewed = await clouds.renew("azure", KEY, locked, LONG)
    assert renewed is not None and renewed.kek == await azure.wrapper.current(LONG) != wraps[0].kek
    await azure.control.inject([Rule(kind=FaultKind.DENY, operation="UnwrapKey")])
    assert await clouds.renew("azure", KEY, locked, LONG) is None


async def test_whoever_may_not_read_the_public_key_wraps_in_the_vault(azure: AzureWorld) -> None:
    """Listing, wrapping and unwrapping are all that a role needs; what comes out is the same."""
    await azure.control.inject([Rule(kind=FaultKind.DENY, operation="GetKey")])
    before = await azure.control.requests()
    wrapped = await azure.wrapper.wrap(KEY, CONTEXT, LONG)
    after = await azure.control.requests()
    assert after["WrapKey"] == before.get("WrapKey", 0) + 1
    assert await azure.another().unwrap(wrapped, CONTEXT, LONG) == KEY


async def test_a_new_version_wraps_only_once_it_is_primary(gcp: GcpWorld) -> None:
    """Whoever rotates makes it so when everybody may unwrap with it."""
    before = await gcp.wrapper.current(LONG)
    await gcp.ask(lambda keys: keys.cryptoKeyVersions().create(parent=gcp.key, body={}))
    assert await gcp.wrapper.current(LONG) == before
    await gcp.ask(lambda keys: keys.updatePrimaryVersion(name=gcp.key, body={"cryptoKeyVersionId": "2"}))
    assert await gcp.wrapper.current(LONG) == before.removesuffix("1") + "2"


async def test_a_destruction_that_is_called_off_opens_again(gcp: GcpWorld) -> None:
    """Once the version is enabled as well."""
    wrapped = await gcp.wrapper.wrap(KEY, CONTEXT, LONG)
    await gcp.destroy()
    name = f"{gcp.key}/cryptoKeyVersions/1"
    await gcp.ask(lambda keys: keys.cryptoKeyVersions().restore(name=name, body={}))
    with pytest.raises(WrapRefused):
        await gcp.wrapper.unwrap(wrapped, CONTEXT, LONG)
    await gcp.enable()
    assert await gcp.wrapper.unwrap(wrapped, CONTEXT, LONG) == KEY


async def test_one_vault_by_two_addresses_is_one_vault(azure: AzureWorld) -> None:
    """A private address here, a public one there: what one site wrapped, the other opens, because the vault's name is in the wrap and
    the way to it is not."""
    name = "https://trimaran.vault.test"
    here = KeyVault(client=lambda: azure.keys, vault_url=name, key=azure.test)
    there = KeyVault(client=lambda: azure.keys, vault_url=name, key=azure.test)
    wrapped = await here.wrap(KEY, CONTEXT, LONG)
    assert wrapped.kek.startswith(f"{name}/keys/{azure.test}/") and await there.unwrap(wrapped, CONTEXT, LONG) == KEY
    with pytest.raises(WrapBroken):
        await azure.wrapper.unwrap(wrapped, CONTEXT, LONG)
