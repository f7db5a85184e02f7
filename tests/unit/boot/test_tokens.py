"""Tokens for the other clouds: each by itself, whole or not at all, and none that has ended in place of one that has not."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.boot.__main__ import telling
from controller.boot.asking import NotYet
from controller.boot.tokens import LEAST, Wanted, ends, put
from tests.unit.boot.clouds import AUDIENCE, NOW, Servers, aws, azure, gcp, jwt


def made_out(until: datetime, *, refused: str = "") -> dict[str, str]:
    """By audience: what a cloud gives."""
    return {audience: jwt("own", audience, until) for audience in ("for-aws", "for-gcp") if audience != refused}


class Own:
    """A cloud that knows these audiences, and refuses every other."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = given

    def __call__(self, audience: str) -> str:
        """What it makes out."""
        if audience not in self.given:
            raise NotYet("the metadata service answers HTTP 400")
        return self.given[audience]


def files(place: Path) -> tuple[Wanted, Wanted]:
    """For the two other clouds."""
    return Wanted(file=place / "aws", audience="for-aws"), Wanted(file=place / "gcp", audience="for-gcp")


def test_each_is_written_for_one_user_alone_and_nothing_else_lies_beside_it(tmp_path: Path) -> None:
    """The word itself, and no part of another one."""
    given = made_out(NOW + timedelta(hours=1))
    assert put(files(tmp_path), Own(given), lambda: NOW) == ()
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"aws": given["for-aws"], "gcp": given["for-gcp"]}
    for one in tmp_path.iterdir():
        assert stat.S_IMODE(one.stat().st_mode) == 0o400 and one.stat().st_uid == os.getuid()


def test_what_is_read_while_it_is_replaced_is_whole(tmp_path: Path) -> None:
    """Whoever has the old one open reads it to its end: the new one is another file under the name."""
    put(files(tmp_path), Own(made_out(NOW + timedelta(hours=1))), lambda: NOW)
    with (tmp_path / "aws").open() as opened:
        put(files(tmp_path), Own(made_out(NOW + timedelta(hours=2))), lambda: NOW)
        old = opened.read()
    assert ends(old) == (NOW + timedelta(hours=1)).timestamp()
    assert ends((tmp_path / "aws").read_text()) == (NOW + timedelta(hours=2)).timestamp()


@pytest.mark.parametrize("refused", ["for-aws", "for-gcp"])
def test_one_that_is_refused_takes_no_other_with_it(tmp_path: Path, refused: str) -> None:
    """And is told, by its file."""
    (said,) = put(files(tmp_path), Own(made_out(NOW + timedelta(hours=1), refused=refused)), lambda: NOW)
    name = refused.removeprefix("for-")
    assert said == f"{tmp_path / name}: the metadata service answers HTTP 400"
    assert [one.name for one in tmp_path.iterdir()] == [one.file.name for one in files(tmp_path) if one.audience != refused]


def test_one_that_ends_soon_is_written_and_asked_for_again(tmp_path: Path) -> None:
    """A metadata service keeps tokens, and gives the old one out until shortly before its end."""
    said = put(files(tmp_path), Own(made_out(NOW + LEAST - timedelta(seconds=1))), lambda: NOW)
    assert len(said) == 2 and all("ends in 719 s" in one for one in said)
    assert len(list(tmp_path.iterdir())) == 2
    assert put(files(tmp_path), Own(made_out(NOW + LEAST)), lambda: NOW) == ()


def test_one_that_has_ended_replaces_none(tmp_path: Path) -> None:
    """The one that is there may still be good."""
    put(files(tmp_path), Own(made_out(NOW + timedelta(hours=1))), lambda: NOW)
    assert len(put(files(tmp_path), Own(made_out(NOW)), lambda: NOW)) == 2
    assert ends((tmp_path / "gcp").read_text()) == (NOW + timedelta(hours=1)).timestamp()


@pytest.mark.parametrize(
    "nonsense", ["", "surprise", "a.b.c", "a.e30.c", "a.W10.c", "a.eyJleHAiOiJub25lIn0.c", "a.bnVsbA.c", "<html>.</html>"]
)
def test_what_is_no_token_is_never_written(tmp_path: Path, nonsense: str) -> None:
    """An error page with status 200, say; and no word of it is told."""
    said = put(files(tmp_path), Own(dict.fromkeys(("for-aws", "for-gcp"), nonsense)), lambda: NOW)
    assert [one.partition(": ")[2] for one in said] == ["what came is no token"] * 2 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("cloud", "servers"), [("aws", aws()), ("azure", azure()), ("gcp", gcp())])
def test_a_round_asks_the_own_cloud_and_nobody_else(
    cloud: str, servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the unit starts it. What cannot be had is told on standard error, and the unit tries again."""
    given = {"cloud": cloud, "client": "c-1", "tokens": [{"file": str(tmp_path / "there"), "audience": AUDIENCE}]}
    assert telling(given, servers, lambda: NOW) == 0 and capsys.readouterr().err == ""
    assert ends((tmp_path / "there").read_text()) > NOW.timestamp()
    beside = [*given["tokens"], {"file": str(tmp_path / "beside"), "audience": "nobody"}]
    if cloud == "aws":
        del servers.replies["POST", "https://sts.eu-central-1.amazonaws.com/"]
    assert telling({**given, "tokens": beside}, servers, lambda: NOW) == 1
    assert f"not yet: {tmp_path / 'beside'}: " in capsys.readouterr().err and not (tmp_path / "beside").exists()


def test_a_node_with_nobody_to_show_a_token_is_done() -> None:
    """Nothing is asked."""
    servers = Servers()
    assert telling({"cloud": "aws", "client": "", "tokens": []}, servers, lambda: datetime.now(UTC)) == 0 and not servers.asked
