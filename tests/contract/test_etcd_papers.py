"""What only real etcd can say about its command line: it takes every flag, and with papers it speaks to nobody who shows none."""

import asyncio
import json
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from controller.boot.__main__ import others
from controller.boot.asking import NotYet, asker
from controller.coordination.etcd import Etcd
from controller.coordination.transaction import Answer, Put, Range, Txn
from controller.errors import Transient
from controller.filling.plan import Issued, plan
from controller.issuing.archive import Issuer
from controller.issuing.authority import Authority, Subject
from controller.manifest.etcd import Member, Papers, arguments
from controller.probing.bearer import client_context
from tests.contract.conftest import HOST, Members, end_members, etcd_program, free_ports

pytestmark = [pytest.mark.timeout(90)]

NAMES = ("aws", "azure", "gcp")
WRITE = Txn(writes=(Put(key="/k", value="v"),))
READ = Txn(reads=(Range(key="/k"),))


LIFE = timedelta(days=1)

ISSUED = {
    one.name: one.source.subject
    for one in plan(dict.fromkeys(NAMES, IPv4Address(HOST)))
    if one.site == "aws" and isinstance(one.source, Issued) and one.source.issuer is Issuer.ETCD
}
"""Whom bootstrap issues papers of the members' authority to, when a member is at this address."""
AS_MEMBER, AS_CONTROLLER, AS_EDGE = (
    ISSUED[name] for name in ("control/etcd-identity", "control/controller-etcd-identity", "edge/etcd-identity")
)
JSON = {"Content-Type": "application/json"}


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
    started: Mapping[str, Member]

    @property
    def trust(self) -> Path:
        """Whom everybody believes."""
        return self.place / "authority.pem"

    def paper(self, subject: Subject, issuer: Authority | None = None) -> Path:
        """A certificate with its key, of the members' authority or of another."""
        return _paper(self.place, issuer or self.authority, subject)

    def known(self, subject: Subject) -> ssl.SSLContext:
        """Comes with papers of the members' authority, and believes it."""
        return client_context(self.paper(subject), self.trust)

    async def asked(self, context: ssl.SSLContext | None, txn: Txn = READ, urls: list[str] | None = None) -> Answer:
        """Ask any of them, or of these."""
        etcd = Etcd(urls or self.members.urls, deadline=timedelta(seconds=2), call_deadline=timedelta(seconds=1), context=context)
        try:
            return await etcd.transact(txn)
        finally:
            await etcd.close()


def _paper(place: Path, issuer: Authority, subject: Subject) -> Path:
    file = place / f"{len(list(place.iterdir()))}.pem"
    file.write_bytes(issuer.issue(subject, now=datetime.now(UTC), life=LIFE).certificate)
    return file


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Started as units start them, with papers as bootstrap issues them, once they answer to who shows a certificate."""
    folder, own = tmp_path_factory.mktemp("guarded"), authority()
    place = folder / "papers"
    place.mkdir()
    ports = iter(free_ports(9))
    client, peer, told = ({name: next(ports) for name in NAMES} for _ in range(3))
    (place / "authority.pem").write_bytes(own.pem)
    started = {
        name: Member(
            name=name,
            data=folder / name,
            cluster="guarded",
            peers={one: f"https://{HOST}:{port}" for one, port in peer.items()},
            clients=(f"https://{HOST}:{client[name]}",),
            peer=f"https://{HOST}:{peer[name]}",
            papers=Papers(identity=_paper(place, own, AS_MEMBER), authority=place / "authority.pem"),
            metrics=f"http://{HOST}:{told[name]}",
        )
        for name in NAMES
    }
    made = Guarded(
        members=Members([f"https://{HOST}:{port}" for port in client.values()]),
        place=place,
        authority=own,
        peers=tuple(f"https://{HOST}:{port}" for port in peer.values()),
        metrics=tuple(f"http://{HOST}:{port}" for port in told.values()),
        started=started,
    )
    try:
        made.members.processes.extend(_start(folder, *arguments(member)) for member in started.values())
        _answers(made, folder)
        yield made
    finally:
        end_members(made.members)


def _start(folder: Path, *flags: str) -> "subprocess.Popen[bytes]":
    with (folder / f"{len(list(folder.glob('*.log')))}.log").open("wb") as log:
        return subprocess.Popen([etcd_program(), *flags], stdout=log, stderr=log)


def _answers(made: Guarded, folder: Path) -> None:
    """Return when every one does; the logs' ends otherwise."""
    known, until = made.known(AS_MEMBER), time.monotonic() + 30
    while time.monotonic() < until:
        with suppress(Transient):
            for url in made.members.urls:
                asyncio.run(made.asked(known, urls=[url]))
            return
        time.sleep(0.1)  # servers in other processes do not say when they have a leader
    pytest.fail(str({one.name: one.read_text()[-600:] for one in folder.glob("*.log")}))


async def test_who_shows_a_certificate_reads_and_writes(guarded: Guarded) -> None:
    """By the gateway that controllers and agents use: etcd's own call to itself shows a certificate too."""
    for subject in (AS_CONTROLLER, AS_EDGE):
        known = guarded.known(subject)
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
        await guarded.asked(client_context(guarded.paper(AS_CONTROLLER, authority()), guarded.trust))


MEMBERS, VERSION = "/members", "/version"
"""What is asked of a member by who wants to be one; in both, etcd's own version of itself or of the cluster."""


def told(guarded: Guarded, paper: Path | None, url: str) -> bytes | None:
    """What a member answers at its port for members; None: it does not speak with who comes with this."""
    try:
        return asker(client_context(paper, guarded.trust), 5)(url, {})
    except NotYet:
        return None


async def test_a_clients_paper_makes_no_member(guarded: Guarded) -> None:
    """1. Somebody gets into an edge. 2. With its agent's paper they speak to members as one of them. 3. They say what the majority has
    agreed on, and two sites write. The same papers are good for what clients ask, and members go on among themselves."""
    for url in guarded.peers:
        for subject in (AS_EDGE, AS_CONTROLLER):
            paper = guarded.paper(subject)
            assert [told(guarded, paper, url + path) for path in (MEMBERS, VERSION)] == [None, None], (url, subject)
            assert (await guarded.asked(client_context(paper, guarded.trust), WRITE)).succeeded
        assert b"peerURLs" in (told(guarded, guarded.paper(AS_MEMBER), url + MEMBERS) or b"")
    for url in guarded.members.urls:
        ((found,),) = (await guarded.asked(guarded.known(AS_EDGE), urls=[url])).found
        assert found.value == "v", "each asks the leader before it answers"


def test_members_are_known_to_each_other_by_authority_address_and_name(guarded: Guarded) -> None:
    """Each of the three is asked for: none, another's address, another's authority, an address under no name of a member."""
    elsewhere, nameless = replace(AS_MEMBER, addresses=(IPv4Address("10.9.9.9"),)), replace(AS_MEMBER, called="etcd")
    strangers = (None, guarded.paper(elsewhere), guarded.paper(AS_MEMBER, authority()), guarded.paper(nameless))
    for url in guarded.peers:
        assert b"etcdserver" in (told(guarded, guarded.paper(AS_MEMBER), url + VERSION) or b"")
        assert [told(guarded, paper, url + VERSION) for paper in strangers] == [None] * len(strangers)


def test_without_the_name_etcd_takes_a_client_for_a_member(guarded: Guarded, tmp_path: Path) -> None:
    """What the flag is for: addresses are compared only where a certificate has one. Should etcd refuse it by itself one day, the flag can
    go."""
    ports = free_ports(2)
    client, peer = (f"https://{HOST}:{port}" for port in ports)
    papers = Papers(identity=guarded.paper(AS_MEMBER), authority=guarded.trust)
    lone = Member(
        name="aws", data=tmp_path / "data", cluster="lone", peers={"aws": peer}, clients=(client,), peer=peer, papers=papers
    )
    flags = [flag for flag in arguments(lone) if not flag.startswith("--peer-cert-allowed-cn")]
    assert len(flags) == len(arguments(lone)) - 1
    process, paper, until = _start(tmp_path, *flags), guarded.paper(AS_EDGE), time.monotonic() + 30
    try:
        while (found := told(guarded, paper, peer + MEMBERS)) is None and time.monotonic() < until:
            time.sleep(0.1)  # a server in another process does not say when it listens
        assert found is not None and b"peerURLs" in found
    finally:
        process.kill()
        process.wait(10)


async def test_a_member_that_another_authority_vouches_for_is_not_believed(guarded: Guarded) -> None:
    """Whoever takes a member's address is not asked twice."""
    stranger = guarded.place / "stranger.pem"
    stranger.write_bytes(authority().pem)
    with pytest.raises(Transient):
        await guarded.asked(client_context(guarded.paper(AS_CONTROLLER), stranger))


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
        "identity": str(guarded.paper(AS_MEMBER)),
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


def test_a_member_that_lost_its_disk_comes_back_when_the_others_were_told(guarded: Guarded) -> None:
    """The order of docs/nodes.md: removed, added, made with `joins`. Before, it is turned away, with and without that word."""
    folder, lost = guarded.place.parent, guarded.started["gcp"]
    tell, patience = asker(guarded.known(AS_MEMBER), 10), timedelta(seconds=20)

    def ordered(verb: str, said: Mapping[str, object]) -> dict[str, object]:
        found: dict[str, object] = json.loads(
            tell(f"{guarded.members.urls[0]}/v3/cluster/member/{verb}", JSON, json.dumps(said).encode())
        )
        return found

    def made(number: int, *, joins: bool) -> "subprocess.Popen[bytes]":
        return _start(folder, *arguments(replace(lost, data=folder / f"gcp-{number}", joins=joins)))

    guarded.members.processes[2].kill()
    guarded.members.processes[2].wait(10)
    (old,) = (one["ID"] for one in _listed(ordered("list", {})) if one["name"] == lost.name)
    assert made(1, joins=False).wait(patience.total_seconds()) != 0, "the others know that it has been there before"
    ordered("remove", {"ID": old})
    assert made(2, joins=True).wait(patience.total_seconds()) != 0, "nobody expects it"
    ordered("add", {"peerURLs": [lost.peer]})
    guarded.members.processes[2] = made(3, joins=True)
    _answers(guarded, folder)
    listed = {one["name"]: one["ID"] for one in _listed(ordered("list", {}))}
    assert set(listed) == set(NAMES) and listed[lost.name] != old


def _listed(answer: dict[str, object]) -> list[dict[str, str]]:
    found = answer["members"]
    assert isinstance(found, list)
    return found
