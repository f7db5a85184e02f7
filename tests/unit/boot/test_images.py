"""A program is there whole and as its digest says, or not at all."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.boot.asking import NotYet
from controller.boot.images import KINDS, Broken, checked, have, lay, tidy
from tests.unit.boot.clouds import Servers

REGISTRY = "registry.example"
OUTSIDE = tempfile.gettempdir()
FILE, FOLDER, LINK, HARD, DEVICE = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def member(name: str, kind: bytes = FILE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """One entry."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, target, mode
    found.uid, found.gid = os.geteuid(), os.getegid()
    return found


def layer(*entries: tuple[tarfile.TarInfo, str]) -> bytes:
    """A layer as registries keep it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)


def digest(content: bytes) -> str:
    """As registries name it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def keep(servers: Servers, content: bytes, kind: str = "blobs") -> str:
    """Have the registry serve it, to whoever shows what it wants."""
    name = digest(content)
    servers.replies["GET", f"https://{REGISTRY}/v2/etcd/{kind}/{name}"] = _only(content)
    return name


def _only(content: bytes) -> Callable[..., bytes]:
    def answer(headers: dict[str, str], body: bytes | None) -> bytes:
        if headers["Authorization"] != "Basic x":
            raise NotYet("HTTP 401")
        return content

    return answer


def image(servers: Servers, *layers: bytes, several: bool = False) -> str:
    """An image of these layers, by digest; `several`: behind an index of platforms."""
    manifest = {"layers": [{"digest": keep(servers, one)} for one in layers]}
    name = keep(servers, json.dumps(manifest).encode(), "manifests")
    if several:
        rows = [("arm64", digest(b"another")), ("amd64", name)]
        index = {"manifests": [{"digest": one, "platform": {"os": "linux", "architecture": kind}} for kind, one in rows]}
        name = keep(servers, json.dumps(index).encode(), "manifests")
    return f"{REGISTRY}/etcd@{name}"


def authorize(registry: str, repository: str) -> str:
    """What this registry wants."""
    assert (registry, repository) == (REGISTRY, "etcd")
    return "Basic x"


def tree(place: Path) -> dict[str, str]:
    """Files and what they hold; links and where they lead."""
    return {
        str(one.relative_to(place)): f"-> {one.readlink()}" if one.is_symlink() else one.read_text()
        for one in sorted(place.rglob("*"))
        if one.is_symlink() or one.is_file()
    }


@pytest.mark.parametrize("several", [False, True])
def test_layers_lie_over_each_other(several: bool, tmp_path: Path) -> None:
    """Later ones replace, take away, and take away whole directories; the modes are nobody else's to write."""
    servers = Servers()
    lower = layer(
        (member("usr", FOLDER, mode=0o755), ""),
        (member("usr/bin/etcd", mode=0o4777), "old"),
        (member("usr/old"), "x"),
        (member("etc/a/one"), "1"),
        (member("etc/a/two"), "2"),
    )
    upper = layer(
        (member("etc/a/.wh..wh..opq"), ""),
        (member("etc/a/three"), "3"),
        (member("usr/.wh.old"), ""),
        (member("usr/bin/etcd", mode=0o4777), "new"),
        (member("usr/bin/member", HARD, "usr/bin/etcd", mode=0o4777), ""),
        (member("bin", LINK, "usr/bin"), ""),
    )
    place = tmp_path / "images" / "e"
    have(image(servers, lower, upper, several=several), place, servers, authorize)
    assert tree(place) == {"bin": "-> usr/bin", "etc/a/three": "3", "usr/bin/etcd": "new", "usr/bin/member": "new"}
    assert (place / "usr/bin/etcd").stat().st_mode & 0o7777 == 0o755
    assert [one.name for one in place.parent.iterdir()] == ["e"]


def test_what_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    """A node that starts while its registry is away starts with what it had."""
    servers = Servers()
    given = image(servers, layer((member("etcd"), "x")))
    have(given, tmp_path / "e", servers, authorize)
    asked = len(servers.asked)
    have(given, tmp_path / "e", servers, authorize)
    assert len(servers.asked) == asked


def test_a_manifest_is_asked_for_in_every_form(tmp_path: Path) -> None:
    """Registries give an older form to who does not name the new one, and that has another digest."""
    servers, shown = Servers(), list[str]()
    given = image(servers, layer((member("etcd"), "x")))
    url = f"https://{REGISTRY}/v2/etcd/manifests/{given.partition('@')[2]}"
    before = servers.replies["GET", url]
    servers.replies["GET", url] = lambda headers, body: (shown.append(headers["Accept"]), before(headers, body))[1]
    have(given, tmp_path / "e", servers, authorize)
    assert shown == [", ".join(KINDS)]


def test_half_an_image_is_none(tmp_path: Path) -> None:
    """The second layer does not come: nothing has the name, and the next attempt begins anew."""
    servers = Servers()
    first, second = layer((member("etcd"), "x")), layer((member("ctl"), "y"))
    given = image(servers, first, second)
    url = ("GET", f"https://{REGISTRY}/v2/etcd/blobs/{digest(second)}")
    kept = servers.replies.pop(url)
    with pytest.raises(NotYet):
        have(given, tmp_path / "e", servers, authorize)
    assert not (tmp_path / "e").exists()
    servers.replies[url] = kept
    have(given, tmp_path / "e", servers, authorize)
    assert tree(tmp_path / "e") == {"ctl": "y", "etcd": "x"}


@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_what_has_another_digest_is_not_used(what: str, tmp_path: Path) -> None:
    """Whoever holds the registry, or sits on the way, cannot choose what runs."""
    servers = Servers()
    given = image(servers, layer((member("etcd"), "x")))
    other = json.dumps({"layers": []}).encode() if what == "manifests" else layer((member("etcd"), "evil"))
    for key in servers.replies:
        if f"/{what}/" in key[1]:
            servers.replies[key] = _only(other)
    with pytest.raises(Broken, match="another digest"):
        have(given, tmp_path / "e", servers, authorize)
    assert not (tmp_path / "e").exists()
    assert checked(b"x", digest(b"x")) == b"x"


def test_an_index_without_this_machine_is_told(tmp_path: Path) -> None:
    """Nothing is guessed."""
    servers = Servers()
    index = {"manifests": [{"digest": digest(b"x"), "platform": {"os": "linux", "architecture": "arm64"}}]}
    name = keep(servers, json.dumps(index).encode(), "manifests")
    with pytest.raises(Broken, match="it has 0"):
        have(f"{REGISTRY}/etcd@{name}", tmp_path / "e", servers, authorize)


@pytest.mark.parametrize(
    "entries",
    [
        ((member("../outside"), "x"),),
        ((member("a/../../outside"), "x"),),
        ((member("run", LINK, OUTSIDE), ""), (member("run/outside"), "x")),
        ((member("up", LINK, ".."), ""), (member("up/outside"), "x")),
        ((member("hard", HARD, "../secret"), ""),),
        ((member("soft", LINK, "../secret"), ""), (member("hard", HARD, "soft"), "")),
        ((member("null", DEVICE), ""),),
    ],
)
def test_nothing_leads_out_of_an_image(entries: tuple[tuple[tarfile.TarInfo, str], ...], tmp_path: Path) -> None:
    """The machine's own files are not written by a layer, through names or through links of its own."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "secret").write_text("untouched")
    with pytest.raises(Broken):
        lay(layer(*entries), place)
    assert tree(tmp_path).keys() <= {"secret", "place/run", "place/up", "place/soft"} and not Path(OUTSIDE, "outside").exists()


def test_what_begins_at_the_root_is_laid_into_the_place(tmp_path: Path) -> None:
    """An image's root is the place, for links between files too; nothing of the machine's own is touched."""
    name = f"/trimaran-{os.getpid()}/own"
    lay(layer((member("./", FOLDER, mode=0o755), ""), (member(name), "x"), (member("/linked", HARD, name), "")), tmp_path)
    assert tree(tmp_path) == {name.lstrip("/"): "x", "linked": "x"} and not Path(name).exists()


def test_a_file_takes_the_place_of_a_link_and_is_not_written_through_it(tmp_path: Path) -> None:
    """1. A layer has a link. 2. The next has a file of that name. 3. Written through, it would be somewhere else."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    place = tmp_path / "place"
    place.mkdir()
    lay(layer((member("a", LINK, str(elsewhere)), "")), place)
    lay(layer((member("a"), "own")), place)
    assert tree(place) == {"a": "own"} and elsewhere.read_text() == "untouched"


def test_an_archive_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Another compression than this machine knows, say."""
    with pytest.raises(Broken, match="no archive"):
        lay(b"\x28\xb5\x2f\xfd" + bytes(64), tmp_path)


def test_programs_of_yesterday_go(tmp_path: Path) -> None:
    """And what was begun."""
    for name in ("new", "old", "new.part"):
        (tmp_path / name / "usr").mkdir(parents=True)
    tidy([tmp_path / "new"])
    assert [one.name for one in tmp_path.iterdir()] == ["new"]
    tidy([tmp_path / "none" / "new"])
