"""What only real etcd can say about its command line: it takes every flag, and with papers it speaks to nobody who shows none."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from controller.boot.__main__ import others
from controller.boot.asking import NotYet, asker
from controller.coordination.etcd import Etcd
from controller.coordination.transaction import Answer, Put, Range, Txn
from controller.errors import Transient
from controller.issuing.authority import Authority, Subject
from controller.issuing.names import controller_name
from controller.manifest.etcd import Member, Papers, arguments
from controller.probing.bearer import client_context
from tests.contract.conftest import HOST, Members, end_members, etcd_program, free_ports

pytestmark = [pytest.mark.timeout(90)]

NAMES = ("aws", "azure", "gcp")
WRITE = Txn(writes=(Put(key="/k", value="v"),))
READ = Txn(reads=(Range(key="/k"),))


LIFE = timedelta(days=1)


def authority() -> Authority:
    """A new one."""
    return Authority.made("etcd", now=datetime.now(UTC), life=LIFE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """Three members with papers."""

    members: Members
    place: Path
    authority: Authority
    peers: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def trust(self) -> Path:
        """Whom everybody believes."""
        return self.place / "authority.pem"

    def paper(self, name: str, issuer: Authority | None = None) -> Path:
        """A certificate with its key as bootstrap issues them, for this address or controller, of the members' authority or of another."""
        named = {"uris": (name,)} if name.startswith("trimaran:") else {"addresses": (IPv4Address(name),)}
        issued = (issuer or self.authority).issue(Subject(called="etcd", **named), now=datetime.now(UTC), life=LIFE)  # type: ignore[arg-type]
        file = self.place / f"{len(list(self.place.iterdir()))}.pem"
        file.write_bytes(issued.certificate)
        return file

    async def asked(self, context: ssl.SSLContext | None, txn: Txn = READ) -> Answer:
        """Ask any of them."""
        etcd = Etcd(self.members.urls, deadline=timedelta(seconds=2), call_deadline=timedelta(seconds=1), context=context)
        try:
            return await etcd.transact(txn)
        finally:
            await etcd.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Started as units start them, once they answer to who shows a certificate."""
    folder, own = tmp_path_factory.mktemp("guarded"), authority()
    place = folder / "papers"
    place.mkdir()
    ports = iter(free_ports(9))
    client, peer, told = ({name: next(ports) for name in NAMES} for _ in range(3))
    (place / "authority.pem").write_bytes(own.pem)
    made = Guarded(
        members=Members([f"https://{HOST}:{port}" for port in client.values()]),
        place=place,
        authority=own,
        peers=tuple(f"https://{HOST}:{port}" for port in peer.values()),
        metrics=tuple(f"http://{HOST}:{port}" for port in told.values()),
    )
    for name in NAMES:
        member = Member(
            name=name,
            data=folder / name,
            cluster="guarded",
            peers={one: f"https://{HOST}:{port}" for one, port in peer.items()},
            clients=(f"https://{HOST}:{client[name]}",),
            peer=f"https://{HOST}:{peer[name]}",
            papers=Papers(identity=made.paper(HOST), authority=made.trust),
            metrics=f"http://{HOST}:{told[name]}",
        )
        with (folder / f"{name}.log").open("wb") as log:
            command = [etcd_program(), *arguments(member)]
            made.members.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        _answers(made, folder)
        yield made
    finally:
        end_members(made.members)


def _answers(made: Guarded, folder: Path) -> None:
    """Return when they do; the logs' ends otherwise."""
    known, until = client_context(made.paper(HOST), made.trust), time.monotonic() + 30
    while time.monotonic() < until:
        with suppress(Transient):
            asyncio.run(made.asked(known))
            return
        time.sleep(0.1)  # servers in other processes do not say when they have a leader
    pytest.fail(str({one.name: one.read_text()[-600:] for one in folder.glob("*.log")}))


async def test_who_shows_a_certificate_reads_and_writes(guarded: Guarded) -> None:
    """By the gateway that controllers and agents use: etcd's own call to itself shows a certificate too."""
    known = client_context(guarded.paper(controller_name("aws")), guarded.trust)
    assert (await guarded.asked(known, WRITE)).succeeded
    ((found,),) = (await guarded.asked(known)).found
    assert found.value == "v"


async def test_who_shows_none_is_refused(guarded: Guarded) -> None:
    """Knowing the authority is not enough."""
    with pytest.raises(Transient):
        await guarded.asked(client_context(None, guarded.trust))


async def test_a_certificate_of_another_authority_is_refused(guarded: Guarded) -> None:
    """One of the fleet's, say, which services have."""
    with pytest.raises(Transient):
        await guarded.asked(client_context(guarded.paper(HOST, authority()), guarded.trust))


def test_members_are_known_to_each_other_by_authority_and_address(guarded: Guarded) -> None:
    """Where members speak with each other etcd looks up who is calling, too: a client's certificate does not make a member."""
    url = f"{guarded.peers[0]}/version"
    assert b"etcdserver" in asker(client_context(guarded.paper(HOST), guarded.trust), 5)(url, {})
    for paper in (None, guarded.paper("10.9.9.9"), guarded.paper(HOST, authority())):
        with pytest.raises(NotYet):
            asker(client_context(paper, guarded.trust), 5)(url, {})


async def test_a_member_that_another_authority_vouches_for_is_not_believed(guarded: Guarded) -> None:
    """Whoever takes a member's address is not asked twice."""
    stranger = guarded.place / "stranger.pem"
    stranger.write_bytes(authority().pem)
    with pytest.raises(Transient):
        await guarded.asked(client_context(guarded.paper(HOST), stranger))


async def test_without_tls_nobody_is_heard(guarded: Guarded) -> None:
    """The port answers in no other way."""
    etcd = Etcd([url.replace("https", "http") for url in guarded.members.urls])
    try:
        with pytest.raises(Transient):
            await etcd.transact(READ)
    finally:
        await etcd.close()


def test_health_is_told_to_this_machine_without_papers(guarded: Guarded) -> None:
    """On its own port, where nothing can be written."""
    for url in guarded.metrics:
        assert b'"health":"true"' in asker(patience=5)(f"{url}/health", {})
        with pytest.raises(NotYet):
            asker(patience=5)(f"{url}/v3/kv/range", {"Content-Type": "application/json"}, b'{"key": "L2s="}', "POST")


def test_a_node_is_changed_only_while_the_others_are_well(guarded: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked with the member's own papers. One that is frozen is not well, and whoever asks is told which."""
    given = {
        "identity": str(guarded.paper(HOST)),
        "authority": str(guarded.trust),
        "others": guarded.members.urls[1:],
    }
    assert others(given, patience=5) == 0
    guarded.members.freeze(2)
    try:
        assert others(given, patience=1) == 1
        assert guarded.members.urls[2].removeprefix("https://") in capsys.readouterr().err
    finally:
        guarded.members.thaw(2)
    assert others({**given, "others": ["https://127.0.0.1:9"]}, patience=1) == 1
