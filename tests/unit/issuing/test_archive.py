"""The directory of authorities: made once, for its owner alone, for one environment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.errors import Refused
from controller.issuing.archive import LIFE, Archive, Issuer
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
    assert not looked.has(Issuer.FLEET) and looked.issued("aws", "payments/identity") is None
    assert looked.other_passwords({"A": "b"}) == () and not place.exists()


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
    used.remember_passwords({"A": "b"})
    used.record("aws", "payments/identity", b"public")
    found = {path.relative_to(place).as_posix(): path.stat().st_mode & 0o777 for path in place.rglob("*")}
    files = ("domain", "fleet.pem", "operator.token", "passwords.json", "issued/aws/payments-identity.pem")
    assert found == {**dict.fromkeys(files, 0o600), "issued": 0o700, "issued/aws": 0o700}
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


def test_another_password_is_known_for_another_one(place: Path) -> None:
    """And none of them is in the file."""
    archive(place).remember_passwords({"A": "first", "B": "second"})
    again = archive(place)
    assert again.other_passwords({"A": "first", "B": "second", "C": "never seen"}) == ()
    assert again.other_passwords({"A": "second", "B": "second"}) == ("A",)
    again.remember_passwords({"A": "third"})  # what is known stays, unless it is forgotten
    assert again.other_passwords({"A": "third"}) == ("A",)
    again.forget_password("A")
    again.remember_passwords({"A": "third"})
    assert archive(place).other_passwords({"A": "third"}) == ()
    assert Archive(place, DOMAIN, lambda: NOW, cost=4).other_passwords({"A": "third"}) == (), "whatever it cost then"
    kept = (place / "passwords.json").read_text()
    assert all(word not in kept for word in ("first", "second", "third"))


def test_what_was_issued_last_is_known(place: Path) -> None:
    """By place and site; and forgotten, when it did not get there."""
    used = archive(place)
    used.record("aws", "payments/identity", b"one")
    used.record("aws", "payments/identity", b"two")
    used.record("gcp", "payments/identity", b"three")
    assert archive(place).issued("aws", "payments/identity") == b"two"
    used.record("aws", "payments/identity", None)
    assert archive(place).issued("aws", "payments/identity") is None
    assert archive(place).issued("gcp", "payments/identity") == b"three"


def test_an_authority_is_older_than_what_it_issues_may_become(place: Path) -> None:
    """Ten years, so that whatever is renewed in the first nine has its whole life."""
    assert timedelta(days=3600) < LIFE < timedelta(days=3700)
