"""Judges evidence: is this journal what the sites copied and the controllers signed? Reads nothing and asks nobody.

What nobody contradicts is not proven by that. `docs/audit.md` says what a judgement without findings does not show.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.audit.evidence import Copy, Evidence, Finding, Judgement, Seen, Stand, Wrong
from controller.audit.keys import Doubt, Ring, proves
from controller.coordination.chain import START, Damage, End, before, end_of, verify
from controller.core.heads import SignedHead
from controller.core.model import JournalEntry

JOURNAL = "the journal"
OUTSIDE = ("anchor",)
"""Places that nobody who holds the sites can write to."""

SKEW = timedelta(minutes=5)
"""By how much two controllers' clocks may differ before a head is called backdated."""

_DAMAGE = {
    Damage.CHANGED: Wrong.CHANGED,
    Damage.REMOVED: Wrong.REMOVED,
    Damage.REORDERED: Wrong.REORDERED,
    Damage.INSERTED: Wrong.INSERTED,
}
_DOUBT = {
    Doubt.UNKNOWN_KEY: Wrong.UNKNOWN_KEY,
    Doubt.ANOTHERS_KEY: Wrong.ANOTHERS_KEY,
    Doubt.RETIRED_KEY: Wrong.RETIRED_KEY,
    Doubt.NO_SIGNATURE: Wrong.NO_SIGNATURE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Journal:
    """The journal as far as it is one unbroken chain."""

    entries: Sequence[JournalEntry]
    held: int
    """Number of the last entry before the first break, or of the last one."""

    @property
    def end(self) -> int:
        return self.entries[-1].sequence if self.entries else 0

    def entry(self, sequence: int) -> JournalEntry | None:
        """That one, if it is in the unbroken part."""
        return self.entries[sequence - 1] if 0 < sequence <= self.held else None


def judge(evidence: Evidence, *, lost: Iterable[End] = (), expected: Iterable[End] = ()) -> Judgement:
    """Everything that is wrong with it, the first entry first. `lost`: ends of journals that are known to have been lost, as with an etcd
    that was restored from a backup; what belongs to them is no contradiction. `expected`: ends remembered from before."""
    findings = [Finding(sequence=0, wrong=Wrong.UNREADABLE, place="what was read", detail=one) for one in evidence.unreadable]
    broken = verify(evidence.journal)
    if broken is not None:
        wrong = _DAMAGE[broken.damage]
        findings.append(Finding(sequence=broken.sequence, wrong=wrong, place=JOURNAL, detail=broken.detail))
    held = broken.sequence - 1 if broken else len(evidence.journal)
    journal = _Journal(entries=evidence.journal, held=held)
    forgiven = _forgiven(evidence, frozenset(lost))
    for copy in evidence.copies:
        findings += _of_copy(copy, journal, forgiven)
    believed, doubted = _sorted_out(evidence.heads, evidence.ring)
    findings += doubted
    asked = [one for one in believed if (one.signed.head.sequence, one.signed.head.digest) not in forgiven]
    findings += _contradictions(asked, journal)
    findings += _forks(asked)
    findings += _backdated(asked, journal, evidence.ring)
    findings += _unexpected(expected, journal)
    stands = tuple(_stands(asked, journal))
    last = end_of(evidence.journal[-1]) if evidence.journal else START
    return Judgement(
        findings=tuple(sorted(findings, key=_order)),
        end=last,
        stands=stands,
        weak=tuple(_weak(evidence, stands, journal)),
    )


def _order(one: Finding) -> tuple[int, bool, int, str]:
    """The first entry first; of one entry, what is said of the journal itself."""
    return one.sequence, one.place != JOURNAL, list(Wrong).index(one.wrong), one.place


# ---------------------------------------------------------------------------------------------------- copies


def _of_copy(copy: Copy, journal: _Journal, forgiven: frozenset[tuple[int, str]]) -> Iterator[Finding]:
    """Its first contradiction to itself, and its first one to the journal."""
    if not copy.entries or (copy.entries[-1].sequence, copy.entries[-1].digest) in forgiven:
        return
    for run, after in _runs(copy.entries, journal):
        if (found := verify(run, after=after)) is not None:
            yield Finding(sequence=found.sequence, wrong=_DAMAGE[found.damage], place=copy.name, detail=found.detail)
            break
    for entry in copy.entries:
        if entry.sequence > journal.end and journal.held == journal.end:
            detail = f"it has entries up to {copy.entries[-1].sequence}, and the journal ends with entry {journal.end}"
            yield Finding(sequence=journal.end + 1, wrong=Wrong.TRUNCATED, place=copy.name, detail=detail)
            return
        known = journal.entry(entry.sequence)
        if known is not None and known.digest != entry.digest:
            last = copy.entries[-1]
            detail = f"it has {entry.kind} of {entry.actor} there, and the journal {known.kind} of {known.actor}"
            detail += f"; its end is {last.sequence}:{last.digest}"
            yield Finding(sequence=entry.sequence, wrong=Wrong.FORKED, place=copy.name, detail=detail)
            return


def _runs(entries: Sequence[JournalEntry], journal: _Journal) -> Iterator[tuple[Sequence[JournalEntry], End]]:
    """Stretches that still have to be proven, each with the end that it follows: what is the journal's own has been proven with it."""
    run: list[JournalEntry] = []
    end = after = before(entries[0])
    for entry in entries:
        proven = journal.entry(entry.sequence) is entry and end == before(entry)
        if proven and run:
            yield run, after
            run = []
        if not proven:
            after = after if run else end
            run.append(entry)
        end = end_of(entry)
    if run:
        yield run, after


def _forgiven(evidence: Evidence, lost: frozenset[End]) -> frozenset[tuple[int, str]]:
    """Everything on a branch that ends in one of these, behind where it left the journal."""
    found = {(end.sequence, end.digest) for end in lost}
    ours = {(one.sequence, one.digest) for one in evidence.journal}
    for copy in evidence.copies:
        if any(end_of(entry) in lost for entry in copy.entries):
            found |= {(one.sequence, one.digest) for one in copy.entries}
    return frozenset(found - ours)


# ---------------------------------------------------------------------------------------------------- heads


def _sorted_out(heads: Sequence[Seen], ring: Ring) -> tuple[list[Seen], list[Finding]]:
    """Those that their controllers signed, in order; and what is wrong with the others."""
    believed, doubted = list[Seen](), list[Finding]()
    for one in heads:
        doubt = ring.doubt(one.signed)
        if doubt is None:
            believed.append(one)
            continue
        head = one.signed.head
        detail = f"the head of {head.controller} for {head.digest} names key {head.key}{_who(one.signed, doubt, ring, heads)}"
        place = f"heads in {', '.join(one.places)}"
        doubted.append(Finding(sequence=head.sequence, wrong=_DOUBT[doubt], place=place, detail=detail))
    return sorted(believed, key=lambda one: (one.signed.head.sequence, one.signed.head.at)), doubted


def _who(signed: SignedHead, doubt: Doubt, ring: Ring, heads: Sequence[Seen]) -> str:
    """Whose signature it is, as far as that can be told."""
    key = ring.keys.get(signed.head.key)
    if doubt is Doubt.UNKNOWN_KEY:
        return ", which is nobody's here"
    if doubt is Doubt.RETIRED_KEY:
        assert key is not None and key.until is not None, "only a key that is known is retired"
        return f", retired {key.until.isoformat()}, and was signed {signed.head.at.isoformat()}"
    if doubt is Doubt.ANOTHERS_KEY:
        assert key is not None, "only a key that is known is somebody's"
        return f", which is {key.controller}'s"
    for other in ring.keys.values():
        if other is not key and proves(other, signed.head, signed.signature):
            return f", and was signed with {other.controller}'s key {other.id}"
    for seen in heads:
        same = seen.signed is not signed and seen.signed.signature == signed.signature
        if same and key is not None and proves(key, seen.signed.head, signed.signature):
            return f", and carries its signature over another head, of entry {seen.signed.head.sequence}"
    return ", which did not sign this"


def _contradictions(heads: Sequence[Seen], journal: _Journal) -> Iterator[Finding]:
    """What was signed and is not there. One finding each for an end that was cut off and for a past that was rewritten."""
    agreed = [one for one in heads if _agrees(one, journal)]
    beyond = [one for one in heads if one.signed.head.sequence > journal.end]
    if beyond:
        head = beyond[-1].signed.head
        detail = (
            f"the journal ends with entry {journal.end}, and {head.controller} signed entry {head.sequence} on {_at(head.at)}"
        )
        yield Finding(
            sequence=journal.end + 1, wrong=Wrong.TRUNCATED, place=JOURNAL, detail=detail + _more(beyond[:-1], beyond[-1])
        )
    against = [one for one in heads if one.signed.head.sequence <= journal.held and not _agrees(one, journal)]
    if against:
        head = against[0].signed.head
        first = _trusted_to(against[0], agreed) + 1
        entry = journal.entry(head.sequence)
        assert entry is not None, "within the unbroken part"
        between = f"entry {first}" if first == head.sequence else f"one of the entries {first} to {head.sequence}"
        detail = f"{between} is another than {head.controller} signed on {_at(head.at)}: {head.digest}, and now {entry.digest}"
        yield Finding(sequence=first, wrong=Wrong.REWRITTEN, place=JOURNAL, detail=detail + _more(against[1:], against[0]))


def _trusted_to(witness: Seen, agreed: Sequence[Seen]) -> int:
    """Up to where the same witness saw this very journal. Others who agree may be whoever rewrote it: one who lies outside of the sites is
    believed before what lies there, and a controller's own heads before those of another."""
    head, outside = witness.signed.head, set(witness.places) & set(OUTSIDE)
    own = (one for one in agreed if one.signed.head.controller == head.controller and outside <= set(one.places))
    return max((one.signed.head.sequence for one in own if one.signed.head.sequence < head.sequence), default=0)


def _agrees(one: Seen, journal: _Journal) -> bool:
    entry = journal.entry(one.signed.head.sequence)
    return entry is not None and entry.digest == one.signed.head.digest


def _more(others: Sequence[Seen], told: Seen) -> str:
    """The rest of the witnesses in a few words."""
    places = f" (found in {', '.join(told.places)})"
    if not others:
        return places
    who = sorted({one.signed.head.controller for one in others})
    return f"{places}; so do {len(others)} more heads of {', '.join(who)}"


def _forks(heads: Sequence[Seen]) -> Iterator[Finding]:
    """Two heads of one number with different digests: somebody was shown another journal."""
    first: dict[int, Seen] = {}
    told = set[int]()
    for one in heads:
        head = one.signed.head
        other = first.setdefault(head.sequence, one).signed.head
        if other.digest != head.digest and head.sequence not in told:
            told.add(head.sequence)
            detail = (
                f"{other.controller} signed {other.digest} on {_at(other.at)}, {head.controller} {head.digest} on {_at(head.at)}"
            )
            yield Finding(sequence=head.sequence, wrong=Wrong.FORKED, place="heads", detail=detail)


def _backdated(heads: Sequence[Seen], journal: _Journal, ring: Ring) -> Iterator[Finding]:
    """1. A key is stolen years after it was retired. 2. It still signs what says that it is of before. 3. But the entry says when it was
    written. Of keys in use nothing is concluded: a clock that is wrong by an hour is no forger."""
    for one in heads:
        head = one.signed.head
        entry, key = journal.entry(head.sequence), ring.keys[head.key]
        if key.until is not None and entry is not None and entry.digest == head.digest and entry.at - head.at > SKEW:
            detail = f"the head of {head.controller} says {_at(head.at)}, and the entry was written on {_at(entry.at)}"
            place = f"heads in {', '.join(one.places)}"
            yield Finding(sequence=head.sequence, wrong=Wrong.BACKDATED, place=place, detail=f"{detail}; its key was retired")


def _unexpected(expected: Iterable[End], journal: _Journal) -> Iterator[Finding]:
    for end in expected:
        entry = journal.entry(end.sequence)
        if end.sequence > journal.end:
            detail = f"the journal ends with entry {journal.end}, and entry {end.sequence} was remembered"
            yield Finding(sequence=journal.end + 1, wrong=Wrong.TRUNCATED, place=JOURNAL, detail=detail)
        elif entry is not None and entry.digest != end.digest:
            detail = f"entry {end.sequence} has digest {entry.digest}, and {end.digest} was remembered"
            yield Finding(sequence=end.sequence, wrong=Wrong.REWRITTEN, place=JOURNAL, detail=detail)


# ---------------------------------------------------------------------------------------------------- what stands


def _stands(heads: Sequence[Seen], journal: _Journal) -> Iterator[Stand]:
    by: Mapping[str, list[Seen]] = {one.signed.head.controller: [] for one in heads}
    for one in heads:
        if _agrees(one, journal):
            by[one.signed.head.controller].append(one)
    for controller, found in sorted(by.items()):
        if found:
            head = found[-1].signed.head
            at = max(one.signed.head.at for one in found)
            yield Stand(controller=controller, sequence=head.sequence, at=at, heads=len(found))


def _weak(evidence: Evidence, stands: Sequence[Stand], journal: _Journal) -> Iterator[str]:
    """Who says nothing, and could. Whoever strips heads from an export, or keeps a site from being asked, is seen here and nowhere else."""
    yield from evidence.disputed
    for who, why in sorted(evidence.silent.items()):
        yield f"{who} could not be asked: {why}"
    stood = {one.controller: one for one in stands}
    for controller in evidence.ring.controllers() if journal.entries else ():
        stand = stood.get(controller)
        if stand is None:
            yield f"there is no head of {controller}, whose key is known"
        elif evidence.rhythm is not None and journal.end - stand.sequence > 2 * evidence.rhythm.entries:
            yield (
                f"{controller} signed entry {stand.sequence} last, {journal.end - stand.sequence} entries before the end, "
                f"and should every {evidence.rhythm.entries}"
            )


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
