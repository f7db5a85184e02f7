"""Heads that are not what they say, and what is left of the proof in the hands of who holds keys: in an export, without asking anybody."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta

from controller.audit.evidence import Wrong
from controller.audit.judge import judge
from controller.audit.raw import evidence_of
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
    first,
    head,
    judged,
    public,
    rewritten,
    signer,
    with_head,
)

# ---------------------------------------------------------------------------------------------------- heads


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
