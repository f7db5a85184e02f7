"""Places are filled: everybody is told what is his, once, and nobody else hears of it."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509

from controller.errors import Denied, Stuck, Transient
from controller.filling.fill import Outcome, carry_out
from controller.filling.orders import Wishes
from controller.filling.plan import Issued, Trusted
from controller.issuing.archive import Issuer
from controller.issuing.authority import Span
from controller.issuing.passwords import is_known
from tests.unit.filling.worlds import NONE, Disturbed, World, id_of
from workload.access.identity import Identity, client_context, server_context
from workload.entry import carried, variable_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With everything that is needed, today."""
    return World(tmp_path, now=datetime.now(UTC))


def names_of(certificate: bytes) -> list[object]:
    """Every name in it."""
    found = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [one.value for one in found.value]


async def test_every_place_is_filled_once(world: World) -> None:
    """And the second time nothing is left to be done."""
    places = len(world.estate.places)
    assert await world.filled() == Outcome(filled=places, replaced=0, found_filled=0)
    assert set(world.versions()) == {1}
    assert await world.filled() == Outcome(filled=0, replaced=0, found_filled=places)
    assert set(world.versions()) == {1}


async def test_a_service_meets_those_of_its_site_and_nobody_else(world: World, tmp_path: Path) -> None:
    """With its papers as programs load them. Whoever has another authority's is turned away."""
    await world.filled()

    def identity(name: str) -> Identity:
        certificate, authority = tmp_path / f"{name}.pem", tmp_path / f"{name}-authority.pem"
        reader, _, prefix = name.partition("/")
        for file, what in ((certificate, "identity"), (authority, "authority")):
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(world.told("azure", f"{reader}/{prefix}{what}"))
        return Identity(certificate=certificate, authority=authority)

    def meet(caller: Identity, callee: Identity, expected: str) -> None:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client_context(caller, expected).wrap_bio(back, there)
        other = server_context(callee).wrap_bio(there, back, server_side=True)
        for _ in range(4):
            for end in (one, other):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        one.read(0)
        other.write(b"welcome")
        assert one.read(7) == b"welcome"

    meet(identity("payments/"), identity("vault/"), "trimaran://service/vault")
    meet(identity("edge/"), identity("payments/"), "trimaran://service/payments")
    with pytest.raises(ssl.SSLError):
        meet(identity("screening/"), identity("payments/"), "trimaran://service/vault")
    for stranger in ("edge/peers-", "edge/etcd-"):
        with pytest.raises(ssl.SSLError):
            meet(identity(stranger), identity("payments/"), "trimaran://service/payments")


async def test_every_certificate_has_the_names_of_the_plan_and_lies_beside_its_key(world: World) -> None:
    """And is of the authority that is believed beside it; the next place has another key."""
    await world.filled()
    keys = set()
    for one in world.estate.places:
        if isinstance(one.source, Issued):
            content = world.told(one.site, one.name)
            subject = one.source.subject
            assert names_of(content) == [*subject.uris, *subject.hosts, *subject.addresses]
            assert world.means().archive.authority(one.source.issuer).has_issued(content)
            keys.add(content[content.index(b"-----BEGIN PRIVATE") :])
        elif isinstance(one.source, Trusted):
            assert b"PRIVATE" not in world.told(one.site, one.name)
    assert len(keys) == sum(isinstance(one.source, Issued) for one in world.estate.places)
    assert names_of(world.told("gcp", "control/etcd-identity")) == [IPv4Address("10.12.0.4")]


async def test_programs_find_what_they_are_told_as_they_take_it(world: World) -> None:
    """Passwords as they are, lines for the controller's environment, text that a container's entry writes into files."""
    await world.filled()
    for site in world.stores:
        assert world.told(site, "payments/password").decode() == world.words["TRIMARAN_PAYMENTS_APP_PASSWORD"]
        lines = world.told(site, "control/environment").decode().splitlines()
        assert len(lines) == 4 and dict(line.split("=", 1) for line in lines).items() <= dict(world.words).items()
        told = {variable_of(f"{name}.pem"): world.told(site, f"edge/{name}").decode() for name in ("identity", "peers-authority")}
        assert {one.name for one in carried(told)} == {"identity.pem", "peers-authority.pem"}
    tokens = {world.told(site, "control/operator-token") for site in world.stores}
    assert tokens == {(world.folder / "authority" / "operator.token").read_bytes()}


async def test_what_stopped_goes_on(world: World) -> None:
    """A site refuses half-way. What is done stays done, and the next call does the rest."""
    world.stores["gcp"].denied_changes = True
    with pytest.raises(Denied):
        await world.filled()
    done = sum(world.versions())
    assert 0 < done < len(world.estate.places)
    world.stores["gcp"].denied_changes = False
    told = world.told("aws", "payments/identity")
    assert await world.filled() == Outcome(filled=len(world.estate.places) - done, replaced=0, found_filled=done)
    assert world.told("aws", "payments/identity") == told


async def test_an_answer_that_is_lost_is_asked_for_again(world: World) -> None:
    """It was carried out, and is counted; the certificate that is there is the one that is known."""
    for store in world.stores.values():
        store.lost_answers = 3
    assert (await world.filled()).filled == len(world.estate.places)
    assert set(world.versions()) == {1}
    archive = world.means().archive
    for one in world.estate.places:
        if isinstance(one.source, Issued):
            told = world.told(one.site, one.name)
            known = archive.records.known(one.site, one.name, "1")
            assert known is not None and known.certificate.encode() == told[: told.index(b"-----BEGIN PRIVATE")]


async def test_a_store_that_is_throttled_is_asked_again_and_not_for_ever(world: World) -> None:
    """Four times."""
    world.stores["aws"].throttled = 3
    await world.filled()
    world.stores["aws"].throttled = 4
    with pytest.raises(Transient):
        await world.filled()


async def test_a_store_that_says_yes_and_does_nothing_is_found_out(world: World) -> None:
    """A program would start with nothing, or not at all."""
    world.stores["azure"].idle_changes = 1
    with pytest.raises(Stuck, match="took it and does not have it"):
        await world.filled()


async def test_who_was_faster_is_left_alone(world: World) -> None:
    """A place was filled between looking and filling: what is there stays, and is not taken for ours."""
    wanted = await world.decided()
    world.stores["aws"].places[id_of("aws", "vault/identity")].append(b"somebody else's")
    outcome = await carry_out(wanted, world.stores, world.means(), pause=NONE)
    assert outcome.found_filled == 1 and world.told("aws", "vault/identity") == b"somebody else's"
    assert outcome.overtaken == ("aws:vault/identity",)
    assert world.means().archive.records.known("aws", "vault/identity", "1") is None


async def test_what_is_renewed_is_another_key_with_the_same_names(world: World) -> None:
    """Of the same authority: whoever believed the old one believes the new one."""
    await world.filled()
    before = world.told("azure", "edge/peers-identity")
    world.now += timedelta(days=300)
    outcome = await world.filled(Wishes(renew=True))
    assert outcome == Outcome(filled=0, replaced=30, found_filled=len(world.estate.places) - 30)
    after = world.told("azure", "edge/peers-identity")
    assert after != before and names_of(after) == names_of(before)
    assert world.means().archive.authority(Issuer.SITES).has_issued(after)
    assert (await world.filled(Wishes(renew=True))).replaced == 0


async def test_nothing_that_is_told_has_a_secret_in_it(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither orders, nor what is printed of anything, nor a log, nor an error."""
    caplog.set_level(0)
    said: list[str] = []
    wanted = await world.decided()
    means = world.means()
    world.stores["gcp"].denied_changes = True
    with pytest.raises(Denied) as failed:
        await carry_out(wanted, world.stores, means, lambda order: said.append(f"{order} {order.seen.place.source}"), NONE)
    said += [repr(means), repr(world.stores), repr(wanted), str(failed.value), repr(failed.value), caplog.text]
    everything = "".join(said)
    assert len(said) > 60
    for secret in secrets(world):
        assert secret not in everything


def secrets(world: World) -> Iterator[str]:
    """Every secret that was put somewhere: passwords, keys, the token, the word."""
    yield from world.words.values()
    for store in world.stores.values():
        for versions in store.places.values():
            for content in versions:
                text = content.decode()
                yield from (line for line in text.splitlines() if len(line) > 30 and not line.startswith("-----"))


async def test_passwords_are_known_before_they_are_sent(world: World) -> None:
    """One site was filled, at the next the answer is lost, and the next call comes with other passwords: two would be refused."""
    with pytest.raises(Transient):
        await world.disturbed("aws", "payments/password", silent=True)
    known = world.means().archive.records.known("aws", "payments/password", "1")
    assert known is not None and known.version is None
    (kept,) = known.passwords.values()
    assert is_known(kept, world.words["TRIMARAN_PAYMENTS_APP_PASSWORD"]) and not is_known(kept, "another")


async def test_what_was_sent_without_an_answer_is_sent_again(world: World) -> None:
    """By whoever comes next: nobody knows what is there. From then on it is known."""
    for _ in range(2):
        with pytest.raises(Transient):
            await world.disturbed("azure", "vault/identity", silent=True)
    assert (await world.filled()).filled == len(world.estate.places)
    told = world.told("azure", "vault/identity")
    known = world.means().archive.records.known("azure", "vault/identity", "3")
    assert known is not None and told.startswith(known.certificate.encode())
    assert (await world.filled(Wishes(rotate=frozenset({"vault/identity"})))).replaced == 3


@pytest.mark.parametrize("answered", [True, False])
async def test_a_renewal_that_failed_is_still_due(world: World, answered: bool) -> None:
    """Refused, or sent without an answer: the next call renews it, and the certificate that is written down is the one that is there."""
    await world.filled()
    world.now += timedelta(days=300)
    stores = dict(world.stores)
    if answered:
        stores["aws"].denied_changes = True
    else:
        stores["aws"] = Disturbed(stores["aws"], silent=True)  # type: ignore[assignment]
    due = await world.decided(Wishes(renew=True))
    with pytest.raises((Denied, Transient)):
        await carry_out(due, stores, world.means(), pause=NONE)
    world.stores["aws"].denied_changes = False
    assert (await world.filled(Wishes(renew=True))).replaced == 30
    for one in world.estate.places:
        if isinstance(one.source, Issued):
            version = str(len(world.stores[one.site].places[id_of(one.site, one.name)]))
            known = world.means().archive.records.known(one.site, one.name, version)
            assert known is not None and world.told(one.site, one.name).startswith(known.certificate.encode())
            assert Span.of(known.certificate.encode()).ends > world.now + timedelta(days=300)


async def test_of_two_who_fill_at_once_the_loser_is_told(world: World) -> None:
    """The store took both, and programs are told the later one."""
    with pytest.raises(Stuck, match="somebody else, who filled it a moment later"):
        await world.disturbed("gcp", "edge/identity", trampled=True)
    assert world.means().archive.records.known("gcp", "edge/identity", "2") is None


async def test_another_token_reaches_every_site_before_it_counts(world: World) -> None:
    """Interrupted, it goes on with the same one; the one before stays beside it for controllers that were not started since."""
    await world.filled()
    folder, wish = world.folder / "authority", Wishes(rotate=frozenset({"control/operator-token"}))
    before = (folder / "operator.token").read_bytes()
    world.stores["gcp"].denied_changes = True
    with pytest.raises(Denied):
        await world.filled(wish)
    world.stores["gcp"].denied_changes = False
    assert (folder / "operator.token").read_bytes() == before == world.told("gcp", "control/operator-token")
    begun = world.told("aws", "control/operator-token")
    assert begun != before
    assert (await world.filled()).replaced == 1, "without being asked again"
    assert {world.told(site, "control/operator-token") for site in world.stores} == {begun}
    assert (folder / "operator.token").read_bytes() == begun and (folder / "operator.token.previous").read_bytes() == before
    assert (await world.filled(wish)).replaced == 3
    assert world.told("aws", "control/operator-token") != begun


async def test_whom_nobody_gave_is_nobody(world: World) -> None:
    """A place that may not stay empty holds no certificate, and none of ours."""
    await world.filled()
    assert b"CERTIFICATE" not in world.told("aws", "control/authority")
