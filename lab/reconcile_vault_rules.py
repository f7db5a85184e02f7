"""What must hold in every vault whatever anybody was told. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from lab.reconcile_vault_rows import Harm, VaultFinding, VaultRows, WrapId


def soundness(
    site: str, vault: VaultRows, clouds: Collection[str], erased: Collection[str], opened: Mapping[WrapId, str] | None
) -> Iterator[VaultFinding]:
    """Everything that is wrong with one vault in itself. `erased`: subjects whose erasure was acknowledged to somebody. `opened`: what came
    of opening each wrap; None: it was not tried."""
    yield from _duplicated(site, vault)
    yield from _orphaned(site, vault)
    yield from _wraps(site, vault, clouds, erased)
    if opened is not None:
        yield from _closed(site, vault, opened)
    yield from _miscounted(site, vault)


def _duplicated(site: str, vault: VaultRows) -> Iterator[VaultFinding]:
    """What there must be one of; no constraint is taken on trust."""
    told = (
        ("tokens for one key", Counter(token.key for token in vault.tokens)),
        ("tokens of one id", Counter(token.id for token in vault.tokens)),
        ("data keys of one subject", Counter(key.subject for key in vault.data_keys)),
        ("proofs for one data key", Counter(erasure.data_key for erasure in vault.erasures)),
        ("wraps by one cloud", Counter(f"{wrap.data_key} by {wrap.cloud}" for wrap in vault.wraps)),
        ("accesses of one id", Counter(access.id for access in vault.accesses)),
    )
    for what, counted in told:
        for subject, times in counted.items():
            if times > 1:
                yield VaultFinding(harm=Harm.DUPLICATED, site=site, subject=subject, detail=f"{times} {what}")


def _orphaned(site: str, vault: VaultRows) -> Iterator[VaultFinding]:
    keys, tokens = {key.id for key in vault.data_keys}, {token.id for token in vault.tokens}
    missing = (
        *(("token", token.id, "data key", token.data_key) for token in vault.tokens if token.data_key not in keys),
        *(("wrap", wrap.data_key, "data key", wrap.data_key) for wrap in vault.wraps if wrap.data_key not in keys),
        *(("proof", proof.id, "data key", proof.data_key) for proof in vault.erasures if proof.data_key not in keys),
        *(("access", access.id, "token", access.token) for access in vault.accesses if access.token not in tokens),
    )
    for what, id, of, other in missing:
        yield VaultFinding(harm=Harm.ORPHANED, site=site, subject=id, detail=f"{what} of {of} {other}, which is not there")


def _wraps(site: str, vault: VaultRows, clouds: Collection[str], erased: Collection[str]) -> Iterator[VaultFinding]:
    """None of an erased data key, one by every cloud of any other."""
    doomed = {proof.data_key for proof in vault.erasures} | {key.id for key in vault.data_keys if key.subject in erased}
    wrapped: dict[str, set[str]] = defaultdict(set)
    for wrap in vault.wraps:
        wrapped[wrap.data_key].add(wrap.cloud)
    for key in vault.data_keys:
        by = wrapped[key.id]
        if key.id in doomed and by:
            detail = f"erased, and still wrapped by {', '.join(sorted(by))}"
            yield VaultFinding(harm=Harm.UNERASED, site=site, subject=key.id, detail=detail)
        elif key.id not in doomed and (lacking := set(clouds) - by):
            detail = f"not wrapped by {', '.join(sorted(lacking))}"
            yield VaultFinding(harm=Harm.UNWRAPPED, site=site, subject=key.id, detail=detail)


def _closed(site: str, vault: VaultRows, opened: Mapping[WrapId, str]) -> Iterator[VaultFinding]:
    """A wrap that its own cloud does not open is worse than none: it stands in the way of the one that would be made."""
    for wrap in vault.wraps:
        if why := opened.get(wrap.id, "nobody has tried it"):
            detail = f"the wrap by {wrap.cloud} does not open: {why}"
            yield VaultFinding(harm=Harm.UNWRAPPED, site=site, subject=wrap.data_key, detail=detail)


def _miscounted(site: str, vault: VaultRows) -> Iterator[VaultFinding]:
    """A proof says how many tokens died with the key. One more, and something was kept for a subject that was erased already."""
    held = Counter(token.data_key for token in vault.tokens)
    for proof in vault.erasures:
        if held[proof.data_key] != proof.tokens:
            detail = f"the proof speaks of {proof.tokens} tokens, and there are {held[proof.data_key]}"
            yield VaultFinding(harm=Harm.ALTERED, site=site, subject=proof.id, detail=detail)
