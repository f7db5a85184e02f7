"""What was gathered, in the words in which it was found, and the evidence that it makes. An export holds nothing else."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.audit.evidence import Copy, Evidence, Receipt, Seen
from controller.audit.keys import PublicKey, Ring, ring, understood
from controller.coordination.codec import Unreadable, canonical, decode
from controller.core.heads import Rhythm, SignedHead
from controller.core.model import JournalEntry

Json = dict[str, Any]
FIELDS = {"sequence": int, "at": str, "actor": str, "kind": str, "body": dict, "previous": str, "digest": str}
"""Of an entry, in JSON's types. More or less of them is not an entry."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
"""Narrower than what Python takes for a time: it takes any letter for the `T`."""


@dataclass(slots=True, kw_only=True)
class Raw:
    """Found, not believed."""

    service: str
    at: datetime
    journal: list[Json] = field(default_factory=list)
    copies: dict[tuple[str, int], list[Json]] = field(default_factory=dict)
    """By site and branch."""
    heads: dict[str, list[str]] = field(default_factory=dict)
    """By place."""
    receipts: list[str] = field(default_factory=list)
    said: dict[str, Json] = field(default_factory=dict)
    """By controller: what its settings say."""
    silent: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def recognise(self) -> None:
        """Let entries of copies that are the journal's own, letter by letter, be the very same objects."""
        own = {one["sequence"]: (_text(one), one) for one in self.journal if isinstance(one.get("sequence"), int)}
        for entries in self.copies.values():
            for place, one in enumerate(entries):
                number = one.get("sequence")
                text, known = own.get(number, ("", one)) if isinstance(number, int) else ("", one)
                if known is not one and text and text == _text(one):
                    entries[place] = known


def strictly(text: str) -> Any:
    """A value of JSON. Raises ValueError, also for numbers that JSON has not, or that nobody can hold."""
    return json.loads(text, parse_constant=_number, parse_float=_number)


def _number(said: str) -> float:
    if not math.isfinite(value := float(said)):
        raise ValueError(f"{said} is no number of JSON")
    return value


def _text(value: object) -> str:
    """Letter by letter; empty for what has no spelling, which is nobody's own."""
    try:
        return canonical(value)
    except ValueError:
        return ""


def evidence_of(raw: Raw, *, own_keys: Sequence[PublicKey] | None = None, anchored: Iterable[str] = ()) -> Evidence:
    """All of it as values. `own_keys`: whoever judges brings public keys along, and those of the export are not looked at. `anchored`:
    lines of a file that an anchor keeps."""
    unreadable = list(raw.unreadable)
    journal = [*_entries(raw.journal, "the journal", unreadable)]
    known = {id(one): entry for one, entry in zip(raw.journal, journal, strict=False)} if len(journal) == len(raw.journal) else {}
    copies = tuple(
        Copy(site=site, branch=branch, entries=[*_entries(entries, f"{site}'s copy", unreadable, known)])
        for (site, branch), entries in sorted(raw.copies.items())
    )
    disputed: list[str] = []
    keys = list(own_keys) if own_keys is not None else _keys(raw.said, unreadable, disputed)
    rhythms = [said["entries"] for said in raw.said.values() if isinstance(said.get("entries"), int)]
    return Evidence(
        service=raw.service,
        at=raw.at,
        journal=journal,
        copies=copies,
        heads=tuple(_heads(raw, anchored, unreadable)),
        ring=_ring(keys, disputed),
        rhythm=Rhythm(entries=max(rhythms)) if rhythms else None,
        silent=dict(raw.silent),
        unreadable=tuple(unreadable),
        disputed=tuple(disputed),
    )


def entry_of(item: object) -> JournalEntry:
    """An entry from JSON. Raises ValueError."""
    if not isinstance(item, dict) or item.keys() != FIELDS.keys():
        raise ValueError(f"expected an object of {', '.join(FIELDS)}")
    wrong = [name for name, kind in FIELDS.items() if type(item[name]) is not kind]
    if wrong:
        raise ValueError(f"{wrong[0]}: expected {FIELDS[wrong[0]].__name__}")
    if MOMENT.fullmatch(item["at"]) is None:
        raise ValueError("at: expected a time as in 2026-01-01T00:00:00.5Z")
    at = datetime.fromisoformat(item["at"])
    if at.tzinfo is None or not 1 < at.year < 9999:
        raise ValueError("at: expected a time with its zone")
    return JournalEntry(**{**item, "at": at})


def _entries(
    items: Sequence[Json], place: str, unreadable: list[str], known: Mapping[int, JournalEntry] | None = None
) -> Iterator[JournalEntry]:
    for item in items:
        entry = known.get(id(item)) if known else None
        try:
            yield entry or entry_of(item)
        except ValueError as error:
            number = item.get("sequence") if isinstance(item, dict) else "?"
            unreadable.append(f"entry {number} of {place}: {error}")


def _heads(raw: Raw, anchored: Iterable[str], unreadable: list[str]) -> Iterator[Seen]:
    """Each text once, with every place where it was found."""
    places: dict[str, list[str]] = {}
    for place, texts in raw.heads.items():
        for text in texts:
            places.setdefault(text, []).append(place)
    for text in raw.receipts:
        try:
            receipt = decode(Receipt, text, key="a receipt")
        except Unreadable as error:
            unreadable.append(f"a receipt: {error.blocked_by}")
        else:
            places.setdefault(canonical(json.loads(text)["head"]), []).append(f"receipt of {receipt.anchor}")
    others = _anchored(raw.service, anchored, places, unreadable)
    for text, found in places.items():
        try:
            signed = decode(SignedHead, text, key="a head")
        except Unreadable as error:
            unreadable.append(f"a head in {', '.join(found)}: {error.blocked_by}")
            continue
        if signed.head.sequence < 1:
            unreadable.append(f"a head in {', '.join(found)}: it is of entry {signed.head.sequence}")
        elif signed.head.service == raw.service:
            yield Seen(signed=signed, places=tuple(found))
        elif text not in others:
            unreadable.append(f"a head in {', '.join(found)}: it is of {signed.head.service}, not of {raw.service}")


def _anchored(service: str, lines: Iterable[str], places: dict[str, list[str]], unreadable: list[str]) -> frozenset[str]:
    """Add an anchor's lines to the places; answers those of other services, which may stand there too."""
    others = set[str]()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = strictly(line)
            text = canonical(item)
            of = item["head"]["service"]
        except (ValueError, TypeError, KeyError):
            unreadable.append(f"line {number} of the anchor's file: no head; a torn line is what a crash leaves")
            continue
        if of == service or text in places:
            places.setdefault(text, []).append("anchor")
        else:
            others.add(text)
    return frozenset(others)


def _keys(said: Mapping[str, Json], unreadable: list[str], disputed: list[str]) -> list[PublicKey]:
    """Everybody's keys as the controllers name them, and where they do not agree."""
    found: dict[str, dict[PublicKey, list[str]]] = {}
    for who, document in sorted(said.items()):
        named = document.get("keys")
        for item in named if isinstance(named, list) else ():
            try:
                key = key_of(item)
            except ValueError as error:
                unreadable.append(f"a key in the settings of {who}: {error}")
            else:
                found.setdefault(key.id, {}).setdefault(key, []).append(who)
    for versions in found.values():
        key, *others = versions
        if others:
            disputed.append(f"the settings of {', '.join(sorted(said))} say different things of key {key.id}")
        elif missing := sorted({who for who, one in said.items() if one.get("keys")} - set(versions[key])):
            disputed.append(f"the settings of {', '.join(missing)} do not name key {key.id} of {key.controller}")
    return [min(versions, key=_strictest) for versions in found.values()]


def _strictest(key: PublicKey) -> tuple[bool, str]:
    return key.until is None, key.controller


def key_of(item: object) -> PublicKey:
    """A public key from JSON or TOML. Raises ValueError."""
    if not isinstance(item, dict) or not isinstance(item.get("controller"), str) or not isinstance(item.get("public"), str):
        raise ValueError("expected controller and public")  # noqa: TRY004  what was read does not fit
    until = item.get("until")
    until = datetime.fromisoformat(until) if isinstance(until, str) else until
    if until is not None and (not isinstance(until, datetime) or until.tzinfo is None):
        raise ValueError("until: expected a time with its zone")
    return PublicKey(controller=item["controller"], public=understood(item["public"]), until=until)


def _ring(keys: Sequence[PublicKey], disputed: list[str]) -> Ring:
    if len({key.id for key in keys}) < len(keys):
        disputed.append("one key is named twice")
    return ring(keys)
