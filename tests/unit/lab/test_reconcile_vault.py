"""Reconciliation catches every way in which the vault can break its word, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.reconcile_vault import VaultReconciliation, reconcile_vault
from lab.reconcile_vault_rows import AccessRow, DataKeyRow, ErasureRow, Harm, TokenRow, VaultRows, WrapId, WrapRow
from lab.reconcile_vault_told import first_told
from lab.record import Attempted, Declined, Defect, Failed, Unresolved
from lab.vault_load_record import Erased, ErasureWanted, Line, Revealed, RevealWanted, Tokenized, TokenWanted

CLOUDS = ("aws", "azure", "gcp")
SITES = ("aws", "azure", "gcp")
WHO: dict[str, Any] = {"device": 0, "name": "vault", "caller": "shop"}
THERE: dict[str, Any] = {"attempt": 1, "site": "aws", "status": 200, "latency": 0.1}


def wanted(key: str, subject: str = "ann", digest: str = "one") -> TokenWanted:
    return TokenWanted(key=key, subject=subject, digest=digest, t=0.0, **WHO)


def kept(key: str, token: str) -> Tokenized:
    return Tokenized(key=key, token=token, epoch=1, t=1.0, **THERE)


def asked(key: str, token: str, subject: str = "ann", t: float = 2.0) -> RevealWanted:
    return RevealWanted(key=key, token=token, subject=subject, t=t, **WHO)


def shown(key: str, digest: str = "one", t: float = 3.0) -> Revealed:
    return Revealed(key=key, digest=digest, reason="dispute", t=t, **THERE)


def to_forget(key: str, subject: str, t: float = 4.0) -> ErasureWanted:
    return ErasureWanted(key=key, subject=subject, by="ann", reason="request", t=t, **WHO)


def forgotten(key: str, proof: str, t: float = 5.0) -> Erased:
    return Erased(key=key, proof=proof, epoch=1, t=t, **THERE)


def refused(key: str, why: str = "erased", t: float = 7.0, status: int = 410) -> Declined:
    return Declined(key=key, attempt=1, site="gcp", status=status, why=why, t=t)


def data_key(id: str, subject: str) -> DataKeyRow:
    return DataKeyRow(id=id, subject=subject, check="c", epoch=1, created_at="then")


def token(id: str, key: str, of: str) -> TokenRow:
    return TokenRow(id=id, key=key, body="b", data_key=of, kind="card", sealed="s", hint="h", epoch=1, created_at="then")


def access(id: str, token: str, action: str = "tokenize", reason: str = "tokenize", caller: str = "shop") -> AccessRow:
    return AccessRow(id=id, token=token, action=action, caller=caller, reason=reason, epoch=1, at="then")


def wraps(of: str, *clouds: str) -> tuple[WrapRow, ...]:
    return tuple(WrapRow(data_key=of, cloud=cloud, kek="1", ciphertext="x") for cloud in clouds)


PROOF = ErasureRow(
    id="proof", data_key="k-bob", subject="bob", clouds=CLOUDS, wraps="w", tokens=1,
    caller="shop", by="ann", reason="request", epoch=1, at="then",
)  # fmt: skip

RECORD: tuple[Line, ...] = (
    wanted("w1"),
    Attempted(key="w1", attempt=1, site="aws", t=0.0),
    kept("w1", "t1"),
    asked("r1", "t1"),
    shown("r1"),
    wanted("w2", "bob", "two"),
    kept("w2", "t2"),
    to_forget("e1", "bob"),
    forgotten("e1", "proof"),
    asked("r2", "t2", "bob", t=6.0),
    refused("r2"),
    wanted("w3", "ann", "three"),
    Failed(key="w3", attempt=1, site="aws", why="deadline", t=8.0),
    Unresolved(key="w3", t=9.0),
)
SOUND = VaultRows(
    data_keys=(data_key("k-ann", "ann"), data_key("k-bob", "bob")),
    wraps=wraps("k-ann", *CLOUDS),
    tokens=(token("t1", "w1", "k-ann"), token("t2", "w2", "k-bob")),
    accesses=(access("a1", "t1"), access("a2", "t2"), access("a3", "t1", "reveal", "dispute")),
    erasures=(PROOF,),
)


def everywhere(vault: VaultRows) -> dict[str, VaultRows]:
    return dict.fromkeys(SITES, vault)


def harms(found: VaultReconciliation) -> dict[str, int]:
    return {harm.value: count for harm, count in found.harms.items()}


def test_a_good_run_has_no_finding() -> None:
    """Everything that was told is everywhere; what was erased stays erased, and its refusal is no refusal of a promise."""
    found = reconcile_vault(RECORD, everywhere(SOUND), CLOUDS)
    assert (found.findings, found.lost, found.duplicated, found.declined, found.strangers) == ((), 0, 0, 0, 0)
    assert (found.attempted, found.acknowledged, found.unresolved, found.refused) == (6, 4, 1, 1)
    assert (found.tokens, found.reveals, found.erasures) == (2, 1, 1)
    assert found.last_words == {"deadline": 1}
    assert found.ledgers_equal
    assert found.is_wrapped
    assert found.defects == ()


def test_an_unresolved_token_may_be_in_the_vault() -> None:
    """It was made and the answer got lost: no loss, no duplicate, no stranger."""
    more = replace(SOUND, tokens=(*SOUND.tokens, token("t3", "w3", "k-ann")))
    found = reconcile_vault(RECORD, everywhere(more), CLOUDS)
    assert (found.findings, found.strangers, found.unresolved) == ((), 0, 1)


def test_tokens_of_another_run_are_strangers() -> None:
    """Counted once, however many sites hold them, and nothing is wrong with them."""
    more = replace(SOUND, tokens=(*SOUND.tokens, token("t9", "w9", "k-ann")))
    found = reconcile_vault(RECORD, everywhere(more), CLOUDS)
    assert (found.findings, found.strangers) == ((), 1)


def without(table: str, id: str) -> Callable[[VaultRows], VaultRows]:
    def change(vault: VaultRows) -> VaultRows:
        rows = getattr(vault, table)
        left = tuple(row for row in rows if row.id != id)
        assert len(left) == len(rows) - 1
        return replace(vault, **{table: left})

    return change


def having(table: str, *rows: object) -> Callable[[VaultRows], VaultRows]:
    return lambda vault: replace(vault, **{table: (*getattr(vault, table), *rows)})


def with_first(table: str, **changes: object) -> Callable[[VaultRows], VaultRows]:
    def change(vault: VaultRows) -> VaultRows:
        first, *rest = getattr(vault, table)
        return replace(vault, **{table: (replace(first, **changes), *rest)})

    return change


WRONG_ROWS: dict[str, tuple[Callable[[VaultRows], VaultRows], Harm, str]] = {
    "a token is missing": (without("tokens", "t1"), Harm.LOST, "w1"),
    "a token has another key": (with_first("tokens", key="w8"), Harm.LOST, "w1"),
    "a token has another id": (with_first("tokens", id="t8"), Harm.LOST, "w1"),
    "a token is another subject's": (with_first("tokens", data_key="k-bob"), Harm.ALTERED, "w1"),
    "a token is of another kind": (with_first("tokens", kind="iban"), Harm.ALTERED, "w1"),
    "a key has two tokens": (having("tokens", token("t8", "w1", "k-ann")), Harm.DUPLICATED, "w1"),
    "a token is there twice": (having("tokens", token("t1", "w8", "k-ann")), Harm.DUPLICATED, "t1"),
    "a subject has two data keys": (having("data_keys", data_key("k-8", "ann")), Harm.DUPLICATED, "ann"),
    "a subject was erased twice": (having("erasures", replace(PROOF, id="proof-2")), Harm.DUPLICATED, "k-bob"),
    "a cloud wrapped twice": (having("wraps", *wraps("k-ann", "aws")), Harm.DUPLICATED, "k-ann by aws"),
    "an access is there twice": (having("accesses", access("a1", "t2")), Harm.DUPLICATED, "a1"),
    "nothing tells who brought it": (without("accesses", "a1"), Harm.UNTRACED, "w1"),
    "somebody else brought it": (with_first("accesses", caller="thief"), Harm.UNTRACED, "w1"),
    "nothing tells who had it": (without("accesses", "a3"), Harm.UNTRACED, "r1"),
    "the proof is missing": (without("erasures", "proof"), Harm.LOST, "e1"),
    "the proof is of somebody else": (with_first("erasures", subject="cid"), Harm.ALTERED, "e1"),
    "the proof names another caller": (with_first("erasures", caller="thief"), Harm.ALTERED, "e1"),
    "the proof names another person": (with_first("erasures", by=None), Harm.ALTERED, "e1"),
    "the proof names another reason": (with_first("erasures", reason="none"), Harm.ALTERED, "e1"),
    "the proof counts too few": (having("tokens", token("t8", "w8", "k-bob")), Harm.ALTERED, "proof"),
    "a wrap is left": (having("wraps", *wraps("k-bob", "gcp")), Harm.UNERASED, "k-bob"),
    "a wrap is missing": (lambda vault: replace(vault, wraps=wraps("k-ann", "aws", "gcp")), Harm.UNWRAPPED, "k-ann"),
    "a data key is missing": (without("data_keys", "k-ann"), Harm.ORPHANED, "t1"),
    "a wrap is of no data key": (having("wraps", *wraps("k-8", "aws")), Harm.ORPHANED, "k-8"),
    "an access is of no token": (having("accesses", access("a8", "t8")), Harm.ORPHANED, "a8"),
    "a proof is of no data key": (
        having("erasures", replace(PROOF, id="proof-8", data_key="k-8", subject="cid", tokens=0)), Harm.ORPHANED, "proof-8"
    ),
}  # fmt: skip


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("wrong", WRONG_ROWS)
def test_what_is_wrong_on_one_site_is_found_there(wrong: str, site: str) -> None:
    """One database is enough: any may be the next writer's. And no other site is accused."""
    change, harm, subject = WRONG_ROWS[wrong]
    found = reconcile_vault(RECORD, {**everywhere(SOUND), site: change(SOUND)}, CLOUDS)
    assert (harm, site, subject) in {(one.harm, one.site, one.subject) for one in found.findings}
    assert {one.site for one in found.findings} == {site}
    assert found.harms[harm] >= 1
    assert not found.ledgers_equal
    assert harm is not Harm.UNWRAPPED or not found.is_wrapped


OPENED = {("k-ann", cloud, "x"): "" for cloud in CLOUDS}
"""Of each wrap that is in a sound vault."""


@pytest.mark.parametrize(
    ("opened", "unwrapped"),
    [
        (OPENED, 0),
        ({**OPENED, ("k-ann", "gcp", "x"): "disabled"}, 1),
        ({("k-bob", cloud, "x"): "" for cloud in CLOUDS}, 1),
        ({("k-ann", "aws", "x"): ""}, 1),
        ({}, 1),
        (None, 0),
    ],
    ids=["all", "one cloud does not", "in another row only", "by another cloud only", "nobody tried", "nothing was tried"],
)
def test_a_wrap_that_does_not_open_is_none(opened: dict[WrapId, str] | None, unwrapped: int) -> None:
    """Nor is one that nobody tried, whatever became of the same ciphertext elsewhere; where nothing was tried at all rows are counted."""
    found = reconcile_vault(RECORD, everywhere(SOUND), CLOUDS, opened)
    assert (found.harms.get(Harm.UNWRAPPED, 0), found.is_wrapped) == (unwrapped, not unwrapped)


def test_what_three_sites_lack_is_lost_once() -> None:
    """Counts are of what clients were told."""
    found = reconcile_vault(RECORD, everywhere(without("tokens", "t1")(without("erasures", "proof")(SOUND))), CLOUDS)
    assert found.lost == 2
    assert len([one for one in found.findings if one.harm is Harm.LOST]) == 6
    assert found.ledgers_equal


def test_what_is_altered_counts_as_lost() -> None:
    """Another subject's token under the right key is no token for whoever was told it."""
    found = reconcile_vault(RECORD, everywhere(with_first("tokens", kind="iban")(SOUND)), CLOUDS)
    assert harms(found) == {"lost": 1, "altered": 1}


def test_a_wrap_that_outlives_a_lost_proof_is_found() -> None:
    """The client was told that the subject is erased; that the database forgot it makes it no better."""
    restored = having("wraps", *wraps("k-bob", *CLOUDS))(without("erasures", "proof")(SOUND))
    found = reconcile_vault(RECORD, everywhere(restored), CLOUDS)
    assert harms(found) == {"lost": 1, "unerased": 1}


@pytest.mark.parametrize("table", ["data_keys", "wraps", "tokens", "accesses", "erasures"])
def test_a_difference_in_any_table_makes_vaults_differ(table: str) -> None:
    """And the order of rows does not."""
    first, *_ = getattr(SOUND, table)
    field = {"wraps": "ciphertext", "tokens": "sealed", "data_keys": "check", "accesses": "at", "erasures": "wraps"}[table]
    other = with_first(table, **{field: "other"})(SOUND)
    assert first != getattr(other, table)[0]
    found = reconcile_vault(RECORD, {"aws": SOUND, "gcp": other}, CLOUDS)
    assert (found.findings, found.ledgers_equal) == ((), False)
    turned = replace(SOUND, **{table: tuple(reversed(getattr(SOUND, table)))})
    assert reconcile_vault(RECORD, {"aws": SOUND, "gcp": turned}, CLOUDS).ledgers_equal


def test_two_tokens_for_one_key_are_a_duplicate() -> None:
    """Also where both are in the vault."""
    both = having("tokens", token("t8", "w8", "k-ann"))(having("accesses", access("a8", "t8"))(SOUND))
    found = reconcile_vault((*RECORD, kept("w1", "t8")), everywhere(both), CLOUDS)
    assert found.harms[Harm.DUPLICATED] == 1
    assert {(one.harm, one.site, one.subject) for one in found.findings if one.site is None} == {(Harm.DUPLICATED, None, "w1")}


def test_two_proofs_for_one_erasure_are_a_duplicate() -> None:
    """An erasure that is repeated answers the proof of the first."""
    found = reconcile_vault((*RECORD, forgotten("e1", "proof-2")), everywhere(SOUND), CLOUDS)
    assert harms(found) == {"lost": 1, "duplicated": 1}


def test_a_reveal_of_another_number_is_altered() -> None:
    """Whatever the databases hold: the client has somebody else's card now."""
    found = reconcile_vault((*RECORD, shown("r1", digest="two")), everywhere(SOUND), CLOUDS)
    assert harms(found) == {"lost": 1, "altered": 1}
    assert {one.site for one in found.findings} == {None}


def test_a_reveal_whose_reason_is_not_on_record_is_untraced() -> None:
    """Each attempt has a reason of its own, so that an earlier attempt's row does not stand for it."""
    found = reconcile_vault((*RECORD, replace(shown("r1"), reason="dispute, again")), everywhere(SOUND), CLOUDS)
    assert harms(found) == {"untraced": 1}


@pytest.mark.parametrize(("began", "revived"), [(4.9, 0), (5.1, 1)])
def test_no_reveal_is_acknowledged_after_an_erasure(began: float, revived: int) -> None:
    """One that was asked for before the erasure was acknowledged may be answered after it, any later one may not."""
    late = replace(shown("r2", digest="two", t=began + 0.5), latency=0.5)
    vault = having("accesses", access("a4", "t2", "reveal", "dispute"))(SOUND)
    found = reconcile_vault((*(line for line in RECORD if line != refused("r2")), late), everywhere(vault), CLOUDS)
    assert harms(found) == ({"revived": 1} if revived else {})


@pytest.mark.parametrize(("began", "revived"), [(4.9, 0), (5.1, 1)])
def test_no_token_is_acknowledged_after_an_erasure(began: float, revived: int) -> None:
    """One that came beside it may be; whoever asked later was told that the subject is erased and has a number there all the same."""
    late = replace(kept("w4", "t4"), t=began + 0.5, latency=0.5)
    proof = replace(PROOF, tokens=2)
    vault = replace(
        having("tokens", token("t4", "w4", "k-bob"))(having("accesses", access("a4", "t4"))(SOUND)), erasures=(proof,)
    )
    found = reconcile_vault((*RECORD, wanted("w4", "bob"), late), everywhere(vault), CLOUDS)
    assert harms(found) == ({"revived": 1} if revived else {})


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize(("t", "too_late"), [(3.9, 0), (7.0, 1)])
def test_a_number_that_came_too_late_is_no_broken_promise(t: float, too_late: int, is_there: bool) -> None:
    """Once somebody had asked for the erasure; a token that an earlier attempt made without an answer may be there. Before that nobody
    may be told that the subject is erased."""
    answer = refused("w4", t=t)
    more = having("tokens", token("t4", "w4", "k-bob"))(SOUND) if is_there else SOUND
    vault = replace(more, erasures=(replace(PROOF, tokens=1 + is_there),))
    found = reconcile_vault((*RECORD, wanted("w4", "bob"), answer), everywhere(vault), CLOUDS)
    assert (found.too_late, found.declined, found.refused) == (too_late, 1 - too_late, 1)
    assert harms(found) == ({} if too_late or not is_there else {"denied": 1})


@pytest.mark.parametrize(
    ("answer", "declined"),
    [
        (refused("r2"), 0),
        (refused("r2", why="unknown-token", status=404), 1),
        (refused("r2", why="insufficient-scope", status=403), 1),
        (refused("r2", t=3.9), 1),
    ],
)
def test_a_token_that_is_denied_and_there_is_found(answer: Declined, declined: int) -> None:
    """Only an erasure that somebody had asked for by then is a reason to refuse a token that exists."""
    found = reconcile_vault((*(line for line in RECORD if line != refused("r2")), answer), everywhere(SOUND), CLOUDS)
    assert (found.declined, found.refused) == (declined, 1 - declined)
    assert harms(found) == ({"denied": 1} if declined else {})


def test_a_token_that_was_refused_for_good_and_made_is_denied() -> None:
    """Whoever asks again has two tokens, of which one is known to nobody."""
    lines = (*RECORD[:-1], refused("w3", why="invalid-content", status=422))
    assert reconcile_vault(lines, everywhere(SOUND), CLOUDS).declined == 1
    made = having("tokens", token("t3", "w3", "k-ann"))(SOUND)
    assert harms(reconcile_vault(lines, everywhere(made), CLOUDS)) == {"denied": 1}


def test_answers_without_a_question_are_no_proof_of_anything() -> None:
    """A record with holes is told, not believed."""
    lines = tuple(line for line in RECORD if not isinstance(line, TokenWanted | ErasureWanted))
    found = reconcile_vault(lines, everywhere(SOUND), CLOUDS)
    assert {(one.harm, one.subject) for one in found.findings} >= {
        (Harm.ALTERED, "w1"),
        (Harm.ALTERED, "e1"),
        (Harm.ALTERED, "r1"),
    }


def test_a_defect_of_the_generator_is_told() -> None:
    """A run that did not want what it promises proves less."""
    assert reconcile_vault((*RECORD, Defect(what="dropped", t=1.0)), everywhere(SOUND), CLOUDS).defects == ("dropped",)


def test_without_a_vault_nothing_is_proven() -> None:
    """Not even that nothing was lost."""
    with pytest.raises(ValueError, match="no vault"):
        reconcile_vault(RECORD, {}, CLOUDS)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ((), None),
        ((replace(kept("w1", "t1"), epoch=2, t=9.5),), None),
        ((replace(kept("w1", "t1"), epoch=1, t=10.1),), None),
        ((replace(kept("w1", "t1"), epoch=2, t=12.5), replace(kept("w2", "t2"), epoch=2, t=12.25)), 2.25),
        ((replace(forgotten("e1", "proof"), epoch=3, t=11.0), replace(kept("w1", "t1"), epoch=2, t=12.0)), 1.0),
        ((shown("r1", t=10.5),), None),
    ],
)
def test_the_first_word_of_a_later_epoch_is_a_token_or_a_proof(lines: tuple[Line, ...], seconds: float | None) -> None:
    """After the fault; the old writer's last words are none."""
    assert first_told(lines, fault_at=10.0, epoch_before=1) == seconds
