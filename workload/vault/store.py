# ruff: noqa: S608
"""What the service asks the vault's database, and how it reads the answers. Every call raises NoWriter, Rejected or OutcomeUnknown,
those that write Busy too."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from workload.durable import statement
from workload.durable.evidence import Evidence, Reign
from workload.durable.session import Session
from workload.durable.statement import REIGN, Row, Written
from workload.vault import model
from workload.vault.model import (
    Action,
    Erased,
    Found,
    Grounds,
    LockedKey,
    Outcome,
    Proof,
    Sealed,
    Survey,
    Token,
    Tokenized,
    Whose,
)
from workload.vault.numbers import Kind
from workload.vault.sealing import Binding
from workload.vault.wrapping import Wrapped

PINS = "f.epoch, f.system_identifier, f.timeline"
"""First columns of whatever a function that writes answers: the reign it was decided in."""

PROOF = "p.id, p.subject, p.data_key, p.clouds, p.wraps_digest, p.tokens, p.caller, p.asked_by, p.reason, p.epoch, p.at"

# Only constants of this file go into these texts; whatever comes from outside travels beside them.
FOUND_KEY = f"SELECT {PINS}, f.outcome FROM vault.found_key(%s, %s, %s, %s, %s, %s) AS f"
TOKENIZE = (
    f"SELECT {PINS}, f.outcome, f.token, f.token_epoch, f.created_at FROM vault.tokenize(%s, %s, %s, %s, %s, %s, %s, %s, %s) AS f"
)
GIVE_OUT = (
    f"SELECT {PINS}, f.outcome, f.kind, f.subject, f.data_key, f.sealed, f.token_epoch, f.created_at"
    " FROM vault.give_out(%s, %s, %s, %s, %s) AS f"
)
ERASE = (
    f"SELECT {PINS}, f.outcome, {PROOF} FROM vault.erase(%s, %s, %s, %s, %s) AS f CROSS JOIN LATERAL (SELECT (f.proof).*) AS p"
)
ADD_WRAP = f"SELECT {PINS}, f.outcome FROM vault.add_wrap(%s, %s, %s, %s, %s) AS f"

LOCKED_KEY = (
    f"SELECT {REIGN}, k.id, k.subject, k.key_check, k.is_erased, k.clouds, k.keks, k.ciphertexts"
    " FROM trimaran.admit() AS a LEFT JOIN vault.locked_key(%s, %s) AS k ON true"
)
WHOSE = f"SELECT {REIGN}, t.subject, t.is_erased FROM trimaran.admit() AS a LEFT JOIN vault.whose(%s) AS t ON true"
READ_ERASURE = f"SELECT {REIGN}, {PROOF} FROM trimaran.admit() AS a LEFT JOIN vault.read_erasure(%s) AS p ON true"
SURVEY = (
    f"SELECT {REIGN}, s.upto, s.flawed, s.living, s.held_clouds, s.held_keks, s.held"
    " FROM trimaran.admit() AS a LEFT JOIN vault.survey(%s, %s, %s, %s) AS s ON true"
)

AWAIT_HELD = "SELECT vault.await_held(%s, %s, %s)"
"""Which of these rows the follower asked holds: what `durable.neighbour` asks."""


async def found_key(session: Session, site: str, locked: LockedKey, deadline: timedelta) -> tuple[bool, Evidence]:
    """Keep a new data key's wraps. False: the subject has a key already."""
    clouds, keks, ciphertexts = zip(*((wrap.cloud, wrap.kek, wrap.ciphertext) for wrap in locked.wraps), strict=True)
    values = (locked.id, locked.subject, locked.check, list(clouds), list(keks), list(ciphertexts))
    written = await statement.write(session, site, FOUND_KEY, values, deadline)
    is_founded = written.row[3] == Outcome.FOUNDED
    return is_founded, _evidence(site, written, locked.id if is_founded else None)


async def read_key(
    session: Session, site: str, deadline: timedelta, *, subject: UUID | None = None, id: UUID | None = None
) -> tuple[LockedKey | None, Evidence]:
    """The data key of a subject, or of an id, with its wraps; None when there is none."""
    evidence, found = await statement.read(session, site, LOCKED_KEY, (subject, id), deadline)
    if not found or found[0] is None:
        return None, evidence
    id, subject, check, is_erased, clouds, keks, ciphertexts = found
    wraps = tuple(
        Wrapped(cloud=cloud, kek=kek, ciphertext=bytes(ciphertext))
        for cloud, kek, ciphertext in zip(clouds, keks, ciphertexts, strict=True)
    )
    return LockedKey(id=id, subject=subject, check=bytes(check), wraps=wraps, is_erased=is_erased), evidence


async def tokenize(
    session: Session, site: str, order: model.Order, sealed: Sealed, access: UUID, deadline: timedelta
) -> tuple[Tokenized, Evidence]:
    """Keep a sealed number under its token, once per idempotency key, which is its first caller's. The evidence is the row of the audit
    trail that each attempt leaves: whoever holds it holds the token, which was committed with it or before."""
    bound = sealed.binding
    values = (
        *(bound.token, order.key, sealed.digest, bound.data_key, bound.kind.value),
        *(sealed.number, sealed.hint, access, order.caller),
    )
    written = await statement.write(session, site, TOKENIZE, values, deadline)
    word, id, epoch, created_at = written.row[3:]
    outcome, token = Outcome(word), None
    if outcome in (Outcome.CREATED, Outcome.REPLAYED):
        last_four = order.number.last_four
        token = Token(id=id, kind=bound.kind, subject=bound.subject, epoch=epoch, created_at=created_at, last_four=last_four)
    is_traced = token is not None or outcome is Outcome.KEY_REUSED
    return Tokenized(outcome=outcome, token=token), _evidence(site, written, access if is_traced else None)


async def give_out(
    session: Session, site: str, token: UUID, action: Action, grounds: Grounds, access: UUID, deadline: timedelta
) -> tuple[Found, Evidence]:
    """The sealed number or the sealed last characters, with its row in the audit trail. What comes back may be opened only once the
    evidence is confirmed."""
    values = (access, token, action.value, grounds.caller, grounds.reason)
    written = await statement.write(session, site, GIVE_OUT, values, deadline)
    outcome = Outcome(written.row[3])
    if outcome is not Outcome.FOUND:
        return Found(outcome=outcome), _evidence(site, written, None)
    return Found(outcome=outcome, row=_row(token, written.row[4:])), _evidence(site, written, access)


async def whose(session: Session, site: str, token: UUID, deadline: timedelta) -> tuple[Whose, Evidence]:
    """Whose the token is; no key is touched."""
    evidence, found = await statement.read(session, site, WHOSE, (token,), deadline)
    if not found or found[0] is None:
        return Whose(outcome=Outcome.UNKNOWN_TOKEN), evidence
    subject, is_erased = found
    return (Whose(outcome=Outcome.ERASED) if is_erased else Whose(outcome=Outcome.FOUND, subject=subject)), evidence


async def erase(
    session: Session, site: str, subject: UUID, grounds: Grounds, new_id: UUID, deadline: timedelta
) -> tuple[Erased, Evidence]:
    """Destroy the wraps of the subject's data key and keep the proof; again answers the same proof."""
    values = (new_id, subject, grounds.caller, grounds.by, grounds.reason)
    written = await statement.write(session, site, ERASE, values, deadline)
    outcome = Outcome(written.row[3])
    proof = None if outcome is Outcome.UNKNOWN_SUBJECT else _proof(written.row[4:])
    return Erased(outcome=outcome, proof=proof), _evidence(site, written, proof.id if proof else None)


async def read_erasure(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Proof | None, Evidence]:
    """The proof, or None when there is none of this id."""
    evidence, found = await statement.read(session, site, READ_ERASURE, (id,), deadline)
    return (_proof(found) if found and found[0] is not None else None), evidence


async def survey(
    session: Session, site: str, after: UUID, most: int, current: dict[str, str], deadline: timedelta
) -> tuple[Survey, Evidence]:
    """The next `most` data keys after this one: which lack a wrap by the clouds' current key-encryption keys?"""
    values = (after, most, list(current), list(current.values()))
    evidence, found = await statement.read(session, site, SURVEY, values, deadline)
    upto, flawed, living, clouds, keks, counts = found
    held = {(cloud, kek): count for cloud, kek, count in zip(clouds, keks, counts, strict=True)}
    return Survey(upto=upto, flawed=tuple(flawed), living=living, held=held), evidence


async def add_wrap(
    session: Session, site: str, key: UUID, wrapped: Wrapped, old: Wrapped | None, deadline: timedelta
) -> tuple[Outcome, Evidence]:
    """Add a wrap in the place of `old`, which was read before; None: there was none. Outcome `replaced`: it is not there any more."""
    values = (key, wrapped.cloud, wrapped.kek, wrapped.ciphertext, None if old is None else old.ciphertext)
    written = await statement.write(session, site, ADD_WRAP, values, deadline)
    return Outcome(written.row[3]), _evidence(site, written, None)


def _evidence(site: str, written: Written, row: UUID | None) -> Evidence:
    epoch, system_identifier, timeline = written.row[:3]
    reign = Reign(site=site, epoch=epoch, system_identifier=system_identifier, timeline=timeline)
    return Evidence(reign=reign, lsn=written.lsn, row=row, ack_slots=written.ack_slots)


def _row(token: UUID, found: Row) -> model.Row:
    kind, subject, data_key, sealed, epoch, created_at = found
    binding = Binding(token=token, kind=Kind(kind), subject=subject, data_key=data_key)
    return model.Row(binding=binding, sealed=bytes(sealed), epoch=epoch, created_at=created_at)


def _proof(found: tuple[Any, ...]) -> Proof:
    id, subject, data_key, clouds, wraps_digest, tokens, caller, by, reason, epoch, erased_at = found
    return Proof(
        id=id,
        subject=subject,
        data_key=data_key,
        clouds=tuple(clouds),
        wraps_digest=bytes(wraps_digest),
        tokens=tokens,
        grounds=Grounds(caller=caller, by=by, reason=reason),
        epoch=epoch,
        erased_at=erased_at,
    )
