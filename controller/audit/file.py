"""The export: one JSON object a line, so that it can be read by anybody with anything. What is the journal's own in a site's copy is said
by numbers; everything else stands there as it was found.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from controller.audit.raw import Json, Raw, strictly
from controller.coordination.codec import canonical

VERSION = 1


class NoExport(ValueError):
    """The file is no export, or one of a later version."""


def lines(raw: Raw) -> Iterator[str]:
    """The file, line by line; `recognise` what is the same first."""
    count = 0
    for record in _records(raw):
        count += 1
        yield canonical(record)
    yield canonical({"record": "end", "records": count})


def _records(raw: Raw) -> Iterator[Json]:
    yield {
        "record": "export",
        "version": VERSION,
        "service": raw.service,
        "at": raw.at.isoformat(),
        "silent": raw.silent,
        "unreadable": raw.unreadable,
    }
    for who, said in sorted(raw.said.items()):
        yield {"record": "settings", "of": who, "said": said}
    for entry in raw.journal:
        yield {"record": "entry", "entry": entry}
    own = {id(one) for one in raw.journal}
    for (site, branch), entries in sorted(raw.copies.items()):
        yield from _of_copy({"site": site, "branch": branch}, entries, own)
    for place, texts in sorted(raw.heads.items()):
        for text in texts:
            yield {"record": "head", "place": place, "text": text}
    for text in raw.receipts:
        yield {"record": "receipt", "text": text}


def _of_copy(of: Json, entries: list[Json], own: set[int]) -> Iterator[Json]:
    """Stretches that are the journal's own as two numbers, and the last entry always in full: were the journal cut off in the file, it
    would tell."""
    begun: int | None = None
    until = 0
    for one in entries[:-1]:
        mine, number = id(one) in own, one.get("sequence", 0)
        if begun is not None and not (mine and number == until + 1):
            yield {"record": "same", **of, "first": begun, "last": until}
            begun = None
        if mine:
            begun, until = number if begun is None else begun, number
        else:
            yield {"record": "copied", **of, "entry": one}
    if begun is not None:
        yield {"record": "same", **of, "first": begun, "last": until}
    for one in entries[-1:]:
        yield {"record": "copied", **of, "entry": one}


def write(raw: Raw, path: Path) -> int:
    """Write the export to a new file; answers its lines. Raises OSError, FileExistsError among them."""
    raw.recognise()
    count = 0
    with path.open("x", encoding="ascii") as out:
        for line in lines(raw):
            out.write(f"{line}\n")
            count += 1
    return count


def read(path: Path) -> Raw:
    """What a file says. A line that cannot be read is told with its number. Raises OSError and NoExport."""
    with path.open(encoding="utf-8", errors="replace") as opened:
        return parse(opened)


def parse(text: Iterable[str]) -> Raw:
    """The same of lines. Raises NoExport."""
    numbered = enumerate(text, 1)
    _, first = next(numbered, (0, ""))
    raw = _begun(first)
    by_number: dict[object, Json] = {}
    number, ended = 1, False
    for number, line in numbered:
        try:
            record = strictly(line)
            if record["record"] == "end":
                ended = record["records"] == number - 1
            else:
                _take(raw, by_number, record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raw.unreadable.append(f"line {number} of the export: {type(error).__name__}: {error}")
    if not ended:
        raw.unreadable.append(f"line {number} of the export: it is not the end of one; lines are missing, or too many")
    raw.recognise()
    return raw


def _begun(line: str) -> Raw:
    try:
        record = json.loads(line)
        kind, version = record["record"], record["version"]
        found = Raw(
            service=str(record["service"]),
            at=datetime.fromisoformat(record["at"]),
            silent={str(who): str(why) for who, why in record["silent"].items()},
            unreadable=[str(one) for one in record["unreadable"]],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoExport("it does not begin as an export of trimaran audit does") from error
    if kind != "export" or version != VERSION:
        raise NoExport(f"it begins with {kind} of version {version}, not with an export of {VERSION}")
    return found


def _take(raw: Raw, by_number: dict[object, Json], record: Json) -> None:
    match record["record"]:
        case "settings":
            raw.said[str(record["of"])] = dict(record["said"])
        case "entry":
            raw.journal.append(dict(record["entry"]))
            by_number[record["entry"].get("sequence")] = raw.journal[-1]
        case "same":
            copy = raw.copies.setdefault((str(record["site"]), int(record["branch"])), [])
            last = min(int(record["last"]), len(raw.journal))  # what was cut off behind it is told by the copy's last entry
            copy.extend(by_number[one] for one in range(int(record["first"]), last + 1) if one in by_number)
        case "copied":
            copy = raw.copies.setdefault((str(record["site"]), int(record["branch"])), [])
            copy.append(dict(record["entry"]))
        case "head":
            raw.heads.setdefault(str(record["place"]), []).append(str(record["text"]))
        case "receipt":
            raw.receipts.append(str(record["text"]))
        case other:
            raise ValueError(f"there is no record called {other}")
