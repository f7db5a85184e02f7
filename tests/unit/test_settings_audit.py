"""`[audit]`: a key that could not prove what it signs is refused when settings are read, with its key and what to do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.audit.signer import Signer, make_private
from controller.settings import Settings
from tests.unit.audit.ground import signer
from tests.unit.test_settings import SITES, document, problems, read  # noqa: F401  read is a fixture

Read = Callable[..., Settings]
OTHERS = {site: signer(site).public for site in ("azure", "gcp")}


@pytest.fixture
def audited(tmp_path: Path) -> dict[str, Any]:
    """Settings of aws's controller with a key of its own; the files lie beside them."""
    own = Signer(controller="aws", private=make_private(tmp_path / "audit.key"))
    keys = [{"controller": site, "public": public} for site, public in {"aws": own.public, **OTHERS}.items()]
    return {**document(), "audit": {"key_file": "audit.key", "keys": keys}}


def test_a_controller_knows_its_key_and_whom_to_believe(read: Read, audited: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    """With the rhythm that nobody wrote down; and without the table nothing is signed."""
    audited["audit"]["anchors"] = [{"file": "heads.jsonl"}, {"url": "https://ledger.test/heads", "token_file": "ledger.token"}]
    (tmp_path / "ledger.token").touch(0o600)
    (tmp_path / "ledger.token").write_text("a-token-of-the-ledger")
    found = read(audited).audit
    assert found is not None and found.signer.controller == "aws"
    assert [(one.controller, one.until) for one in found.keys] == [(site, None) for site in SITES]
    assert (found.rhythm.entries, found.rhythm.every) == (100, timedelta(minutes=10))
    file, url = found.anchors
    assert (file.file, file.url, url.url, url.token) == (
        tmp_path / "heads.jsonl",
        None,
        "https://ledger.test/heads",
        "a-token-of-the-ledger",
    )
    assert "a-token-of-the-ledger" not in repr(found) and "private" not in repr(found)
    assert read(document()).audit is None


def test_a_retired_key_stays_beside_the_one_in_use(read: Read, audited: dict[str, Any]) -> None:  # noqa: F811
    """TOML's own way to write a moment."""
    old = datetime(2026, 5, 1, tzinfo=UTC)
    audited["audit"]["keys"].append({"controller": "aws", "public": signer("aws", 5).public, "until": old})
    found = read(audited).audit
    assert found is not None and found.keys[-1].until == old


def test_a_key_that_nobody_could_prove_is_refused_with_the_line_that_is_missing(
    read: Read,  # noqa: F811
    audited: dict[str, Any],
) -> None:
    """It is in nobody's list, is another controller's there, or was retired."""
    own = audited["audit"]["keys"][0]
    for wrong in ({**own, "public": signer("aws", 9).public}, {**own, "controller": "gcp"}, {**own, "until": datetime.now(UTC)}):
        audited["audit"]["keys"][0] = wrong
        found = problems(read, audited)
        assert f'controller = "aws", public = "{own["public"]}"' in found["audit.keys"]


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("audit.key_file", {"key_file": "missing.key"}),
        ("audit.key_file", {"key_file": "aws.toml"}),
        ("audit.keys", {"keys": []}),
        ("audit.keys.0.public", {"keys": [{"controller": "aws", "public": "AAAA"}]}),
        ("audit.keys.0.controller", {"keys": [{"controller": "mars", "public": signer("gcp").public}]}),
        ("audit.entries", {"entries": 0}),
        ("audit.every", {"every": "never"}),
        ("audit.anchors.0", {"anchors": [{}]}),
        ("audit.anchors.0", {"anchors": [{"file": "a", "url": "https://ledger.test"}]}),
        ("audit.anchors.0.url", {"anchors": [{"url": "http://ledger.test/heads"}]}),
        ("audit.anchors.0.file", {"anchors": [{"file": "nowhere/heads.jsonl"}]}),
        ("audit.anchors.0.token_file", {"anchors": [{"url": "https://ledger.test", "token_file": "missing"}]}),
        ("audit.anchors.0.token_file", {"anchors": [{"file": "a", "token_file": "b"}]}),
        ("audit.kye_file", {"kye_file": "audit.key"}),
    ],
)
def test_what_cannot_be_used_is_told_by_its_key(
    read: Read,  # noqa: F811
    audited: dict[str, Any],
    key: str,
    change: dict[str, Any],
) -> None:
    """Files that are not there or hold something else, keys of nobody, places that are none or two, addresses in the open."""
    audited["audit"] |= change
    assert key in problems(read, audited)


def test_one_key_is_one_controllers(read: Read, audited: dict[str, Any]) -> None:  # noqa: F811
    """Were gcp's azure's too, one theft would be two witnesses."""
    audited["audit"]["keys"][2]["public"] = OTHERS["azure"]
    assert set(problems(read, audited)) == {"audit.keys.2.public"}


def test_a_key_that_others_can_read_is_refused(read: Read, audited: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    """Whoever reads it signs in this controller's name."""
    (tmp_path / "audit.key").chmod(0o640)
    assert "0600" in problems(read, audited)["audit.key_file"]


def test_a_plain_address_of_this_machine_is_taken(read: Read, audited: dict[str, Any]) -> None:  # noqa: F811
    """Something beside the controller that carries heads on."""
    audited["audit"]["anchors"] = [{"url": "http://127.0.0.1:9/heads"}]
    assert read(audited).audit is not None
