"""What is to be done with each place: refused with every reason before anything is changed."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.errors import Refused
from controller.filling.orders import Deed, Wishes
from controller.issuing.authority import Authority, Subject
from tests.unit.filling.worlds import DOMAIN, NOW, World, id_of, passwords


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With everything that is needed."""
    return World(tmp_path)


async def refused(world: World, wishes: Wishes | None = None, directory: str = "authority") -> str:
    """Why nothing is done."""
    before = list(world.versions())
    with pytest.raises(Refused, match="refused by secrets") as found:
        await world.filled(wishes, directory)
    assert list(world.versions()) == before, "something was changed all the same"
    return found.value.value


def deeds(world: World, orders: object) -> Counter[Deed]:
    """How many of each."""
    return Counter(one.deed for one in orders)  # type: ignore[attr-defined]


async def test_what_is_empty_is_filled_and_nothing_else(world: World) -> None:
    """Two places were filled by hand."""
    world.stores["aws"].places[id_of("aws", "edge/door")].append(b"by hand")
    world.stores["gcp"].places[id_of("gcp", "payments/settings")].append(b"by hand")
    found = await world.decided()
    assert deeds(world, found) == {Deed.FILL: len(found) - 2, Deed.LEAVE: 2}


async def test_deciding_makes_nothing(world: World) -> None:
    """A dry run leaves no authority behind, and changes no place."""
    await world.decided()
    assert not (world.folder / "authority").exists() and set(world.versions()) == {0}


async def test_everything_that_is_missing_is_told_at_once(world: World) -> None:
    """By place, with what is expected there; and no place is filled."""
    world.words = {name: word for name, word in world.words.items() if "VAULT_APP" not in name}
    given = world.folder / "given"
    (given / "aws" / "payments" / "settings.toml").unlink()
    (given / "azure" / "payments" / "settings.toml").write_text('site = "gcp"\n')
    (given / "gcp" / "edge" / "door.pem").write_text("too short\n")
    (given / "webhooks" / "merchants.toml").write_text("= hidden")
    said = await refused(world)
    for reason in (
        "aws:payments/settings: there is no aws/payments/settings.toml",
        "azure:payments/settings: payments/settings.toml is not what is expected: settings, TOML, with this site's name",
        "gcp:edge/door: edge/door.pem is not what is expected: the word",
        "azure:webhooks/merchants: webhooks/merchants.toml is not what is expected: TOML",
        "gcp:vault/password: TRIMARAN_VAULT_APP_PASSWORD is not set",
    ):
        assert reason in said
    assert "hidden" not in said and "too short" not in said


async def test_what_is_filled_needs_nothing_any_more(world: World) -> None:
    """Neither files nor passwords: the same command goes on with what is left."""
    await world.filled()
    world.words = {}
    for file in (world.folder / "given").rglob("*.toml"):
        file.unlink()
    assert set(deeds(world, await world.decided())) == {Deed.LEAVE}


@pytest.mark.parametrize(
    ("spoilt", "kind"),
    [
        (b"", "has 0 bytes"),
        (b"\xff\xfe", "not what is expected"),
        (b"site = 'aws'\n" + b"#" * 25_000, "expected between 1 and 25000"),
        (b"no certificate", "not what is expected"),
    ],
)
async def test_a_file_that_cannot_be_meant_is_refused(world: World, spoilt: bytes, kind: str) -> None:
    """Stores take whatever they are given."""
    (world.folder / "given" / "aws" / "edge" / "door.pem").write_bytes(spoilt)
    (world.folder / "given" / "aws" / "vault" / "settings.toml").write_bytes(spoilt)
    said = await refused(world)
    assert f"aws:edge/door: edge/door.pem {'is ' if kind.startswith('not') else ''}{kind}" in said or kind.startswith("expected")
    assert "aws:vault/settings" in said


async def test_a_door_whose_certificate_has_ended_is_refused(world: World) -> None:
    """Clients would be turned away, and nobody here."""
    world.now = NOW + timedelta(days=81)
    assert "aws:edge/door: edge/door.pem is not what is expected: a certificate for clients' names" in (
        said := await refused(world)
    )
    assert "certificate 1 ended at" in said


async def test_a_door_for_another_environments_names_is_refused(world: World) -> None:
    """Each site whose file it is, with the names that are missing."""
    another = Authority.made("public", now=NOW, life=timedelta(days=90)).issue(
        Subject(called="door", hosts=("api.dev.example.com", "vault.dev.example.com")), now=NOW, life=timedelta(days=80)
    )
    (world.folder / "given" / "azure" / "edge" / "door.pem").write_bytes(another.certificate)
    said = await refused(world)
    assert f"not for api.{DOMAIN}, vault.{DOMAIN}" in said and "azure:edge/door" in said and "aws:edge/door" not in said


@pytest.mark.parametrize("word", ["a b", "a'b", 'a"b', "a\\b", "a$b", "a`b", "a\nb", "\u00e9"])
async def test_a_password_that_would_be_read_otherwise_is_refused(world: World, word: str) -> None:
    """It stands in an environment file as it is. The refusal does not repeat it."""
    world.words = {**world.words, "TRIMARAN_PAYMENTS_CONTROL_PASSWORD": word}
    said = await refused(world)
    assert "aws:control/environment: TRIMARAN_PAYMENTS_CONTROL_PASSWORD has" in said and word not in said.replace("a blank", "")


async def test_another_password_than_the_first_is_refused(world: World) -> None:
    """Roles would have the new one, and two sites the old one."""
    for place in ("payments/password", "edge/door"):
        world.stores["gcp"].places[id_of("gcp", place)].clear()
    await world.filled()
    world.stores["gcp"].places[id_of("gcp", "payments/password")].clear()
    world.words = passwords("another")
    said = await refused(world)
    assert "TRIMARAN_PAYMENTS_APP_PASSWORD: another password than aws:payments/password, azure:payments/password" in said
    assert "--rotate aws:payments/password" in said and "another-of" not in said
    world.words = passwords()
    assert (await world.filled()).filled == 1


async def test_a_password_is_replaced_at_all_sites_together(world: World) -> None:
    """By name, and from then on it is the right one."""
    await world.filled()
    world.words = {**world.words, "TRIMARAN_VAULT_APP_PASSWORD": "the-next-one"}
    assert "vault/password" in await refused(world, Wishes(rotate=frozenset({"aws:vault/password"})))
    assert (await world.filled(Wishes(rotate=frozenset({"vault/password"})))).replaced == 3
    assert {world.told(site, "vault/password") for site in world.stores} == {b"the-next-one"}
    assert set(deeds(world, await world.decided())) == {Deed.LEAVE}


async def test_a_place_that_nobody_knows_is_not_replaced(world: World) -> None:
    """A slip of the pen replaces nothing."""
    said = await refused(world, Wishes(rotate=frozenset({"payments/pasword", "oracle:payments/password"})))
    assert "--rotate oracle:payments/password: there is no such place; --rotate payments/pasword" in said


@pytest.mark.parametrize(("days", "due"), [(100, 0), (230, 10), (240, 20), (260, 30), (400, 30)])
async def test_certificates_are_renewed_when_a_third_is_left(world: World, days: int, due: int) -> None:
    """Ten of each site, which end two weeks apart; nothing else is renewed with them."""
    await world.filled()
    world.now = NOW + timedelta(days=days)
    assert set(deeds(world, await world.decided())) == {Deed.LEAVE}
    found = deeds(world, await world.decided(Wishes(renew=True)))
    assert found[Deed.RENEW] == due and found[Deed.FILL] == found[Deed.ROTATE] == 0


async def test_a_directory_that_did_not_fill_the_rest_is_refused(world: World) -> None:
    """Whoever is filled by a new authority believes nobody, and nobody believes it."""
    await world.filled()
    world.stores["aws"].places[id_of("aws", "vault/identity")].clear()
    said = await refused(world, directory="another")
    assert "filled from another directory than this one" in said and "aws:payments/identity" in said
    assert "etcd-identity" not in said, "no member has to do with it"
    assert (await world.filled()).filled == 1


async def test_what_was_filled_by_hand_is_not_renewed_in_silence(world: World) -> None:
    """Nobody here knows when it ends."""
    await world.filled()
    (world.folder / "authority" / "places" / "gcp" / "vault-identity.json").unlink()
    assert "gcp:vault/identity: filled from another directory" in await refused(world, Wishes(renew=True))
    assert (await world.filled(Wishes(renew=True, rotate=frozenset({"gcp:vault/identity"})))).replaced == 1


async def test_an_authority_that_ends_first_issues_nothing(world: World) -> None:
    """Its certificates would be believed for less than they say."""
    await world.filled()
    world.now = NOW + timedelta(days=3650 - 350)
    said = await refused(world, Wishes(renew=True))
    assert "aws:vault/identity: fleet ends before the certificate would" in said
    assert "gcp:" not in said, "these live shorter"


async def test_a_private_key_among_those_who_are_believed_is_refused(world: World) -> None:
    """It would be handed to every edge."""
    stray = Authority.made("merchants", now=NOW, life=timedelta(days=9))
    file = world.folder / "given" / "aws" / "edge" / "clients.pem"
    file.write_bytes(stray.sealed)
    assert "aws:edge/clients: edge/clients.pem has a private key in it" in await refused(world)
    file.write_bytes(b"nothing")
    assert "aws:edge/clients: edge/clients.pem: expected certificates" in await refused(world)
    file.write_bytes(stray.pem)
    await world.filled()
    assert stray.pem in world.told("aws", "edge/clients") and stray.pem not in world.told("gcp", "edge/clients")


@pytest.mark.parametrize("place", ["edge/clients", "control/authority"])
async def test_who_was_given_stays_believed(world: World, place: str) -> None:
    """Unless somebody gives others, or says that there is nobody any more; by whom a place was filled that is not known here is asked."""
    merchants = Authority.made("merchants", now=NOW, life=timedelta(days=9))
    file, wish = world.folder / "given" / f"{place}.pem", Wishes(rotate=frozenset({place}))
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(merchants.pem)
    await world.filled()
    file.unlink()
    assert (await world.filled(wish)).replaced == 3
    assert all(merchants.pem in world.told(site, place) for site in world.stores)
    world.stores["aws"].places[id_of("aws", place)].append(b"by hand")
    assert f"aws:{place}: nobody here knows what was given there; give {place}.pem" in await refused(world, wish)
    file.write_text("none\n")
    assert (await world.filled(wish)).replaced == 3
    assert not any(merchants.pem in world.told(site, place) for site in world.stores)


async def test_a_token_is_replaced_at_all_sites(world: World) -> None:
    """Whoever takes over at another site would refuse the orders of people on duty."""
    await world.filled()
    said = await refused(world, Wishes(rotate=frozenset({"aws:control/operator-token"})))
    assert "aws:control/operator-token: one for all sites; --rotate control/operator-token" in said


async def test_a_password_that_somebody_else_replaced_is_not_taken_for_ours(world: World) -> None:
    """What is written down is about the version that was sent: about a later one it says nothing."""
    await world.filled()
    world.stores["azure"].places[id_of("azure", "vault/password")].append(b"by hand")
    world.stores["gcp"].places[id_of("gcp", "vault/password")].clear()
    assert "nobody here knows what azure:vault/password was filled with last" in await refused(world)
    assert (await world.filled(Wishes(rotate=frozenset({"azure:vault/password"})))).replaced == 1


async def test_places_that_moved_are_refused(world: World) -> None:
    """What was filled first is where programs are told from, until somebody says otherwise."""
    await world.filled()
    other = id_of("aws", "edge/door").replace("AbCdEf", "GhIjKl")
    world.stores["aws"].places[other] = []
    world.estate = replace(world.estate, ids={**world.estate.ids, "aws:edge/door": other})
    with pytest.raises(Refused, match="refused by places") as found:
        await world.filled()
    assert f"aws:edge/door: {other}; filled first: {id_of('aws', 'edge/door')}" in found.value.value


def test_a_wish_is_about_one_site_or_all(world: World) -> None:
    """By how it is spelled."""
    place = world.estate.places[0]
    other = replace(place, site="gcp")
    one, all_of_them = Wishes(rotate=frozenset({f"aws:{place.name}"})), Wishes(rotate=frozenset({place.name}))
    assert (one.rotates(place), one.rotates(other)) == (True, False)
    assert all_of_them.rotates(place) and all_of_them.rotates(other)
