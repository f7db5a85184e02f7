"""What cardholders were told, and what every vault owes them for it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lab.reconcile_vault_rows import Harm, TokenRow, VaultFinding, VaultRows
from lab.record import Declined
from lab.vault_load_record import Erased, ErasureWanted, Line, Revealed, RevealWanted, Tokenized, TokenWanted

CARD, TOKENIZE, REVEAL = "card", "tokenize", "reveal"
ERASED = "erased"
"""How the vault refuses what was forgotten: the last part of its problem's type."""


@dataclass(slots=True)
class Account:
    """One run's record by the keys of its wishes."""

    tokens_wanted: dict[str, TokenWanted] = field(default_factory=dict)
    reveals_wanted: dict[str, RevealWanted] = field(default_factory=dict)
    erasures_wanted: dict[str, ErasureWanted] = field(default_factory=dict)
    tokens: dict[str, list[Tokenized]] = field(default_factory=lambda: defaultdict(list))
    revealed: dict[str, list[Revealed]] = field(default_factory=lambda: defaultdict(list))
    erased: dict[str, list[Erased]] = field(default_factory=lambda: defaultdict(list))
    declined: dict[str, Declined] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """What the last attempt that settled nothing came to."""
    defects: list[str] = field(default_factory=list)

    def wanted(self) -> set[str]:
        """Every wish."""
        return {*self.tokens_wanted, *self.reveals_wanted, *self.erasures_wanted}

    def told(self) -> set[str]:
        """Those that were acknowledged."""
        return {*self.tokens, *self.revealed, *self.erased}

    def erased_subjects(self) -> frozenset[str]:
        """Subjects whose erasure was acknowledged."""
        return frozenset(self.erasures_wanted[key].subject for key in self.erased if key in self.erasures_wanted)

    def rightly_refused(self, key: str) -> bool:
        """Was this a reveal or a number that was turned away because its subject is erased, at a time when somebody had asked for that?"""
        told, wanted = self.declined[key], self.reveals_wanted.get(key) or self.tokens_wanted.get(key)
        return (
            wanted is not None
            and told.why == ERASED
            and any(erasure.subject == wanted.subject and erasure.t < told.t for erasure in self.erasures_wanted.values())
        )


def first_told(lines: Iterable[Line], *, fault_at: float, epoch_before: int) -> float | None:
    """Seconds from the fault to the first token or proof of an epoch above the one at injection; None: there was none. Reveals name no
    epoch, and a replay names that of its token."""
    found = [
        line.t - fault_at
        for line in lines
        if isinstance(line, Tokenized | Erased) and line.t >= fault_at and line.epoch > epoch_before
    ]
    return min(found, default=None)


def said(account: Account) -> Iterator[VaultFinding]:
    """What the record alone shows to be wrong."""
    tokens = [(key, {line.token for line in lines}) for key, lines in account.tokens.items()]
    proofs = [(key, {line.proof for line in lines}) for key, lines in account.erased.items()]
    for key, ids in (*tokens, *proofs):
        if len(ids) > 1:
            detail = f"acknowledged as {', '.join(sorted(ids))}"
            yield VaultFinding(harm=Harm.DUPLICATED, site=None, subject=key, detail=detail)
    yield from _misread(account)
    yield from _revived(account)


def _misread(account: Account) -> Iterator[VaultFinding]:
    """Reveals that told another number than the token was given for."""
    entrusted = {
        line.token: account.tokens_wanted[key].digest
        for key, lines in account.tokens.items()
        if key in account.tokens_wanted
        for line in lines
    }
    for key, lines in account.revealed.items():
        wanted = account.reveals_wanted.get(key)
        for line in lines:
            if wanted is None or entrusted.get(wanted.token) != line.digest:
                token = wanted.token if wanted else "nobody asked for"
                detail = f"token {token} was revealed as another number than was entrusted"
                yield VaultFinding(harm=Harm.ALTERED, site=None, subject=key, detail=detail)


def _revived(account: Account) -> Iterator[VaultFinding]:
    """Reveals and tokens of subjects whose erasure had been acknowledged before the attempt began. One that was under way is none of
    them."""
    gone: dict[str, float] = {}
    for key, lines in account.erased.items():
        if (erasure := account.erasures_wanted.get(key)) is not None:
            gone[erasure.subject] = min([*(line.t for line in lines), gone.get(erasure.subject, float("inf"))])
    for key, shown in account.revealed.items():
        wanted = account.reveals_wanted.get(key)
        for line in shown:
            if wanted is not None and (began := line.t - line.latency) > gone.get(wanted.subject, float("inf")):
                detail = (
                    f"token {wanted.token} was revealed at {line.site}, {began - gone[wanted.subject]:.3f} s after its erasure"
                )
                yield VaultFinding(harm=Harm.REVIVED, site=None, subject=key, detail=detail)
    for key, kept in account.tokens.items():
        keeper = account.tokens_wanted.get(key)
        for one in kept:
            if keeper is not None and (began := one.t - one.latency) > gone.get(keeper.subject, float("inf")):
                detail = (
                    f"token {one.token} was made at {one.site}, {began - gone[keeper.subject]:.3f} s after its subject's erasure"
                )
                yield VaultFinding(harm=Harm.REVIVED, site=None, subject=key, detail=detail)


def owed(account: Account, site: str, vault: VaultRows) -> Iterator[VaultFinding]:
    """What this vault lacks or has otherwise of what was acknowledged, and what it has of what was denied."""
    by_id = {token.id: token for token in vault.tokens}
    yield from _tokens(account, site, vault, by_id)
    yield from _proofs(account, site, vault)
    yield from _traces(account, site, vault)
    yield from _denied(account, site, vault, by_id)


def _tokens(account: Account, site: str, vault: VaultRows, by_id: dict[str, TokenRow]) -> Iterator[VaultFinding]:
    subjects = {key.id: key.subject for key in vault.data_keys}
    for key, lines in account.tokens.items():
        wanted = account.tokens_wanted.get(key)
        for id in sorted({line.token for line in lines}):
            held = by_id.get(id)
            if held is None or held.key != key:
                detail = f"token {id} is not there" if held is None else f"token {id} has the key {held.key}"
                yield VaultFinding(harm=Harm.LOST, site=site, subject=key, detail=detail)
            elif wanted is None:
                yield VaultFinding(harm=Harm.ALTERED, site=site, subject=key, detail="acknowledged, but nobody asked for it")
            elif (found := (subjects.get(held.data_key), held.kind)) != (wanted.subject, CARD):
                detail = f"asked for {CARD} of {wanted.subject}, holds {found[1]} of {found[0]}"
                yield VaultFinding(harm=Harm.ALTERED, site=site, subject=key, detail=detail)


def _proofs(account: Account, site: str, vault: VaultRows) -> Iterator[VaultFinding]:
    by_id = {proof.id: proof for proof in vault.erasures}
    for key, lines in account.erased.items():
        wanted = account.erasures_wanted.get(key)
        for id in sorted({line.proof for line in lines}):
            held = by_id.get(id)
            if held is None:
                yield VaultFinding(harm=Harm.LOST, site=site, subject=key, detail=f"proof {id} is not there")
            elif wanted is None:
                yield VaultFinding(harm=Harm.ALTERED, site=site, subject=key, detail="acknowledged, but nobody asked for it")
            elif (found := (held.subject, held.caller, held.by, held.reason)) != (
                asked := (wanted.subject, wanted.caller, wanted.by, wanted.reason)
            ):
                yield VaultFinding(harm=Harm.ALTERED, site=site, subject=key, detail=f"asked {asked}, holds {found}")


def _traces(account: Account, site: str, vault: VaultRows) -> Iterator[VaultFinding]:
    """Every number that was kept or given out has its row: who, why, which token."""
    trail = {(row.token, row.action, row.caller, row.reason) for row in vault.accesses}
    for key, lines in account.tokens.items():
        if (keeper := account.tokens_wanted.get(key)) is not None:
            for line in lines:
                if (line.token, TOKENIZE, keeper.caller, TOKENIZE) not in trail:
                    detail = f"no row says that {keeper.caller} had token {line.token} made"
                    yield VaultFinding(harm=Harm.UNTRACED, site=site, subject=key, detail=detail)
    for key, shown in account.revealed.items():
        if (asker := account.reveals_wanted.get(key)) is not None:
            for told in shown:
                if (asker.token, REVEAL, asker.caller, told.reason) not in trail:
                    detail = f"no row says that {asker.caller} was given token {asker.token} for {told.reason!r}"
                    yield VaultFinding(harm=Harm.UNTRACED, site=site, subject=key, detail=detail)


def _denied(account: Account, site: str, vault: VaultRows, by_id: dict[str, TokenRow]) -> Iterator[VaultFinding]:
    """Tokens that this vault holds although the client was told that they are refused for good, or are not there."""
    by_key = {token.key: token.id for token in vault.tokens}
    for key, told in account.declined.items():
        reveal = account.reveals_wanted.get(key)
        held = by_key.get(key) if reveal is None else (by_id[reveal.token].id if reveal.token in by_id else None)
        if held is not None and not account.rightly_refused(key):
            detail = f"{told.site} answered {told.status} {told.why} at attempt {told.attempt}, token {held} is there"
            yield VaultFinding(harm=Harm.DENIED, site=site, subject=key, detail=detail)
