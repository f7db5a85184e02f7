"""Papers come all together or not at all, each for one user; and the programs that units start end only when they are done."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.boot.__main__ import fetching, main, until_done, writing
from controller.boot.asking import NotYet
from controller.boot.papers import Paper, of_system, put
from tests.unit.boot.clouds import Servers
from tests.unit.boot.test_images import authorize, image, layer, member, tree

OWN = (os.geteuid(), os.getegid())


def papers(place: Path, *names: str) -> list[Paper]:
    """At this place."""
    return [Paper(place=f"s/{name}", file=place / name, owner="me") for name in names]


def store(contents: Mapping[str, bytes]) -> Any:
    """A secret store."""

    def secret(place: str) -> bytes:
        if place not in contents:
            raise NotYet(f"{place}: HTTP 404")
        return contents[place]

    return secret


def owner(name: str) -> tuple[int, int]:
    """This user."""
    assert name == "me"
    return OWN


def test_papers_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody else reads them, and nobody writes them; what was there goes."""
    (tmp_path / "a.pem").write_text("yesterday's, and longer")
    (tmp_path / ".b.pem.part").write_text("hal")
    put(papers(tmp_path, "a.pem", "b.pem"), store({"s/a.pem": b"A", "s/b.pem": b"B"}), owner)
    assert tree(tmp_path) == {"a.pem": "A", "b.pem": "B"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o400}
    assert {(one.stat().st_uid, one.stat().st_gid) for one in tmp_path.iterdir()} == {OWN}


@pytest.mark.parametrize("second", [None, b"", b" \n"])
def test_without_one_none_is_written(second: bytes | None, tmp_path: Path) -> None:
    """A new certificate beside the authority of the old one would be believed by nobody."""
    (tmp_path / "a.pem").write_text("old")
    contents = {"s/a.pem": b"new"} | ({} if second is None else {"s/b.pem": second})
    with pytest.raises(NotYet, match=r"s/b\.pem") as told:
        put(papers(tmp_path, "a.pem", "b.pem"), store(contents), owner)
    assert tree(tmp_path) == {"a.pem": "old"} and "new" not in str(told.value)


def test_a_user_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """Nothing is written for root in its place."""
    with pytest.raises(NotYet, match="no user trimaran-nobody-is-called-so"):
        of_system("trimaran-nobody-is-called-so")
    with pytest.raises(NotYet):
        put([Paper(place="s", file=tmp_path / "a", owner="trimaran-nobody-is-called-so")], store({"s": b"A"}))
    assert not list(tmp_path.iterdir())


def test_it_is_tried_until_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    """Less and less often, and each reason is told once."""
    reasons, slept = ["a", "a", "b", "b", "b", "b", "b"], list[float]()

    def work() -> None:
        if reasons:
            raise NotYet(reasons.pop(0))

    until_done(work, slept.append)
    assert slept == [1, 2, 4, 8, 16, 30, 30]
    assert capsys.readouterr().err == "not yet: a\nnot yet: b\n"


def test_a_defect_is_not_tried_again() -> None:
    """Only what may change by itself is waited for."""
    with pytest.raises(ZeroDivisionError):
        until_done(lambda: print(1 // 0), lambda _: None)


class Known:
    """A machine that has one secret and knows one registry."""

    def secret(self, place: str) -> bytes:
        """Of one place."""
        return store({"s/a": b"A"})(place)  # type: ignore[no-any-return]

    def authorization(self, registry: str, repository: str, /) -> str:
        """Of one registry."""
        return authorize(registry, repository)


def test_a_node_has_what_it_is_told_of_and_no_more(tmp_path: Path) -> None:
    """Images to where they belong, those of yesterday away; papers to where they belong."""
    servers = Servers()
    (tmp_path / "images" / "old").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    given = {
        "images": [{"image": image(servers, layer((member("etcd"), "x"))), "into": str(tmp_path / "images" / "e")}],
        "papers": [{"place": "s/a", "file": str(tmp_path / "run" / "a"), "owner": "me"}],
    }
    fetching(given, servers, Known())()
    writing(given, Known(), owner)()
    assert tree(tmp_path) == {"images/e/etcd": "x", "run/a": "A"} and not (tmp_path / "images" / "old").exists()


@pytest.mark.parametrize("argv", [[], ["everything"], ["images", "papers"]])
def test_a_wrong_command_says_what_there_is(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And does nothing."""
    told = tmp_path / "node.json"
    told.write_text(json.dumps({}))
    assert main(argv, told) == 2
    assert "images | papers | tokens | others" in capsys.readouterr().err
