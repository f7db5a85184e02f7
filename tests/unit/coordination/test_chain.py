"""The journal's chain: whole it holds, and any tampering is found at the right place."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from controller.coordination.chain import START, Damage, End, digest, end_of, link, verify
from controller.coordination.codec import decode, encode
from controller.core.model import JournalEntry

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
bodies = st.dictionaries(st.text(), scalars | st.lists(scalars, max_size=3), max_size=4)
moments = st.datetimes(timezones=st.just(UTC))
drafts = st.lists(st.tuples(moments, st.text(), st.text(), bodies), min_size=1, max_size=8)


def forge(written: Sequence[tuple[datetime, str, str, dict[str, object]]]) -> list[JournalEntry]:
    """A valid chain of these entries."""
    chain: list[JournalEntry] = []
    for at, actor, kind, body in written:
        chain.append(link(end_of(chain[-1]) if chain else START, at=at, actor=actor, kind=kind, body=body))
    return chain


@given(drafts)
def test_an_untouched_chain_holds_after_storage(written: list[tuple[datetime, str, str, dict[str, object]]]) -> None:
    """What was linked verifies after a round trip through JSON, from the start and from any known place."""
    chain = [decode(JournalEntry, encode(entry), key="/k") for entry in forge(written)]
    assert verify(chain, until=end_of(chain[-1])) is None
    for place in range(len(chain)):
        assert verify(chain[place + 1 :], after=end_of(chain[place])) is None


@given(drafts, st.data())
def test_a_changed_field_is_found_where_it_is(
    written: list[tuple[datetime, str, str, dict[str, object]]], data: st.DataObject
) -> None:
    """Any field of any entry, rewritten without its digest, is a change of that very entry."""
    chain = forge(written)
    place = data.draw(st.integers(0, len(chain) - 1))
    entry = chain[place]
    rewritten = data.draw(
        st.sampled_from(
            (
                replace(entry, actor=entry.actor + "x"),
                replace(entry, kind=entry.kind + "x"),
                replace(entry, at=entry.at + timedelta(microseconds=1) if entry.at.year < 9999 else entry.at - timedelta(days=1)),
                replace(entry, body={**entry.body, "new field": 1}),
                replace(entry, previous=entry.previous + "0"),
                replace(entry, digest="0" * 64),
            )
        )
    )
    found = verify([*chain[:place], rewritten, *chain[place + 1 :]])
    assert found is not None and (found.sequence, found.damage) == (entry.sequence, Damage.CHANGED)


@given(drafts, st.data())
def test_a_rewritten_digest_breaks_the_next_link(
    written: list[tuple[datetime, str, str, dict[str, object]]], data: st.DataObject
) -> None:
    """Whoever recomputes the digest too is found one entry later, or at the known end."""
    chain = forge(written)
    place = data.draw(st.integers(0, len(chain) - 1))
    entry = replace(chain[place], actor=chain[place].actor + "x")
    entry = replace(entry, digest=digest(entry))
    found = verify([*chain[:place], entry, *chain[place + 1 :]], until=end_of(chain[-1]))
    assert found is not None and found.damage is Damage.CHANGED
    assert found.sequence == min(entry.sequence + 1, len(chain))


@given(drafts, st.data())
def test_a_removed_entry_is_missed(written: list[tuple[datetime, str, str, dict[str, object]]], data: st.DataObject) -> None:
    """A gap names the number that is missing; a cut-off end is seen against the known end."""
    chain = forge(written)
    place = data.draw(st.integers(0, len(chain) - 1))
    found = verify([*chain[:place], *chain[place + 1 :]], until=end_of(chain[-1]))
    assert found is not None and (found.sequence, found.damage) == (chain[place].sequence, Damage.REMOVED)


@given(drafts, st.data())
def test_reordered_entries_are_found(written: list[tuple[datetime, str, str, dict[str, object]]], data: st.DataObject) -> None:
    """Two entries that changed places are found at the first of the two numbers."""
    chain = forge(written)
    assume(len(chain) > 1)
    first = data.draw(st.integers(0, len(chain) - 2))
    second = data.draw(st.integers(first + 1, len(chain) - 1))
    chain[first], chain[second] = chain[second], chain[first]
    found = verify(chain)
    assert found is not None and (found.sequence, found.damage) == (first + 1, Damage.REORDERED)


@given(drafts, st.data())
def test_an_inserted_entry_is_found(written: list[tuple[datetime, str, str, dict[str, object]]], data: st.DataObject) -> None:
    """A second entry with a number that was there is an insertion, however well it is linked; so is one beyond the known end."""
    chain = forge(written)
    place = data.draw(st.integers(0, len(chain) - 1))
    end = End(sequence=chain[place].sequence - 1, digest=chain[place].previous)
    false = link(end, at=datetime(2026, 1, 1, tzinfo=UTC), actor="intruder", kind="lie", body={})
    found = verify([*chain[: place + 1], false, *chain[place + 1 :]])
    assert found is not None and (found.sequence, found.damage) == (false.sequence, Damage.INSERTED)
    beyond = verify(chain, until=End())
    assert beyond is not None and beyond.damage is Damage.INSERTED


def test_the_digest_does_not_depend_on_the_time_zone() -> None:
    """The same instant, told in another zone, is the same entry."""
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    entry = link(START, at=at, actor="a", kind="k", body={})
    elsewhere = replace(entry, at=at.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert digest(elsewhere) == entry.digest


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    """NaN would be journaled as something that no reader can check."""
    with pytest.raises(ValueError, match="JSON"):
        link(START, at=datetime(2026, 1, 1, tzinfo=UTC), actor="a", kind="k", body={"lag": float("nan")})


FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def of_before(entry: JournalEntry, spelling: str) -> JournalEntry:
    """The same entry as a version before RFC 8785 linked it, from the very text."""
    return replace(entry, digest=sha256(spelling.encode()).hexdigest())


def test_a_digest_is_of_the_text_that_the_rfc_writes() -> None:
    """Anybody can make it, without a line of ours: names in order, 5.0 as 5, letters as they are."""
    entry = link(START, at=FIRST, actor="aws", kind="k", body={"took_ms": 5.0, "said": "für €"})
    text = (
        '{"actor":"aws","at":"2026-01-01T00:00:00.000000+00:00","body":{"said":"für €","took_ms":5},'
        '"kind":"k","previous":"","sequence":1}'
    )
    assert entry.digest == "jcs-" + sha256(text.encode()).hexdigest()


def test_entries_of_before_the_rfc_still_hold_and_the_chain_goes_on_from_them() -> None:
    """A journal is as old as its service; a release that could not prove what the one before wrote would prove nothing."""
    bare = link(START, at=FIRST, actor="aws", kind="k", body={"took_ms": 5.0, "said": "für €"})
    text = (
        '{"actor":"aws","at":"2026-01-01T00:00:00.000000+00:00","body":{"said":"f\\u00fcr \\u20ac","took_ms":5.0},'
        '"kind":"k","previous":"","sequence":1}'
    )
    old = of_before(bare, text)
    new = link(end_of(old), at=FIRST, actor="aws", kind="k", body={})
    assert verify([old, new]) is None and new.digest.startswith("jcs-")
    found = verify([replace(old, actor="gcp"), new])
    assert found is not None and (found.sequence, found.damage) == (1, Damage.CHANGED)


def test_a_value_without_a_spelling_in_the_rfc_is_linked_all_the_same() -> None:
    """A token beyond 2^53 must not keep a failover from its journal; its neighbour, which a careless reader takes for it, is another."""
    entry = link(START, at=FIRST, actor="aws", kind="k", body={"token": (1 << 60) + 1})
    assert not entry.digest.startswith("jcs-") and verify([entry]) is None
    assert verify([replace(entry, body={"token": 1 << 60})]) is not None
    assert verify([replace(entry, digest="jcs-" + entry.digest)]) is not None, "no such digest can be made: found, not an error"
