"""What the service does with a number: seal it, give it out to whom may have it, forget how to open it.

The order of steps is the promise. A data key seals nothing before its wraps are durable: it would die with its writer, and the number
with it. A number is opened only after its row in the audit trail is durable: there is no access that a failover could forget.
"""

from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from workload.calls.deadline import budget
from workload.calls.lasting import Lasting
from workload.durable.answers import Answers
from workload.durable.evidence import Evidence
from workload.durable.session import Session
from workload.telemetry.steps import step
from workload.vault import sealing, store
from workload.vault.errors import KeyLost, KeysOutOfReach, SealBroken
from workload.vault.keyring import Keyring
from workload.vault.metrics import Metrics
from workload.vault.model import (
    Action,
    DataKey,
    Described,
    Erased,
    Found,
    Grounds,
    LockedKey,
    Order,
    Outcome,
    Proof,
    Revealed,
    Row,
    Sealed,
    Token,
    Tokenized,
    Whose,
)
from workload.vault.numbers import Number
from workload.vault.sealing import Binding, Purpose

log = structlog.get_logger()

SHOWN = "its last characters are shown"
"""Why a description asks for something sealed: what the audit trail records, as it asks nobody for a reason."""


class Vault:
    """The service itself, without HTTP."""

    def __init__(
        self,
        *,
        answers: Answers,
        keyring: Keyring,
        metrics: Metrics,
        new_id: Callable[[], UUID],
        new_token: Callable[[], UUID],
        entropy: Callable[[int], bytes],
        key_patience: timedelta,
        key_tasks: Lasting[DataKey | None],
        monotonic: Callable[[], float],
    ) -> None:
        """`key_patience`: how long a request may wait for its subject's data key, all trips together. `key_tasks`: in which waiting for it
        goes on after that."""
        self._answers = answers
        self._keyring = keyring
        self._metrics = metrics
        self._new_id = new_id
        self._new_token = new_token
        self._entropy = entropy
        self._key_patience, self._key_tasks, self._monotonic = key_patience, key_tasks, monotonic

    async def tokenize(self, order: Order) -> Tokenized:
        """Keep the number and answer its token, once per idempotency key for ever. A key is its first caller's.

        Raises Unanswered, KeysOutOfReach among them, or KeyLost. A subject that is new costs two more trips to the writer.
        """
        with self._told_when_broken():
            answer = await self._tokenize(order)
            if answer.outcome is Outcome.UNKNOWN_KEY:
                # The database lost what it had confirmed, as when an operator accepted a single copy: make a new key.
                self._keyring.drop(order.subject)
                answer = await self._tokenize(order)
        if answer.outcome is Outcome.KEY_REUSED:
            # Once is a client's mistake. Again and again is somebody who tries numbers.
            self._metrics.reused(order.caller)
            log.warning("an idempotency key came with something else", caller=order.caller)
        self._metrics.decided("tokenize", answer.outcome)
        return answer

    async def reveal(self, token: UUID, grounds: Grounds) -> Revealed:
        """The number, after who asked for it and why is on record in two clouds.

        The record says that it was to be given out. When no cloud opens the key after that, the record stays, and nobody got the number.
        Raises Unanswered, KeysOutOfReach among them, KeyLost or SealBroken.
        """
        found = await self._given_out(token, Action.REVEAL, grounds)
        answer = Revealed(outcome=found.outcome)
        if found.row is not None:
            with self._told_when_broken(token):
                key = await self._key_of(found.row.binding)
                answer = Revealed(outcome=Outcome.ERASED) if key is None else _revealed(key, found.row)
        self._metrics.decided("reveal", answer.outcome)
        return answer

    async def describe(self, token: UUID, caller: str) -> Described:
        """Everything about the token but its number, after who asked is on record as for a reveal. Its last digits are left out when no
        cloud in reach opens them. Raises Unanswered or SealBroken."""
        found = await self._given_out(token, Action.DESCRIBE, Grounds(caller=caller, reason=SHOWN))
        answer = Described(outcome=found.outcome)
        if found.row is not None:
            try:
                with self._told_when_broken(token):
                    key = await self._key_of(found.row.binding)
                    answer = Described(outcome=Outcome.ERASED) if key is None else _described(found.row, key)
            except (KeysOutOfReach, KeyLost):
                answer = _described(found.row, None)
        self._metrics.decided("describe", answer.outcome)
        return answer

    async def whose(self, token: UUID) -> Whose:
        """Whose the token is. No key is touched, so no cloud's key service is waited for, and nothing sealed leaves the database. Raises
        Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Whose, Evidence]:
            return await store.whose(session, site, token, deadline)

        answer = await self._answers.give(ask)
        self._metrics.decided("whose", answer.outcome)
        return answer

    async def erase(self, subject: UUID, grounds: Grounds) -> Erased:
        """Destroy every wrap of the subject's data key; again answers the same proof. What it proves: `Proof`. Raises Unanswered."""
        new_id = self._new_id()

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Erased, Evidence]:
            return await store.erase(session, site, subject, grounds, new_id, deadline)

        # Also when the outcome stays unknown. A key too many that is dropped costs one call, a key that stays breaks a promise.
        self._keyring.drop(subject)
        answer = await self._answers.give(ask)
        if answer.proof is not None:
            self._keyring.forget(subject)
        self._metrics.decided("erase", answer.outcome)
        return answer

    async def erasure(self, id: UUID) -> Proof | None:
        """The proof, durable, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Proof | None, Evidence]:
            return await store.read_erasure(session, site, id, deadline)

        return await self._answers.give(ask)

    async def _given_out(self, token: UUID, action: Action, grounds: Grounds) -> Found:
        access = self._new_id()

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Found, Evidence]:
            return await store.give_out(session, site, token, action, grounds, access, deadline)

        return await self._answers.give(ask)

    @contextmanager
    def _told_when_broken(self, token: UUID | None = None) -> Iterator[None]:
        """Tell people of what they must act on: to a client it is a 500 like any other, and often it is the only one who sees it."""
        try:
            yield
        except SealBroken as error:
            self._metrics.broken("seal-broken")
            log.critical("what is kept does not open", token=str(token), why=str(error))
            raise

    async def _told_when_lost(self, work: Coroutine[Any, Any, DataKey | None]) -> DataKey | None:
        """The same for a data key: here, because by the time it is known whoever asked may have left."""
        try:
            return await work
        except KeyLost as error:
            self._metrics.broken("key-lost")
            log.critical("a data key is lost", why=str(error))
            raise

    async def _tokenize(self, order: Order) -> Tokenized:
        subject = order.subject
        key = self._keyring.at_hand(subject) or await self._in_time(subject, lambda: self._key_for(subject))
        if key is None:
            return Tokenized(outcome=Outcome.ERASED)
        sealed, access = self._seal(key, order), self._new_id()

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Tokenized, Evidence]:
            return await store.tokenize(session, site, order, sealed, access, deadline)

        return await self._answers.give(ask)

    def _seal(self, key: DataKey, order: Order) -> Sealed:
        number = order.number
        binding = Binding(token=self._new_token(), kind=number.kind, subject=key.subject, data_key=key.id)

        def seal(text: str, purpose: Purpose) -> bytes:
            return sealing.seal(key.material, self._entropy(sealing.NONCE_BYTES), text, binding, purpose)

        return Sealed(
            binding=binding,
            number=seal(number.text, Purpose.NUMBER),
            hint=seal(number.last_four, Purpose.HINT),
            digest=sealing.digest(key.material, key.subject, order.key, number),
        )

    async def _key_of(self, binding: Binding) -> DataKey | None:
        """The data key that a row was sealed with, in time; None when it was erased since the row was read."""
        key = self._keyring.at_hand(binding.subject)
        if key is not None and key.id == binding.data_key:
            return key
        return await self._in_time((binding.subject, binding.data_key), lambda: self._known_key(binding))

    async def _in_time(self, what: Hashable, begin: Callable[[], Coroutine[Any, Any, DataKey | None]]) -> DataKey | None:
        # Whatever was begun for a key may be left at any moment: a key that is founded or opened late is at hand for the next request.
        patience = budget(self._key_patience, self._monotonic())
        try:
            with step("data key"):
                return await self._key_tasks.join(what, lambda: self._told_when_lost(begin()), patience)
        except KeysOutOfReach as error:
            self._metrics.unanswered(error)
            raise
        except TimeoutError as error:
            late = KeysOutOfReach(f"the subject's data key was not ready within {patience.total_seconds():.3g} s")
            self._metrics.unanswered(late)
            raise late from error

    async def _key_for(self, subject: UUID) -> DataKey | None:
        """The subject's data key, made when there is none; None when it was erased."""
        locked = await self._read_key(subject)
        if locked is None:
            key = await self._found_key(subject)
            if key is not None:
                return key
            # Somebody else founded it a moment before, in this cloud or another.
            locked = await self._read_key(subject)
        if locked is None:
            raise KeysOutOfReach("the subject's data key was founded by somebody else and is not there")
        return None if locked.is_erased else await self._keyring.open(locked)

    async def _known_key(self, binding: Binding) -> DataKey | None:
        locked = await self._read_key(binding.subject)
        if locked is None or locked.id != binding.data_key:
            raise KeyLost(f"data key {binding.data_key} of token {binding.token} is not there")
        return None if locked.is_erased else await self._keyring.open(locked)

    async def _read_key(self, subject: UUID) -> LockedKey | None:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[LockedKey | None, Evidence]:
            return await store.read_key(session, site, deadline, subject=subject)

        return await self._answers.give(ask)

    async def _found_key(self, subject: UUID) -> DataKey | None:
        key, locked = await self._keyring.make(self._new_id(), subject)

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[bool, Evidence]:
            return await store.found_key(session, site, locked, deadline)

        if not await self._answers.give(ask):
            return None
        self._keyring.keep(key)
        return key


def _revealed(key: DataKey, row: Row) -> Revealed:
    text = sealing.unseal(key.material, row.sealed, row.binding, Purpose.NUMBER)
    return Revealed(outcome=Outcome.FOUND, number=Number(kind=row.binding.kind, text=text))


def _described(row: Row, key: DataKey | None) -> Described:
    last_four = None if key is None else sealing.unseal(key.material, row.sealed, row.binding, Purpose.HINT)
    token = Token(
        id=row.binding.token,
        kind=row.binding.kind,
        subject=row.binding.subject,
        epoch=row.epoch,
        created_at=row.created_at,
        last_four=last_four,
    )
    return Described(outcome=Outcome.FOUND, token=token)
