"""Whatever somebody does to the journal, its copies or its heads is found in an export, at its place, without asking anybody; and what is
not found is here too, so that nobody believes more than is shown."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.audit.evidence import Judgement, Wrong
from controller.audit.file import NoExport, parse
from controller.audit.judge import judge
from controller.audit.raw import evidence_of
from controller.coordination.chain import end_of
from controller.coordination.codec import decode, encode
from controller.core.heads import SignedHead
from tests.unit.audit.ground import (
    KEYS,
    NOTHING,
    SIGNERS,
    SITES,
    Ground,
    chained,
    edited,
    head,
    judged,
    public,
    rewritten,
    signer,
)


def first(found: Judgement) -> tuple[int, Wrong]:
    """What the first line says."""
    assert found.findings, "nothing was found"
    return found.findings[0].sequence, found.findings[0].wrong


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


# ---------------------------------------------------------------------------------------------------- heads


def with_head(one: SignedHead) -> list[str]:
    """An export into which somebody has put a head."""
    ground = Ground()
    ground.heads.append(one)
    return ground.export()


def test_two_heads_of_one_entry_with_different_digests_are_a_fork() -> None:
    """azure signed both: it was shown two journals, or its key was used twice."""
    other = rewritten(Ground().journal, 17, actor="mallory")[19]
    found = judged(with_head(head(other, SIGNERS["azure"])))
    assert (20, Wrong.FORKED) in {(one.sequence, one.wrong) for one in found.findings}


def test_a_fork_that_only_heads_tell_of_is_found_beyond_what_the_journal_has() -> None:
    """Two controllers signed different ends, and the journal ends before both."""
    ground = Ground()
    longer, other = chained(3, ground.journal), chained(3, ground.journal, kind="another")
    ground.heads += [head(longer[-1], SIGNERS["aws"]), head(other[-1], SIGNERS["gcp"])]
    wrongs = {one.wrong for one in judged(ground.export()).findings}
    assert wrongs == {Wrong.TRUNCATED, Wrong.FORKED}


def test_a_head_that_somebody_else_signed_is_found_and_who_it_was() -> None:
    """aws signs in azure's name: under the name of azure's key, and under its own."""
    entry = Ground().journal[24]
    posing = head(entry, SIGNERS["azure"]).head
    found = judged(with_head(SIGNERS["aws"].sign(posing)))
    assert first(found) == (25, Wrong.NO_SIGNATURE) and "was signed with aws's key" in found.findings[0].detail
    found = judged(with_head(SIGNERS["aws"].sign(replace(posing, key=SIGNERS["aws"].id))))
    assert first(found) == (25, Wrong.ANOTHERS_KEY) and "which is aws's" in found.findings[0].detail


def test_a_signature_over_another_head_is_found_and_which() -> None:
    """aws's signature of entry 20 under its head of 25; under another digest, time or service; and no signature at all."""
    ground = Ground()
    mine = next(one for one in ground.heads if one.head.controller == "aws" and one.head.sequence == 20)
    posing = head(ground.journal[24], SIGNERS["aws"]).head
    found = judged(with_head(SignedHead(head=posing, signature=mine.signature)))
    assert first(found) == (25, Wrong.NO_SIGNATURE) and "over another head, of entry 20" in found.findings[0].detail
    for other in (replace(mine.head, digest="jcs-0"), replace(mine.head, at=mine.head.at + timedelta(seconds=1))):
        assert first(judged(with_head(SignedHead(head=other, signature=mine.signature)))) == (20, Wrong.NO_SIGNATURE)
    for nothing in (NOTHING, "", "no base64!"):
        assert first(judged(with_head(SignedHead(head=posing, signature=nothing)))) == (25, Wrong.NO_SIGNATURE)


def test_no_letter_of_a_head_can_be_changed() -> None:
    """Each of them, one after the other: what is still read as the same head with the same signature is no change."""
    ground = Ground(journal=chained(2))
    signed = ground.heads[0]
    text = encode(signed)
    raw = ground.raw()
    changed = 0
    for place, letter in enumerate(text):
        other = text[:place] + ("1" if letter == "0" else "0") + text[place + 1 :]
        raw.heads = {"etcd": [other]}
        if not judge(evidence_of(raw)).findings:
            same = decode(SignedHead, other, key="a head")
            assert (same.head, b64decode(same.signature)) == (signed.head, b64decode(signed.signature)), other
        else:
            changed += 1
    assert changed > 0.98 * len(text)


def test_a_key_that_nobody_knows_is_found() -> None:
    """Somebody signs with a key of his own."""
    stranger = signer("aws", 99)
    found = judged(with_head(head(Ground().journal[24], stranger)))
    assert first(found) == (25, Wrong.UNKNOWN_KEY) and stranger.id in found.findings[0].detail


def test_a_head_of_another_service_is_no_witness() -> None:
    """One that aws signed for the vault's journal lies among those of payments."""
    other = replace(head(Ground().journal[24], SIGNERS["aws"]).head, service="vault")
    found = judged(with_head(SIGNERS["aws"].sign(other)))
    assert first(found) == (0, Wrong.UNREADABLE) and "vault" in found.findings[0].detail


# ---------------------------------------------------------------------------------------------------- whoever holds a key


def forged_by(*controllers: str) -> Ground:
    """The whole journal another one, and whoever holds these keys signs it."""
    ground = Ground()
    ground.rewrite(1, actor="mallory")
    ground.resign(*controllers)
    return ground


def test_one_controllers_key_does_not_rewrite_what_the_others_signed() -> None:
    """All is forged, with aws's signatures under it: azure's and gcp's heads contradict."""
    found = judged(forged_by("aws").export())
    assert first(found) == (1, Wrong.REWRITTEN) and "azure" in found.findings[0].detail
    assert [one.controller for one in found.stands] == ["aws"]


def test_a_forgers_own_heads_do_not_lead_away_from_the_place() -> None:
    """aws's forged head of 10 agrees with the forgery, and azure's first honest one is of 20: the place may be before 10 all the same."""
    ground = forged_by("aws")
    ground.drop_heads(lambda one: one.controller != "aws" and one.sequence <= 10)
    assert first(judged(ground.export())) == (1, Wrong.REWRITTEN)


def test_whoever_also_takes_the_others_heads_away_is_seen_by_their_absence() -> None:
    """Nothing contradicts any more. But azure and gcp have keys, and not one head."""
    ground = forged_by("aws")
    ground.drop_heads(lambda one: one.controller != "aws")
    found = judged(ground.export())
    assert found.findings == () and found.weak == tuple(
        f"there is no head of {one}, whose key is known" for one in ("azure", "gcp")
    )


def test_heads_that_stop_long_before_the_end_are_seen() -> None:
    """Only what came after the others' last heads was rewritten, and their later ones are gone."""
    ground = Ground()
    ground.rewrite(15, actor="mallory")
    ground.resign("aws")
    ground.drop_heads(lambda one: one.controller != "aws" and one.sequence > 10)
    found = judged(ground.export())
    assert found.findings == () and len(found.weak) == 2 and "azure signed entry 10 last, 32 entries before" in found.weak[0]


def test_an_anchored_head_contradicts_whoever_holds_every_key() -> None:
    """All three keys are in one hand: nothing in the export contradicts and nothing is missing, which is not caught without an anchor."""
    ground = forged_by(*SITES)
    assert judged(ground.export()) == replace(judged(ground.export()), findings=(), weak=())
    outside = [head(Ground().journal[29], SIGNERS["gcp"])]
    assert first(judged(ground.export(), anchored=outside)) == (1, Wrong.REWRITTEN)


def test_keys_that_somebody_put_into_the_export_prove_nothing_to_who_brings_his_own() -> None:
    """Everything forged, new keys in everybody's name named in it. By itself it holds; by the real keys nobody signed it."""
    ground = Ground()
    ground.rewrite(1, actor="mallory")
    others = {site: signer(site, 7) for site in SITES}
    ground.keys = tuple(public(one) for one in others.values())
    ground.heads = [head(ground.journal[one.head.sequence - 1], others[one.head.controller]) for one in ground.heads]
    assert judged(ground.export()).findings == ()
    assert {one.wrong for one in judged(ground.export(), keys=KEYS).findings} == {Wrong.UNKNOWN_KEY}


# ---------------------------------------------------------------------------------------------------- rotation


def rotated(*, retired_at: int, signs_until: int) -> Ground:
    """aws has a new key from entry 21 on; the old one is retired at one entry, and signs up to another."""
    ground, new = Ground(), signer("aws", 1)
    retired = ground.journal[retired_at - 1].at + timedelta(minutes=1)
    ground.keys = (public(SIGNERS["aws"], retired), public(new), *KEYS[1:])
    ground.heads = [
        head(ground.journal[one.head.sequence - 1], new)
        if one.head.controller == "aws" and one.head.sequence > signs_until
        else one
        for one in ground.heads
    ]
    return ground


def test_an_old_key_proves_what_it_signed_and_a_new_one_goes_on() -> None:
    """No head is lost, and none is in doubt."""
    found = judged(rotated(retired_at=20, signs_until=20).export())
    assert (found.findings, found.weak) == ((), ()) and found.stands[0].heads == 5


def test_a_key_that_was_retired_signs_nothing_more() -> None:
    """It is still used for entry 30, by its own word after its end."""
    assert first(judged(rotated(retired_at=20, signs_until=30).export())) == (30, Wrong.RETIRED_KEY)


def test_whoever_finds_a_retired_key_cannot_sign_into_the_past() -> None:
    """The head of a new entry that says it is of before the entry."""
    ground = rotated(retired_at=20, signs_until=20)
    ground.heads.append(head(ground.journal[39], SIGNERS["aws"], ground.journal[9].at))
    assert first(judged(ground.export())) == (40, Wrong.BACKDATED)


def test_a_clock_that_is_wrong_is_no_forger() -> None:
    """A controller's clock is an hour behind the others', and its key is in use."""
    ground = Ground()
    ground.heads = [head(one, SIGNERS["aws"], one.at - timedelta(hours=1)) for one in ground.journal[9::10]] + [
        one for one in ground.heads if one.head.controller != "aws" or one.head.sequence == 42
    ]
    assert judged(ground.export()).findings == ()


def test_settings_that_do_not_agree_about_keys_are_told() -> None:
    """gcp's controller was not told of aws's new key: what it proves is less than it should be."""
    ground = Ground()
    raw = ground.export()
    without = edited(
        raw,
        lambda records: [
            {**one, "said": {**one["said"], "keys": one["said"]["keys"][1:]}}
            if one["record"] == "settings" and one["of"] == "gcp"
            else one
            for one in records
        ],
    )
    found = judged(without)
    assert found.findings == () and found.weak == (f"the settings of gcp do not name key {KEYS[0].id} of aws",)


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
