"""Whatever somebody does to the journal, its copies or its heads is found in an export, at its place, without asking anybody; and what is
not found is here too, so that nobody believes more than is shown."""

import json
from dataclasses import replace

import pytest

from controller.audit.evidence import Wrong
from controller.audit.file import NoExport, parse
from controller.coordination.chain import end_of
from tests.unit.audit.ground import (
    SIGNERS,
    SITES,
    Ground,
    chained,
    edited,
    first,
    head,
    judged,
    rewritten,
    with_head,
)


def test_what_nobody_touched_holds() -> None:
    """Nothing is found, nothing is missing, and it is told how far each controller signed."""
    found = judged(Ground().export())
    assert (found.findings, found.weak) == ((), ())
    assert {one.controller: (one.sequence, one.heads) for one in found.stands} == dict.fromkeys(SITES, (42, 5))


# ---------------------------------------------------------------------------------------------------- the journal in the file


def test_an_edited_entry_is_found() -> None:
    """Any value of it."""
    for edit in ({"actor": "mallory"}, {"at": "2026-01-01T00:18:00Z"}, {"body": {"sentence": "entry 17"}}, {"kind": "x"}):
        export = edited(
            Ground().export(),
            lambda records, edit=edit: [
                {**one, "entry": {**one["entry"], **edit}} if one.get("entry", {}).get("sequence") == 17 else one
                for one in records
            ],
        )
        assert first(judged(export)) == (17, Wrong.CHANGED)


def test_no_letter_of_an_entry_can_be_changed() -> None:
    """Each of them, one after the other, in a journal that nobody signed: the chain alone tells, or the line is no entry any more."""
    ground = Ground(journal=chained(2))
    ground.drop_heads(lambda _: True)
    export = ground.export()
    at = next(place for place, line in enumerate(export) if '"record":"entry"' in line)
    for place, letter in enumerate(export[at]):
        other = export[at][:place] + ("1" if letter == "0" else "0") + export[at][place + 1 :]
        assert judged([*export[:at], other, *export[at + 1 :]]).findings, other


def test_reordered_entries_are_found() -> None:
    """17 and 18 change places."""
    export = Ground().export()
    at = next(place for place, line in enumerate(export) if '"sequence":17' in line)
    export[at], export[at + 1] = export[at + 1], export[at]
    assert first(judged(export)) == (17, Wrong.REORDERED)


def test_a_gap_is_found() -> None:
    """Entry 17 is gone."""
    export = edited(Ground().export(), lambda records: [one for one in records if one.get("entry", {}).get("sequence") != 17])
    assert first(judged(export)) == (17, Wrong.REMOVED)


def test_an_inserted_entry_is_found() -> None:
    """A second 17."""
    export = Ground().export()
    at = next(place for place, line in enumerate(export) if '"sequence":17' in line)
    export = edited([*export[:at], export[at], *export[at:]], lambda records: records)
    assert first(judged(export)) == (17, Wrong.INSERTED)


def test_a_journal_that_does_not_begin_with_its_first_entry_is_found() -> None:
    """The oldest went, and every copy's oldest with them."""
    ground = Ground()
    ground.journal = ground.journal[5:]
    ground.copies = {site: {1: list(ground.journal)} for site in SITES}
    assert first(judged(ground.export())) == (1, Wrong.REMOVED)


# ---------------------------------------------------------------------------------------------------- valid hashes


@pytest.mark.parametrize("sequence", [1, 17, 20, 42])
def test_a_past_that_was_rewritten_with_valid_digests_contradicts_the_heads(sequence: int) -> None:
    """In etcd and in all copies; the chain holds. Found between the last head that agrees and the first that does not."""
    ground = Ground()
    ground.rewrite(sequence, actor="mallory")
    number, wrong = first(judged(ground.export()))
    assert wrong is Wrong.REWRITTEN and number <= sequence < number + 10


def test_a_copy_that_was_left_alone_names_the_very_entry() -> None:
    """etcd is rewritten from 17 on, and the sites' copies are as they were; heads or no heads."""
    ground = Ground()
    ground.journal = rewritten(ground.journal, 17, actor="mallory")
    ground.drop_heads(lambda _: True)
    found = judged(ground.export())
    assert first(found) == (17, Wrong.FORKED)
    assert [one.place for one in found.findings] == [f"{site}'s copy" for site in SITES]


def test_a_copy_that_was_rewritten_alone_is_found_too() -> None:
    """azure's copy tells another story than etcd and the others."""
    ground = Ground()
    ground.copies["azure"] = {1: rewritten(ground.journal, 17, actor="mallory")}
    found = judged(ground.export())
    assert first(found) == (17, Wrong.FORKED) and {one.place for one in found.findings} == {"azure's copy"}


def test_a_copy_whose_entry_was_edited_or_taken_out_is_found() -> None:
    """Without its digest, and with its own alone; with a hole."""
    for broken in ("edited", "own digest", "hole", "torn"):
        ground = Ground()
        copy = ground.copies["gcp"][1]
        match broken:
            case "edited":
                copy[16] = replace(copy[16], actor="mallory")
            case "own digest":
                copy[16] = rewritten(copy, 17, actor="mallory")[16]
            case "hole":
                del copy[16]
            case "torn":
                copy[16] = replace(copy[16], digest="")
        number, wrong = first(judged(ground.export()))
        assert (number, wrong) in {(17, Wrong.CHANGED), (17, Wrong.REMOVED), (17, Wrong.FORKED)}, broken


def test_a_copy_whose_oldest_have_gone_is_whole() -> None:
    """It is bounded, and later than the journal by a round."""
    ground = Ground()
    ground.copies = {site: {1: ground.journal[12:40]} for site in SITES}
    assert judged(ground.export()).findings == ()


# ---------------------------------------------------------------------------------------------------- the end


def test_an_end_that_was_cut_off_contradicts_the_heads() -> None:
    """Everywhere, but nobody could take back what was signed."""
    ground = Ground()
    ground.truncate(35)
    assert first(judged(ground.export())) == (36, Wrong.TRUNCATED)


def test_an_end_that_was_cut_off_in_etcd_contradicts_the_copies() -> None:
    """Without a single head."""
    ground = Ground()
    ground.journal = ground.journal[:35]
    ground.drop_heads(lambda _: True)
    assert first(judged(ground.export())) == (36, Wrong.TRUNCATED)


def test_an_end_that_was_cut_off_in_the_file_contradicts_what_else_is_in_it() -> None:
    """Somebody shortens the export's journal: the copies' last entries stand there in full."""
    export = edited(
        Ground().export(),
        lambda records: [one for one in records if one["record"] != "entry" or one["entry"]["sequence"] <= 35],
    )
    assert first(judged(export)) == (36, Wrong.TRUNCATED)
    heads_too = edited(export, lambda records: [one for one in records if one["record"] != "head"])
    assert first(judged(heads_too)) == (36, Wrong.TRUNCATED)


def test_an_end_that_was_cut_off_with_everything_that_tells_of_it_is_found_by_an_anchor_or_a_memory_alone() -> None:
    """Entries, copies and heads behind 35 are gone everywhere. That is a journal of before, and as such it is whole: not caught."""
    ground, last = Ground(), Ground().journal[-1]
    outside = head(last, SIGNERS["gcp"])
    ground.truncate(35)
    ground.drop_heads(lambda one: one.sequence > 35)
    export = ground.export()
    assert judged(export).findings == ()
    assert first(judged(export, anchored=[outside])) == (36, Wrong.TRUNCATED)
    assert first(judged(export, expected=[end_of(last)])) == (36, Wrong.TRUNCATED)


def test_an_end_that_was_remembered_has_to_be_in_the_chain() -> None:
    """As it was."""
    ground = Ground()
    assert judged(ground.export(), expected=[end_of(ground.journal[20])]).findings == ()
    other = replace(end_of(ground.journal[20]), digest="jcs-0")
    assert first(judged(ground.export(), expected=[other])) == (21, Wrong.REWRITTEN)


# ---------------------------------------------------------------------------------------------------- a lost journal


def test_a_journal_that_is_known_to_be_lost_is_no_contradiction_and_the_rest_still_is() -> None:
    """etcd came back from a backup of 30 entries and went on: copies and heads of 31 to 42 tell of a fork, until its end is named."""
    ground = Ground()
    lost = list(ground.journal)
    ground.journal = chained(20, ground.journal[:30], kind="after the backup")
    ground.copies = {site: {1: lost, 2: list(ground.journal)} for site in SITES}
    ground.heads += [head(ground.journal[-1], one) for one in SIGNERS.values()]
    number, wrong = first(judged(ground.export()))
    assert (number, wrong) == (31, Wrong.REWRITTEN)
    named = f"{lost[-1].sequence}:{lost[-1].digest}"
    assert any(named in one.detail for one in judged(ground.export()).findings), "what to give to --lost"
    found = judged(ground.export(), lost=[end_of(lost[-1])])
    assert (found.findings, found.weak) == ((), ())
    ground.rewrite(12, actor="mallory")
    ground.copies = {site: {1: lost, 2: list(ground.journal)} for site in SITES}
    assert first(judged(ground.export(), lost=[end_of(lost[-1])]))[1] is Wrong.REWRITTEN


# ---------------------------------------------------------------------------------------------------- the file


def test_an_export_that_was_cut_in_half_or_cannot_be_read_is_told_by_line() -> None:
    """Nothing is judged by what is left without saying so."""
    export = Ground().export()
    assert "it is not the end of one" in judged(export[:-1]).findings[0].detail
    broken = [*export[:9], "{", *export[10:]]
    assert "line 10 of the export" in judged(broken).findings[0].detail
    unknown = edited(export, lambda records: [*records, {"record": "opinion"}])
    assert "opinion" in judged(unknown).findings[0].detail
    strange = edited(export, lambda records: [*records, {"record": "head", "place": "etcd", "text": "{}"}])
    assert "a head in etcd" in judged(strange).findings[0].detail
    for nonsense in (
        [],
        ["hello"],
        ['{"record":"export","version":2,"service":"s","at":"2026-01-01","silent":{},"unreadable":[]}'],
    ):
        with pytest.raises(NoExport):
            parse(nonsense)


def test_a_site_that_could_not_be_asked_is_missing_in_the_proof() -> None:
    """Its cloud is gone, and its copy with it; what the others have still holds."""
    raw = Ground().raw()
    for what in (raw.said, raw.heads):
        del what["gcp"]  # type: ignore[attr-defined]
    del raw.copies["gcp", 1]
    raw.silent["gcp"] = "gcp: no answer within 1 s"
    from controller.audit.file import lines

    raw.recognise()
    found = judged(list(lines(raw)))
    assert found.findings == () and found.weak == ("gcp could not be asked: gcp: no answer within 1 s",)


def test_true_is_not_one() -> None:
    """A copy whose `true` was made a `1` is another text, and Python's comparison would not have noticed."""
    ground = Ground()
    said = rewritten(ground.journal, 17, body={"proven": True})
    ground.journal, ground.copies = said, {site: {1: list(said)} for site in SITES}
    ground.heads = [head(said[-1], one) for one in SIGNERS.values()]
    ground.copies["gcp"][1][16] = replace(said[16], body={"proven": 1})
    assert first(judged(ground.export())) == (17, Wrong.CHANGED)


def test_what_is_the_journals_own_is_written_once() -> None:
    """Three copies of 42 entries are 42 entries and a few lines."""
    records = [json.loads(line)["record"] for line in Ground().export()]
    assert (records.count("entry"), records.count("same"), records.count("copied")) == (42, 3, 3)


def test_nonsense_in_a_file_is_told_and_ends_nothing() -> None:
    """Numbers that are none, entries of no number, moments outside of time, heads of entry 0: each is said, and the rest is judged."""
    export = Ground().export()
    at = next(place for place, line in enumerate(export) if '"sequence":17' in line)
    for before, after in (
        ('"took_ms":8.5', '"took_ms":NaN'),
        ('"sequence":17', '"sequence":[]'),
        ('"at":"2026', '"at":"0001'),
        ('"at":"2026', '"at":"2026-'),
        ('"kind":"said"', '"kind":7'),
        ('"kind":"said",', ""),
        ('"took_ms":8.5', '"took_ms":1e999'),
    ):
        assert before in export[at]
        found = judged([*export[:at], export[at].replace(before, after), *export[at + 1 :]])
        assert {one.wrong for one in found.findings} & {Wrong.UNREADABLE, Wrong.CHANGED}, after
    zero = replace(head(Ground().journal[0], SIGNERS["aws"]).head, sequence=0)
    assert first(judged(with_head(SIGNERS["aws"].sign(zero)))) == (0, Wrong.UNREADABLE)
