"""Signatures that the specification's own library accepts, and secrets that are checked before they are used."""

import base64
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from workload.webhooks.signing import Secrets, SecretsError, UnknownSecret, read_secrets, sign

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
ID = UUID(int=7)
BODY = '{"type": "payment.received"}'


def test_the_specifications_example_is_signed_as_it_says() -> None:
    """Header names and the form of the three values."""
    moment = datetime(2023, 1, 19, 0, 13, 51, 999999, tzinfo=UTC)
    headers = sign((Webhook(NEW),), ID, moment, BODY)
    assert set(headers) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (str(ID), "1674087231")
    assert headers["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_every_secret_in_force_verifies(secret: str) -> None:
    """Old and new while a merchant changes them."""
    headers = sign((Webhook(NEW), Webhook(OLD)), ID, datetime.now(UTC), BODY)
    assert Webhook(secret).verify(BODY, dict(headers)) == {"type": "payment.received"}


@pytest.mark.parametrize("age", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_an_attempt_of_another_time_is_refused(age: timedelta) -> None:
    """Kept and replayed, or from a clock that is wrong."""
    headers = sign((Webhook(NEW),), ID, datetime.now(UTC) - age, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, dict(headers))


def test_the_zone_of_the_clock_does_not_matter_but_there_must_be_one() -> None:
    """The library takes the digits of a time for UTC, whatever zone they are in."""
    elsewhere = datetime.now(timezone(timedelta(hours=5)))
    Webhook(NEW).verify(BODY, dict(sign((Webhook(NEW),), ID, elsewhere, BODY)))
    with pytest.raises(ValueError, match="time zone"):
        sign((Webhook(NEW),), ID, datetime.now(), BODY)  # noqa: DTZ005


@pytest.mark.parametrize(
    "text",
    [
        "a = []",
        'a = "whsec_x"',
        'a = ["secret"]',
        'a = ["whsec_%%%"]',
        f'a = ["whsec_{base64.b64encode(b"x" * 23).decode()}"]',
        f'a = ["whsec_{base64.b64encode(b"x" * 65).decode()}"]',
        "a = [1]",
        "a = [",
    ],
)
def test_a_secret_that_is_none_is_refused_without_being_told(tmp_path: Path, text: str) -> None:
    """The library would sign with whatever is left of it, also with nothing much."""
    (tmp_path / "s").write_text(text)
    with pytest.raises(SecretsError) as refused:
        read_secrets(tmp_path / "s")
    told = str(refused.value).removeprefix(str(tmp_path / "s"))
    assert "%%%" not in told and "eHh4" not in told
    assert refused.value.__cause__ is None, "the cause may quote the secret"


def test_a_changed_file_is_read_again_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """Secrets change without a restart; a mistake in the file leaves those before in force."""
    path = tmp_path / "s"
    path.write_text(f'a = ["{OLD}"]')
    secrets = Secrets(path)
    for number, (text, names) in enumerate([(f'a = ["{NEW}", "{OLD}"]', 2), ("a = [", 2), (f'a = ["{NEW}"]', 1)], start=1):
        path.write_text(text)
        # Two writes within one tick of the file system's clock would look like one.
        os.utime(path, ns=(number, number))
        secrets.refresh()
        assert len(secrets.of("a")) == names
    path.unlink()
    secrets.refresh()
    assert len(secrets.of("a")) == 1


def test_an_unknown_name_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Said by name, so that a person can mend it."""
    (tmp_path / "s").write_text("")
    with pytest.raises(UnknownSecret, match="no secret shop"):
        Secrets(tmp_path / "s").of("shop")
