"""A journal that three controllers follow, sign and copy, and everything that somebody could do to it afterwards."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.audit.evidence import Judgement, Wrong
from controller.audit.file import lines, parse
from controller.audit.judge import judge
from controller.audit.keys import PublicKey
from controller.audit.raw import Json, Raw, evidence_of
from controller.audit.signer import Signer
from controller.coordination.chain import START, End, end_of, link
from controller.coordination.codec import encode, plain
from controller.core.heads import Head, SignedHead
from controller.core.model import JournalEntry

SITES = ("aws", "azure", "gcp")
SERVICE = "payments"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = 10
"""Entries between two heads of a controller."""


def signer(controller: str, number: int = 0) -> Signer:
    """The same key for the same controller and number in every run."""
    seed = f"{controller} {number}".encode().ljust(32, b".")
    return Signer(controller=controller, private=Ed25519PrivateKey.from_private_bytes(seed))


def public(one: Signer, until: datetime | None = None) -> PublicKey:
    """Its public half."""
    return PublicKey(controller=one.controller, public=one.public, until=until)


SIGNERS = {site: signer(site) for site in SITES}
KEYS = tuple(public(one) for one in SIGNERS.values())


def chained(count: int, after: Sequence[JournalEntry] = (), kind: str = "said") -> list[JournalEntry]:
    """So many entries more, a minute apart."""
    entries = list(after)
    for _ in range(count):
        end = end_of(entries[-1]) if entries else START
        number = end.sequence + 1
        at = BEGAN + timedelta(minutes=number)
        body = {"sentence": f"entry {number}", "took_ms": number / 2}
        entries.append(link(end, at=at, actor=SITES[number % 3], kind=kind, body=body))
    return entries


def head(entry: JournalEntry, by: Signer, at: datetime | None = None) -> SignedHead:
    """A controller's head of this entry, signed half a minute after it was written."""
    return by.sign(
        Head(
            service=SERVICE,
            sequence=entry.sequence,
            digest=entry.digest,
            at=at or entry.at + timedelta(seconds=30),
            controller=by.controller,
            key=by.id,
        )
    )


@dataclass
class Ground:
    """What lies in etcd and at the three sites."""

    journal: list[JournalEntry] = field(default_factory=lambda: chained(42))
    heads: list[SignedHead] = field(default_factory=list)
    copies: dict[str, dict[int, list[JournalEntry]]] = field(default_factory=dict)
    keys: tuple[PublicKey, ...] = KEYS

    def __post_init__(self) -> None:
        """As it is when nobody has done anything: heads each ten entries and at the end, copies of everything."""
        signed = [entry for entry in self.journal if entry.sequence % EVERY == 0 or entry is self.journal[-1]]
        self.heads = self.heads or [head(entry, one) for entry in signed for one in SIGNERS.values()]
        self.copies = self.copies or {site: {1: list(self.journal)} for site in SITES}

    def raw(self) -> Raw:
        """As it is gathered."""
        texts = [encode(one) for one in self.heads]
        said = {
            "keys": [
                {"controller": one.controller, "public": one.public, "until": one.until.isoformat() if one.until else None}
                for one in self.keys
            ],
            "entries": EVERY,
            "every_s": 600.0,
        }
        return Raw(
            service=SERVICE,
            at=self.journal[-1].at if self.journal else BEGAN,
            journal=[plain(one) for one in self.journal],
            copies={
                (site, number): [plain(one) for one in entries]
                for site, branches in self.copies.items()
                for number, entries in branches.items()
            },
            heads={place: list(texts) for place in ("etcd", *SITES)},
            said={site: {"controller": site, **said} for site in SITES},
        )

    def export(self) -> list[str]:
        """The lines of a file."""
        raw = self.raw()
        raw.recognise()
        return list(lines(raw))

    def rewrite(self, sequence: int, **fields: object) -> None:
        """Somebody changes an entry, and every digest behind it, in etcd and in all copies: every link holds."""
        self.journal = rewritten(self.journal, sequence, **fields)
        self.copies = {site: {1: list(self.journal)} for site in SITES}

    def resign(self, *controllers: str) -> None:
        """Whoever holds these controllers' keys signs what is there now, in place of their heads of before."""
        by = {entry.sequence: entry for entry in self.journal}
        self.heads = [
            head(by[one.head.sequence], SIGNERS[one.head.controller], one.head.at) if one.head.controller in controllers else one
            for one in self.heads
            if one.head.sequence in by or one.head.controller not in controllers
        ]

    def drop_heads(self, which: Callable[[Head], bool]) -> None:
        """Wherever they lie."""
        self.heads = [one for one in self.heads if not which(one.head)]

    def truncate(self, to: int) -> None:
        """In etcd and in all copies."""
        self.journal = self.journal[:to]
        self.copies = {site: {1: list(self.journal)} for site in SITES}


def rewritten(journal: Sequence[JournalEntry], sequence: int, **fields: object) -> list[JournalEntry]:
    """The same journal with another entry, and all digests behind it made anew."""
    found = list(journal[: sequence - 1])
    for entry in journal[sequence - 1 :]:
        other = replace(entry, **(fields if entry.sequence == sequence else {}))  # type: ignore[arg-type]
        end = end_of(found[-1]) if found else START
        found.append(link(end, at=other.at, actor=other.actor, kind=other.kind, body=other.body))
    return found


def with_head(one: SignedHead) -> list[str]:
    """An export into which somebody has put a head."""
    ground = Ground()
    ground.heads.append(one)
    return ground.export()


def edited(export: Sequence[str], edit: Callable[[list[Json]], Iterable[Mapping[str, object]]]) -> list[str]:
    """The file after somebody has worked on its records, with an end that fits."""
    *records, end = map(json.loads, export)
    after = list(edit(records))
    return [json.dumps(one) for one in (*after, {**end, "records": len(after)})]


def judged(
    export: Iterable[str],
    *,
    keys: Sequence[PublicKey] | None = None,
    anchored: Sequence[SignedHead] = (),
    lost: Sequence[End] = (),
    expected: Sequence[End] = (),
) -> Judgement:
    """What `trimaran audit verify FILE` judges by."""
    evidence = evidence_of(parse(export), own_keys=keys, anchored=[encode(one) for one in anchored])
    return judge(evidence, lost=lost, expected=expected)


def signature_of(one: SignedHead) -> str:
    """For moving it to another head."""
    return one.signature


NOTHING = b64encode(b"\0" * 64).decode()
"""A signature that nobody made."""


def first(found: Judgement) -> tuple[int, Wrong]:
    """What the first line says."""
    assert found.findings, "nothing was found"
    return found.findings[0].sequence, found.findings[0].wrong
