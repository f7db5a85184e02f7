"""What every store for secrets promises: the shipped fake and each vendor's adapter against its emulated API pass the same suite."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from functools import partial
from typing import Any

import pytest

from controller.core.model import Site
from controller.errors import Conflict, Denied, Transient, TrimaranError, Unsupported
from controller.providers.aws.secrets import SecretsManager
from controller.providers.azure.secrets import KeyVaults
from tests.contract.implementation import Implementation, Started, started
from tests.contract.pace import paced
from tests.contract.registry import SECRETS
from tests.contract.secret_worlds import SECRETS_MANAGER, AwsWorld, World

LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
LATE = timedelta(seconds=0.2)
FIRST, SECOND = b"a word that nobody guesses\n", "another one, in UTF-8: \u00e9".encode()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Emulated clouds, started when the first test asks for them."""
    with started(tmp_path_factory.mktemp("secrets")) as made:
        yield made


@pytest.fixture(params=SECRETS, ids=str)
async def world(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[World]:
    """Each implementation in turn, with an empty place."""
    implementation: Implementation[World] = request.param
    async with shared.world(implementation, request.node.originalname) as made:
        yield made


async def test_an_empty_place_is_filled_and_says_so(world: World) -> None:
    """Whoever asks for it is told exactly that, and any writer sees that it is filled."""
    assert await world.store.filled(world.place, LONG) is None
    filled = await world.store.fill(world.place, FIRST, LONG)
    assert filled.carried_out
    assert await world.another().filled(world.place, LONG) == filled.version
    assert await world.told() == FIRST


async def test_what_is_there_is_never_overwritten(world: World) -> None:
    """Programs run with it: nothing is sent, by the same writer or another one, with the same content or another."""
    first = await world.store.fill(world.place, FIRST, LONG)
    sent = await world.changes()
    for writer, content in ((world.store, FIRST), (world.store, SECOND), (world.another(), SECOND)):
        again = await writer.fill(world.place, content, LONG)
        assert (again.version, again.carried_out) == (first.version, False)
    assert await world.changes() == sent and await world.told() == FIRST


async def test_a_version_is_replaced_by_name(world: World) -> None:
    """Whoever says which one it is to stand in the place of."""
    first = await world.store.fill(world.place, FIRST, LONG)
    second = await world.another().replace(world.place, SECOND, over=first.version, deadline=LONG)
    assert second.carried_out and second.version != first.version
    assert await world.told() == SECOND and await world.store.filled(world.place, LONG) == second.version


async def test_a_version_is_replaced_once(world: World) -> None:
    """Of two who replace the same one, the first stays: the other finds what is there."""
    first = await world.store.fill(world.place, FIRST, LONG)
    second = await world.store.replace(world.place, SECOND, over=first.version, deadline=LONG)
    late = await world.another().replace(world.place, b"too late", over=first.version, deadline=LONG)
    assert (late.version, late.carried_out) == (second.version, False)
    assert await world.told() == SECOND


async def test_what_somebody_went_back_to_is_replaced_like_any_other(world: World) -> None:
    """As often as somebody does, and with what stood there before as well: no version that was given up stands in the way."""
    first = await world.store.fill(world.place, FIRST, LONG)
    await world.store.replace(world.place, SECOND, over=first.version, deadline=LONG)
    for content in (b"third", SECOND, b"third", b"fourth"):
        await world.go_back(first.version, FIRST)
        told = await world.store.filled(world.place, LONG)
        assert told is not None and await world.told() == FIRST
        again = await world.another().replace(world.place, content, over=told, deadline=LONG)
        assert again.carried_out and await world.told() == content
        assert await world.store.filled(world.place, LONG) == again.version


async def test_many_versions_still_have_one_that_is_newest(world: World) -> None:
    """More than a page of them."""
    version = (await world.store.fill(world.place, b"0", LONG)).version
    for number in range(1, 28):
        version = (await world.store.replace(world.place, str(number).encode(), over=version, deadline=LONG)).version
    assert await world.store.filled(world.place, LONG) == version and await world.told() == b"27"


async def test_a_place_that_is_not_there_is_unsupported(world: World) -> None:
    """Nobody makes one here. Key Vault knows no empty places: there, one that nobody wrote to is one."""
    if world.elsewhere == world.place:
        assert await world.store.filled(world.elsewhere, LONG) is None
        return
    with pytest.raises(Unsupported):
        await world.store.filled(world.elsewhere, LONG)
    with pytest.raises(Unsupported):
        await world.store.fill(world.elsewhere, FIRST, LONG)


async def test_a_place_that_somebody_shut_is_a_conflict(world: World) -> None:
    """It is neither empty nor filled: programs are told nothing, and a person has to say what is wanted."""
    first = await world.store.fill(world.place, FIRST, LONG)
    await world.disable()
    with pytest.raises(Conflict):
        await world.store.filled(world.place, LONG)
    with pytest.raises(Conflict):
        await world.store.fill(world.place, SECOND, LONG)
    with pytest.raises(Conflict):
        await world.store.replace(world.place, SECOND, over=first.version, deadline=LONG)


async def test_a_lost_answer_is_settled_by_asking_again(world: World) -> None:
    """With whatever content: what the lost answer was about stands."""
    await world.weather.lose_answer()
    with pytest.raises(Transient):
        await world.store.fill(world.place, FIRST, LONG)
    again = await world.store.fill(world.place, SECOND, LONG)
    assert not again.carried_out and await world.told() == FIRST
    await world.weather.lose_answer()
    with pytest.raises(Transient):
        await world.store.replace(world.place, SECOND, over=again.version, deadline=LONG)
    last = await world.store.replace(world.place, b"third", over=again.version, deadline=LONG)
    assert last.version != again.version and await world.told() == SECOND


async def test_a_change_without_effect_is_found_by_asking_again(world: World) -> None:
    """The store said yes and did nothing."""
    await world.weather.ignore_change()
    await world.store.fill(world.place, FIRST, LONG)
    await world.weather.heal()
    assert await world.store.filled(world.place, LONG) is None
    assert (await world.store.fill(world.place, SECOND, LONG)).carried_out and await world.told() == SECOND


async def test_throttling_is_transient_and_changes_nothing(world: World) -> None:
    """Too many requests, or unavailable."""
    await world.weather.throttle(4)
    for _ in range(2):
        with pytest.raises(Transient):
            await world.store.filled(world.place, LONG)
        with pytest.raises(Transient):
            await world.store.fill(world.place, FIRST, LONG)
    await world.weather.heal()
    assert await world.store.filled(world.place, LONG) is None


async def test_a_store_that_hangs_costs_the_deadline_and_no_more(world: World) -> None:
    """Transient at the deadline; works again once it is healed."""
    await world.weather.hang()
    with paced(world.now) as pace, pytest.raises(Transient):
        await world.store.fill(world.place, FIRST, SHORT)
    assert SHORT - timedelta(seconds=0.05) <= pace.took <= SHORT + LATE + pace.stalled
    await world.weather.heal()
    assert (await world.store.fill(world.place, FIRST, LONG)).carried_out


async def test_a_store_that_lies_is_one_that_does_not_answer(world: World) -> None:
    """A proxy's page with status 200 says neither that a place is empty nor that it was filled."""
    await world.weather.lie()
    with pytest.raises(Transient):
        await world.store.filled(world.place, LONG)
    with pytest.raises(Transient):
        await world.store.fill(world.place, FIRST, SHORT)
    await world.weather.heal()
    assert await world.store.filled(world.place, LONG) is None


async def test_missing_permission_is_denied_and_changes_nothing(world: World) -> None:
    """Whether already looking is not permitted or only changing."""
    await world.weather.deny()
    with pytest.raises(Denied):
        await world.store.filled(world.place, LONG)
    await world.weather.deny_changes()
    with pytest.raises(Denied):
        await world.store.fill(world.place, FIRST, LONG)
    await world.weather.heal()
    assert await world.store.filled(world.place, LONG) is None


async def test_no_error_and_no_log_repeats_a_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Not when it is carried out, not when the answer is lost, not when it is refused."""
    caplog.set_level(logging.INFO)
    said: list[str] = []
    for spoil in (world.weather.lose_answer, world.weather.deny_changes, world.weather.lie, world.weather.hang):
        await spoil()
        with pytest.raises(TrimaranError) as failed:
            await world.store.fill(world.place, FIRST, SHORT)
            await world.store.replace(world.place, FIRST, over="1", deadline=SHORT)
            raise Transient("it was filled by the lost answer")
        error: BaseException | None = failed.value
        while error is not None:
            said.append(repr(error))
            error = error.__cause__
        await world.weather.heal()
    word = FIRST.decode().strip()
    assert said and word not in "".join(said) and word not in caplog.text and word not in repr(world.store)


async def test_two_who_fill_at_once_do_not_overwrite_each_other_at_aws(shared: Started) -> None:
    """Both saw an empty place. The store itself lets one of them: the other finds that it is filled."""
    async with shared.world(SECRETS_MANAGER, "at-once") as world:
        api = world.store._make_client()  # type: ignore[attr-defined]

        class Blind:
            """Sees every place as it was before."""

            def describe_secret(self, **_: object) -> dict[str, str]:
                return {"ARN": world.place}

            def put_secret_value(self, **asked: str) -> object:
                return api.put_secret_value(**asked)

        first = await world.store.fill(world.place, FIRST, LONG)
        late = SecretsManager(client=Blind, site=world.store.site)
        found = await late.fill(world.place, SECOND, LONG)
        assert (found.version, found.carried_out) == (first.version, False) and await world.told() == FIRST


@dataclass
class Clerk:
    """Hands everything on to the vendor's client but looks, which it answers with what was seen at one moment."""

    api: Any
    seen: dict[str, Any]

    def describe_secret(self, **_: object) -> dict[str, Any]:
        return self.seen

    def put_secret_value(self, **asked: str) -> Any:
        return self.api.put_secret_value(**asked)


async def test_two_who_replace_what_somebody_went_back_to_do_not_overwrite_each_other_at_aws(shared: Started) -> None:
    """Both saw the same, before either wrote."""
    async with shared.world(SECRETS_MANAGER, "at-once-again") as world:
        assert isinstance(world, AwsWorld)
        first = await world.store.fill(world.place, FIRST, LONG)
        await world.store.replace(world.place, SECOND, over=first.version, deadline=LONG)
        await world.go_back(first.version, FIRST)
        clerk = Clerk(world.api, world.api.describe_secret(SecretId=world.place))
        stores = [SecretsManager(client=lambda: clerk, site=world.store.site) for _ in range(2)]
        one, late = [
            await store.replace(world.place, content, over=first.version, deadline=LONG)
            for store, content in zip(stores, (b"third", b"too late"), strict=True)
        ]
        assert one.carried_out and (late.version, late.carried_out) == (one.version, False)
        assert await world.told() == b"third"


async def test_whoever_looks_from_another_time_zone_names_a_version_alike_at_aws(shared: Started) -> None:
    """Or two who fill at once from two machines overwrite each other."""
    async with shared.world(SECRETS_MANAGER, "time-zones") as world:
        assert isinstance(world, AwsWorld)
        first = await world.store.fill(world.place, FIRST, LONG)
        seen = world.api.describe_secret(SecretId=world.place)
        elsewhere = seen | {"LastChangedDate": seen["LastChangedDate"].astimezone(timezone(timedelta(hours=9)))}
        versions = set()
        for number, told in enumerate((seen, elsewhere)):
            store = SecretsManager(client=partial(Clerk, world.api, told), site=world.store.site)
            versions.add((await store.replace(world.place, b"%d" % number, over=first.version, deadline=LONG)).version)
        assert len(versions) == 1 and await world.told() == b"0"


PAYMENTS = "https://payments.vault.azure.net"


@dataclass
class Pages:
    """A vault's answers, one after the other."""

    links: list[str | None]
    origin: str = PAYMENTS
    """Of ids."""
    asked: list[str] = field(default_factory=list)

    def send_request(self, request: Any) -> "Pages":
        self.asked.append(request.url)
        return self

    def raise_for_status(self) -> None:
        """All of them are good."""

    def json(self) -> dict[str, Any]:
        number = len(self.asked)
        listed = {"id": f"{self.origin}/secrets/password/{number}", "attributes": {"created": number, "enabled": True}}
        return {"value": [listed], "nextLink": self.links.pop(0)}


@pytest.mark.parametrize("origin", [PAYMENTS, f"{PAYMENTS}:443"])
async def test_a_vaults_next_page_and_ids_are_its_own_with_and_without_the_usual_port(origin: str) -> None:
    """Key Vault writes it into links, Azure's own tools into ids."""
    pages = Pages([f"{origin}/secrets/password/versions?api-version=7.4&$skiptoken=2", None], origin)
    store = KeyVaults(client=lambda: pages, site=Site("azure"))  # type: ignore[arg-type,return-value]
    assert await store.filled(f"{PAYMENTS}/secrets/password", LONG) == "2" and len(pages.asked) == 2


@pytest.mark.parametrize(
    "origin",
    [
        "https://others.vault.azure.net:443",
        "https://vault.example.com:443",
        "https://payments.vault.azure.net.example.com",
        "https://payments.vault.azure.net:443@vault.example.com",
        "https://payments.vault.azure.net:4430",
        "https://payments.vault.azure.net:443:443",
        "https://somebody@payments.vault.azure.net:443",
        "http://payments.vault.azure.net:443",
    ],
)
async def test_a_vaults_next_page_is_not_looked_for_elsewhere(origin: str) -> None:
    """Whoever answers there would be shown this process's token."""
    pages = Pages([f"{origin}/secrets/password/versions", None])
    store = KeyVaults(client=lambda: pages, site=Site("azure"))  # type: ignore[arg-type,return-value]
    with pytest.raises(Transient, match="somebody else's"):
        await store.filled(f"{PAYMENTS}/secrets/password", LONG)
    assert len(pages.asked) == 1


@pytest.mark.parametrize("origin", ["https://others.vault.azure.net:443", f"{PAYMENTS}:4430", f"{PAYMENTS}/secrets/password/x"])
async def test_a_version_of_somebody_elses_is_no_version(origin: str) -> None:
    """It is neither filled nor empty."""
    store = KeyVaults(client=lambda: Pages([None], origin), site=Site("azure"))  # type: ignore[arg-type,return-value]
    with pytest.raises(Transient, match="another secret"):
        await store.filled(f"{PAYMENTS}/secrets/password", LONG)


@pytest.mark.parametrize(
    "place",
    [
        "https://vault.example.com/secrets/password",
        "https://evil.vault.azure.net.example.com/secrets/password",
        "http://payments.vault.azure.net/secrets/password",
        "https://payments.vault.azure.net/keys/password",
        "https://somebody@payments.vault.azure.net/secrets/password",
        "https://payments.vault.azure.net/secrets/password/../other",
    ],
)
async def test_no_token_and_no_secret_is_sent_to_who_is_no_vault(place: str) -> None:
    """Whoever can write the exported outputs would else be told all secrets."""

    def nobody() -> None:
        raise AssertionError("a client was made")

    with pytest.raises(Unsupported, match="expected https"):
        await KeyVaults(client=nobody, site=Site("azure")).fill(place, FIRST, LONG)  # type: ignore[arg-type]
