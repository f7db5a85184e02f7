"""Looks for card and account numbers in files and texts: as text of several kinds, encoded, and as the numbers that databases store."""

import base64
import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from lab.vault_load_schedule import RANGE
from workload.issued import luhn

COMMON = RANGE
"""How all planted numbers begin, and all that cardholders have. One look for each form of it finds whatever may be one."""
SIZE = 16
PUBLISHED = "4111111111111111"
ACCOUNT = "GB82WEST12345698765432"
"""The registry's own example of an IBAN."""


def planted(number: int) -> str:
    """A card number of the test range, another one for every place where one is planted: what is found says where it came from."""
    digits = f"{COMMON}{(number * 7919 + 1234567) % 10**7:07d}"
    return next(f"{digits}{last}" for last in range(10) if luhn(f"{digits}{last}") == 0)


def forms(digits: str) -> Mapping[str, bytes]:
    """How a number may lie in a file."""
    groups = [digits[at : at + 4] for at in range(0, len(digits), 4)]
    texts = {
        "plain": digits,
        "spaced": " ".join(groups),
        "dashed": "-".join(groups),
        "dotted": ".".join(groups),
        "with strokes": "/".join(groups),
        "with commas": ",".join(groups),
        "with colons": ":".join(groups),
        "wide": " - ".join(groups),
        "on lines": "\n".join(groups),
        "on lines, escaped": "\\n".join(groups),
        "thin": "\u2009".join(groups),
        "thin, escaped": "\\u2009".join(groups),
        "end of a UUID": f"{digits[:4]}-{digits[4:]}",
        "url": quote(" ".join(groups)),
        "form": quote_plus(" ".join(groups)),
        "hexadecimal": digits.encode().hex(),
    }
    found = {name: text.encode() for name, text in texts.items()}
    found["two bytes a character"] = digits.encode("utf-16-le")
    for shift in range(3):  # a number may begin at any of three places within base64's groups
        encoded = base64.b64encode(b"\0" * shift + digits.encode())
        found[f"base64, {shift}"] = encoded[4 if shift else 0 : 4 * ((shift + len(digits)) // 3)]
    if digits.isdigit() and len(digits) % 4 == 0:
        found["numeric of PostgreSQL"] = b"".join(int(group).to_bytes(2, "little") for group in groups)
        found["packed"] = bytes.fromhex(digits)
    if len(digits) == SIZE:
        found |= {"integer": int(digits).to_bytes(8, "little"), "integer, the other way": int(digits).to_bytes(8, "big")}
    return found


def beginnings() -> Mapping[str, tuple[bytes, int]]:
    """What every planted number in that form has in common, and how many bytes of it stand before that."""
    lowest, highest = (int(COMMON + filler * (SIZE - len(COMMON))) for filler in "09")
    assert lowest >> 32 == highest >> 32
    upper = lowest >> 32
    whole = {"integer": (upper.to_bytes(4, "little"), 4), "integer, the other way": (upper.to_bytes(4, "big"), 0)}
    return {**{name: (form, 0) for name, form in forms(COMMON).items()}, **whole}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A number where it must not be."""

    place: str
    form: str
    digits: str
    around: bytes


class Search:
    """Knows what to look for, in every form of it."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self._exact: dict[str, dict[bytes, str]] = {name: {} for name in beginnings()}
        self._others: list[tuple[str, str, bytes]] = []
        for digits in numbers:
            for name, form in forms(digits).items():
                if digits.startswith(COMMON):
                    self._exact[name][form] = digits
                else:
                    self._others.append((name, digits, form))

    def within(self, data: bytes | mmap.mmap, place: str) -> Iterator[Found]:
        """Every one of the numbers."""

        def found(at: int, name: str, digits: str) -> Found:
            return Found(place=place, form=name, digits=digits, around=bytes(data[max(at - 60, 0) : at + 60]))

        for name, (beginning, before) in beginnings().items():
            exact, at = self._exact[name], data.find(beginning)
            sizes = {len(form) for form in exact}
            while at >= 0:
                start = at - before
                for size in sizes if start >= 0 else ():
                    if digits := exact.get(bytes(data[start : start + size])):
                        yield found(start, name, digits)
                at = data.find(beginning, at + 1)
        for name, digits, form in self._others:
            if (at := data.find(form)) >= 0:
                yield found(at, name, digits)

    def files(self, root: Path) -> tuple[list[Found], int]:
        """Every file below `root`, and how many bytes that were. Files that end meanwhile are passed by."""
        found: list[Found] = []
        size = 0
        for path in sorted(root.rglob("*")):
            try:
                if not path.is_file() or path.is_symlink() or not path.stat().st_size:
                    continue
                with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    size += len(data)
                    found += self.within(data, str(path.relative_to(root)))
            except (FileNotFoundError, ValueError):  # gone, or emptied, since it was listed
                continue
        return found, size
