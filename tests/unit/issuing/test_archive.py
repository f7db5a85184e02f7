"""The directory of authorities: made once, for its owner alone, for one environment."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.errors import Refused
from controller.issuing.archive import LIFE, Archive, Issuer
from controller.issuing.authority import Certificate
from controller.issuing.passwords import Sealed, is_known
from controller.issuing.records import Record
from controller.issuing.succession import UNMADE, Stage, Succession
from controller.settings_token import TOKEN
from tests.unit.issuing.test_authority import made

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOMAIN = "example.com"


def archive(place: Path, domain: str = DOMAIN) -> Archive:
    """There, where passwords are guessed fast."""
    return Archive(place, domain, lambda: NOW, cost=2)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Not there yet."""
    return tmp_path / "papers" / "prod"


def test_nothing_is_made_by_looking(place: Path) -> None:
    """A dry run leaves nothing behind."""
    looked = archive(place)
    looked.check()
    assert not looked.has(Issuer.FLEET) and looked.records.last("aws", "payments/identity") is None
    assert looked.succession(Issuer.FLEET).current == UNMADE and looked.next_token() is None and not place.exists()


def test_an_authority_is_made_once(place: Path) -> None:
    """And is another one than each of the others."""
    made_of = {issuer: archive(place).authority(issuer).pem for issuer in Issuer}
    again = archive(place)
    again.check()
    assert {issuer: again.authority(issuer).pem for issuer in Issuer} == made_of and len(set(made_of.values())) == len(Issuer)
    assert again.authority(Issuer.ETCD).ends == NOW + LIFE


def test_two_who_make_it_at_once_have_the_same_one(place: Path) -> None:
    """Whoever is there first counts for both."""
    one, other = archive(place), archive(place)
    assert one.authority(Issuer.FLEET).pem == other.authority(Issuer.FLEET).pem
    assert one.operator_token() == other.operator_token()


def test_everything_is_for_its_owner_alone(place: Path) -> None:
    """Directories 0700, files 0600, and nothing half-written beside them."""
    used = archive(place)
    used.authority(Issuer.FLEET)
    used.operator_token()
    used.records.begin("aws", "payments/identity", Record(id="a"))
    used.records.confirm("aws", "payments/identity", Record(id="a"), "1")
    with used.locked():
        pass
    found = {path.relative_to(place).as_posix(): path.stat().st_mode & 0o777 for path in place.rglob("*")}
    files = ("domain", "fleet.pem", "lock", "operator.token", "places/aws/payments-identity.json")
    assert found == {**dict.fromkeys(files, 0o600), "places": 0o700, "places/aws": 0o700}
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_place_that_others_may_look_into_is_refused(place: Path) -> None:
    """The directory, a file in it, and a link to somewhere else."""
    archive(place).authority(Issuer.FLEET)
    place.chmod(0o750)
    with pytest.raises(Refused, match="0750"):
        archive(place)
    place.chmod(0o700)
    (place / "fleet.pem").chmod(0o640)
    with pytest.raises(Refused, match="0640"):
        archive(place).check()
    (place / "fleet.pem").chmod(0o600)
    (place / "etcd.pem").symlink_to(place / "fleet.pem")
    with pytest.raises(Refused, match=r"etcd\.pem"):
        archive(place).check()


def test_an_authority_of_something_else_is_refused(place: Path) -> None:
    """Files that changed places would let services be edges."""
    archive(place).authority(Issuer.FLEET)
    (place / "fleet.pem").rename(place / "sites.pem")
    with pytest.raises(Refused, match="it is the authority of Trimaran fleet"):
        archive(place).check()
    (place / "sites.pem").write_bytes(made().pem)
    with pytest.raises(Refused, match="cannot be used"):
        archive(place).check()


def test_another_environments_directory_is_refused(place: Path) -> None:
    """Whoever tried something there would be anybody in production."""
    archive(place, "dev.example.com").authority(Issuer.FLEET)
    with pytest.raises(Refused, match=r"the directory of dev\.example\.com"):
        archive(place)


def test_what_orders_carry_is_what_controllers_take(place: Path) -> None:
    """As `settings_token` reads it, and not guessed."""
    token = archive(place).operator_token().decode()
    assert token.endswith("\n") and TOKEN.fullmatch(token.strip()) and len(token) > 40


def test_another_password_is_known_for_another_one() -> None:
    """By what is kept of it, whatever it cost; and it is not in there."""
    cheap, dear = Sealed(cost=2), Sealed(cost=4)
    kept = {one.of("A", "first") for one in (cheap, cheap, dear)}
    assert len(kept) == 2 and cheap.of("B", "first") not in kept, "the same in one run, and nobody sees that two are alike"
    assert all(is_known(one, "first") and not is_known(one, "second") and "first" not in one for one in kept)


def test_what_was_put_into_a_place_is_known_of_its_version_only(place: Path) -> None:
    """Before the store has confirmed it, it is only what was being sent; what somebody else put there is not known."""
    records = archive(place).records
    first, second = Record(id="a", certificate="one"), Record(id="a", certificate="two", over="1")
    records.begin("aws", "payments/identity", first)
    assert records.began("aws", "payments/identity", "1") and not records.began("aws", "payments/identity", None)
    assert records.known("aws", "payments/identity", "1") == first, "as far as anybody knows"
    records.confirm("aws", "payments/identity", first, "1")
    records.begin("aws", "payments/identity", second)
    again = archive(place).records
    assert again.known("aws", "payments/identity", "1") == replace(first, version="1")
    assert again.known("aws", "payments/identity", "2") is None and again.is_unsure("aws", "payments/identity", "2")
    assert not again.began("aws", "payments/identity", "2") and again.known("aws", "payments/identity", None) is None
    again.drop("aws", "payments/identity")
    assert archive(place).records.last("aws", "payments/identity") == replace(first, version="1")
    assert archive(place).records.last("gcp", "payments/identity") is None


def test_what_cannot_be_read_of_a_place_is_refused(place: Path) -> None:
    """Half of it, or what somebody wrote by hand."""
    archive(place).records.confirm("aws", "payments/identity", Record(id="a"), "1")
    (place / "places" / "aws" / "payments-identity.json").write_text('{"id": "a"')
    with pytest.raises(Refused, match="it cannot be read"):
        archive(place).records.last("aws", "payments/identity")


def test_a_successor_takes_the_place_step_by_step(place: Path) -> None:
    """Who issues and who is believed; interrupted anywhere, it stands where it stood."""
    old = archive(place).authority(Issuer.FLEET)
    for stage, issuing, believed in (
        (Stage.TRUST, "old", ["old", "new"]),
        (Stage.ISSUE, "new", ["old", "new"]),
        (Stage.FORGET, "new", ["new"]),
    ):
        archive(place).enter(Issuer.FLEET, stage)
        archive(place).enter(Issuer.FLEET, stage)
        again = archive(place)
        names = {old.fingerprint: "old"}
        assert [names.get(one.fingerprint, "new") for one in again.believed(Issuer.FLEET)] == believed
        found = again.succession(Issuer.FLEET)
        assert found.stage is stage and tuple(one.fingerprint for one in again.believed(Issuer.FLEET)) == found.believed
        assert names.get(again.authority(Issuer.FLEET).fingerprint, "new") == issuing
        assert again.authority(Issuer.FLEET).fingerprint == found.issuing
    new = archive(place).authority(Issuer.FLEET)
    (stage_file := place / "fleet.stage").chmod(0o600)
    archive(place).settle(Issuer.FLEET)
    assert archive(place).succession(Issuer.FLEET) == Succession(stage=Stage.SETTLED, current=new.fingerprint, successor=UNMADE)
    assert not stage_file.exists() and not (place / "fleet.next.pem").exists()


def test_what_the_last_succession_left_behind_is_not_taken_for_the_next_ones(place: Path) -> None:
    """The machine went down before it was tidied up: the next successor would be believed alone, by everybody, at once."""
    archive(place).authority(Issuer.ETCD)
    (place / "etcd.stage").touch(mode=0o600)
    (place / "etcd.stage").write_text("forget\n")
    assert archive(place).succession(Issuer.ETCD).stage is Stage.SETTLED
    seen = []

    class Watched(Archive):
        """Looks when the successor is made."""

        def _made(self, issuer: Issuer, suffix: str = "") -> Certificate:
            made = super()._made(issuer, suffix)
            seen.append(self.succession(issuer).stage)
            return made

    Watched(place, DOMAIN, lambda: NOW, cost=2).enter(Issuer.ETCD, Stage.TRUST)
    assert seen == [Stage.TRUST]


def test_of_an_authority_without_its_key_nothing_is_issued(place: Path) -> None:
    """It is believed, and can be replaced."""
    public = archive(place).authority(Issuer.FLEET).pem
    (place / "fleet.pem").write_bytes(public)
    found = archive(place)
    assert found.succession(Issuer.FLEET).keyless and found.believed(Issuer.FLEET)[0].pem == public
    with pytest.raises(Refused, match="its key is not there"):
        found.authority(Issuer.FLEET)
    found.enter(Issuer.FLEET, Stage.TRUST)
    found.enter(Issuer.FLEET, Stage.ISSUE)
    assert found.authority(Issuer.FLEET).pem != public


def test_a_step_that_nobody_knows_is_refused(place: Path) -> None:
    """Somebody wrote by hand how far it is."""
    archive(place).authority(Issuer.FLEET)
    archive(place).enter(Issuer.FLEET, Stage.TRUST)
    (place / "fleet.stage").write_text("nearly\n")
    with pytest.raises(Refused, match=r"fleet\.stage: it cannot be used; needs one of trust, issue, forget"):
        archive(place).check()


def test_one_at_a_time(place: Path) -> None:
    """The second one is told; whoever died has let go."""
    with (
        archive(place).locked(),
        pytest.raises(Refused, match="somebody else fills from this directory"),
        archive(place).locked(),
    ):
        pytest.fail("two at once")
    with archive(place).locked():
        pass


def test_a_name_is_on_the_disk_before_anything_is_sent(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every file, and of every folder: a machine that goes down then would come back with another authority."""
    settled: dict[str, set[str]] = {}
    sync = os.fsync

    def watched(opened: int) -> None:
        sync(opened)
        folder = Path(os.readlink(f"/proc/self/fd/{opened}"))
        if folder.is_dir():
            settled[str(folder)] = {one.name for one in folder.iterdir()}

    monkeypatch.setattr(os, "fsync", watched)
    used = archive(place)
    used.authority(Issuer.FLEET)
    used.operator_token()
    used.records.confirm("aws", "payments/identity", Record(id="a"), "1")
    used.enter(Issuer.FLEET, Stage.TRUST)
    used.settle(Issuer.FLEET)
    for folder in (place, *(one for one in place.rglob("*") if one.is_dir())):
        assert settled[str(folder)] == {one.name for one in folder.iterdir()}, folder
        assert folder.name in settled[str(folder.parent)]


def test_an_authority_is_older_than_what_it_issues_may_become(place: Path) -> None:
    """Ten years, so that whatever is renewed in the first nine has its whole life."""
    assert timedelta(days=3600) < LIFE < timedelta(days=3700)
