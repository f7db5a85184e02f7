"""Programs by digest: an image of the own cloud's registry, checked byte for byte, as a directory.

What is there already is not asked for again: a node that starts while its registry is away starts with what it ran before.
"""

import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from controller.boot.asking import Ask

KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
PLATFORM = {"os": "linux", "architecture": "amd64"}
GONE, ALL_GONE = ".wh.", ".wh..wh..opq"
"""What a layer says of layers below it. Source: OCI image specification, "Whiteouts"."""
PART = ".part"

Authorize = Callable[[str, str], str]
"""Registry and repository to what is shown there."""


class Broken(Exception):
    """What was fetched is not what was asked for, or would not stay in its place. Nothing of it is used."""


def have(image: str, place: Path, ask: Ask, authorize: Authorize) -> None:
    """Have the content of `registry/repository@sha256:…` at `place`, whole or not at all. Raises NotYet, Broken."""
    if place.is_dir():
        return
    part = place.with_name(place.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    part.chmod(0o755)
    for layer in layers(image, ask, authorize):
        lay(layer, part)
    # 1. The directory has its name, and its files are still in memory. 2. The power goes. 3. The node starts with empty programs for ever,
    # because what has a name is not fetched again.
    os.sync()
    part.rename(place)


def tidy(kept: Iterable[Path]) -> None:
    """Remove whatever lies beside these: programs of yesterday would fill the disk in a year."""
    keep = set(kept)
    for place in {one.parent for one in keep}:
        for other in place.iterdir() if place.is_dir() else ():
            if other not in keep:
                shutil.rmtree(other, ignore_errors=True)


def layers(image: str, ask: Ask, authorize: Authorize) -> Iterator[bytes]:
    """Its layers as tar archives, lowest first, each checked. Raises NotYet, Broken."""
    named, _, digest = image.partition("@")
    registry, _, repository = named.partition("/")
    shown = {"Authorization": authorize(registry, repository)}
    ways = f"https://{registry}/v2/{repository}"

    def manifest(wanted: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(
            checked(ask(f"{ways}/manifests/{wanted}", {**shown, "Accept": ", ".join(KINDS)}), wanted)
        )
        return found

    found = manifest(digest)
    if "manifests" in found:
        fitting = [one["digest"] for one in found["manifests"] if PLATFORM.items() <= one.get("platform", {}).items()]
        if len(fitting) != 1:
            raise Broken(f"{image}: expected one image for linux on amd64, it has {len(fitting)}")
        found = manifest(fitting[0])
    for layer in found["layers"]:
        yield checked(ask(f"{ways}/blobs/{layer['digest']}", shown), layer["digest"])


def checked(content: bytes, digest: str) -> bytes:
    """The content. Raises Broken when it is not what the digest says."""
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise Broken(f"{digest}: {len(content)} bytes came that have another digest")
    return content


def lay(layer: bytes, place: Path) -> None:
    """Put one layer over what is there. Raises Broken for what would lead out of the place."""
    try:
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:*") as archive:
            members = archive.getmembers()
            for member in members:
                _take_away(_inside(place, member.name))
            for member in members:
                if not Path(member.name).name.startswith(GONE):
                    _put(archive, member, place)
    except tarfile.TarError as error:
        raise Broken(f"a layer is no archive that this machine can read: {error}") from error


def _take_away(said: Path) -> None:
    if said.name == ALL_GONE:
        for one in said.parent.iterdir() if said.parent.is_dir() else ():
            _remove(one)
    elif said.name.startswith(GONE):
        _remove(said.with_name(said.name.removeprefix(GONE)))


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    path = _inside(place, member.name)
    if member.isdev():
        raise Broken(f"{member.name}: expected a file, a directory or a link")
    # What is written is what was looked at: left as they came, names that begin at the root are the machine's own files.
    member.name = str(path.relative_to(place))
    if member.islnk():
        target = _inside(place, member.linkname)
        if not target.resolve().is_relative_to(place.resolve()):
            raise Broken(f"{member.name}: expected a link to a file of the image")
        member.linkname = str(target.relative_to(place))
    if path.is_symlink() or (path.exists() and not (member.isdir() and path.is_dir())):
        _remove(path)
    member.mode &= 0o755 | stat.S_ISVTX  # nothing becomes somebody else, and nobody but its owner writes to it
    path.parent.mkdir(parents=True, exist_ok=True)
    if hasattr(tarfile, "fully_trusted_filter"):
        archive.extract(member, place, numeric_owner=True, filter="fully_trusted")
    else:
        archive.extract(member, place, numeric_owner=True)


def _inside(place: Path, name: str) -> Path:
    """Where it goes. Raises Broken when a link of an earlier layer leads out: the machine's own files would be written."""
    path = place / name.lstrip("/")
    if ".." in Path(name).parts or (path != place and not path.parent.resolve().is_relative_to(place.resolve())):
        raise Broken(f"{name}: expected a way that stays in the image")
    return path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
