"""Plays a sequence on a lab of its own: every round from calm to calm under one load, and the look back over all of them."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from controller.core.model import JournalEntry
from controller.ports import Request
from lab.bench_evidence import TROUBLE, keep_evidence
from lab.bench_ground import await_calm
from lab.errors import LabError
from lab.fleet import LEAN
from lab.laboratory import Laboratory, Say, laboratory
from lab.matrix import next_version
from lab.matrix.judgement import Standing
from lab.matrix.order import AstrayError, ask
from lab.matrix.play import AFTER, CALM, RATE, WHOLE, longest_pause, standing
from lab.matrix.rounds import Course, Ground, owner_of, suffer
from lab.matrix.sequel import RoundSeen, SequenceSeen, amiss_sequence
from lab.matrix.sequences import Newer, Round
from lab.matrix.sequences import Sequence as Rounds
from lab.matrix.told import plans, withheld
from lab.matrix.watching import last_written
from lab.offering import offer
from lab.record import Line
from lab.retrospect import look_back

RUN, OUT = "sequence", Path("out/faults")

TRIES = 3
"""How often a round is played whose moment is not met: on a busy machine a plan is done before anybody has read of its step."""


@dataclass(slots=True, kw_only=True)
class _Played:
    """One round, and what the control plane wrote in it."""

    course: Course
    after: Standing | None = None
    entries: Sequence[JournalEntry] = ()
    """What was journaled in it. Read at its end: at the end of the course etcd may answer nothing any more."""
    ended: float = 0.0
    whole: float | None = None


async def perform(sequence: Rounds, name: str, say: Say, keep: Path = OUT) -> SequenceSeen:
    """From a lab's start to its end; of one that differs, records, ledgers, journal and logs are kept below `keep`.

    Raises LabError, TrimaranError or OSError when nothing can be said of it.
    """
    async with laboratory(name, services=LEAN, policy=sequence.policy) as lab:
        await await_calm(lab)
        if sequence.by_hand:
            await ask(lab, _wish("mode", mode="traffic-only"))
        load = await offer(lab, RUN, rate=RATE)
        began, troubles, played, tries = time.monotonic(), list[str](), list[_Played](), list[_Played]()
        ground = Ground(lab=lab, load=load, say=say)
        for number, one in enumerate(sequence.rounds, 1):
            say(f"  round {number}/{len(sequence.rounds)}: {one.name}")
            try:
                *unmet, last = await _play_until_met(ground, one)
                tries += unmet
                played.append(last)
            except TROUBLE as error:
                troubles.append(f"{one.name}: {type(error).__name__}: {error}")
                await _heal_all(lab, troubles)
                break
            if played[-1].whole is None:
                break
        await asyncio.sleep(AFTER.total_seconds())
        late = float(load.progress().get("latest_offer_s", 0.0))
        found, _ = await look_back(lab, load, since=began)
        lines = load.lines()
        seen = SequenceSeen(
            rounds=[_seen(one, lines) for one in played],
            aftermath=replace(found, troubles=(*troubles, *found.troubles)),
            load_late=round(late, 3),
            tries=[(one.course.round, _seen(one, lines)) for one in tries],
        )
        if broken := amiss_sequence(sequence, seen):
            await keep_evidence(lab, keep / f"failed-{sequence.name}", RUN, broken)
        return seen


async def _play_until_met(ground: Ground, one: Round) -> list[_Played]:
    """Play it again while the moment was not met: an order went into other hands, or a plan was done before its owner was gone. Every
    try is judged for what it owes all the same, and what it left behind is in the look back."""
    tries = [await _play(ground, one)]
    while tries[-1].whole is not None and tries[-1].course.unmet and len(tries) < TRIES:
        ground.say("    the moment was not met; once more")
        tries.append(await _play(ground, one))
    return tries


async def _play(ground: Ground, one: Round) -> _Played:
    lab = ground.lab
    await await_calm(lab)
    before = await standing(lab)
    if before is None:
        raise LabError("etcd does not answer before the round")
    if one.newer is not Newer.NOBODY:
        next_version.bring(lab, one.newer, owner_of(before.writer, one.target))
        await await_calm(lab)
    await asyncio.sleep(CALM.total_seconds())
    course = Course(round=one, before=before, since=await last_written(lab), at=time.monotonic(), wall=datetime.now(UTC))
    played = _Played(course=course)
    try:
        await suffer(ground, course)
    except AstrayError as error:
        course.missed = str(error)
    except TROUBLE as error:
        course.troubles.append(f"{type(error).__name__}: {error}")
    await _heal_all(lab, course.troubles)
    with suppress(LabError):
        await lab.wait_until_whole(WHOLE, say=lambda said: ground.say(f"    {said}"))
        played.whole = time.monotonic() - course.at
    played.after, played.ended = await standing(lab), time.monotonic()
    try:
        played.entries = await lab.witness.journal(course.since)
    except TROUBLE as error:
        course.troubles.append(f"the journal of the round cannot be read: {error}")
    next_version.bring(lab, Newer.NOBODY, before.writer)
    return played


async def _heal_all(lab: Laboratory, troubles: list[str]) -> None:
    for place in list(lab.faults.active):
        try:
            await lab.faults.heal(place)
        except TROUBLE as error:
            troubles.append(f"{place} could not be healed: {error}")


def _wish(verb: str, **arguments: str) -> Request:
    return Request(id=f"matrix-{verb}", verb=verb, by="matrix", reason="people order", at=datetime.now(UTC), arguments=arguments)


def _seen(played: _Played, lines: Sequence[Line]) -> RoundSeen:
    course, entries = played.course, played.entries
    began, pause = longest_pause(lines, begin=course.at, end=played.ended)
    newer = [entry for entry in entries if next_version.wrote(entry)]
    hurt = [entry for entry in entries if course.plan and entry.body.get("plan") == course.plan]
    return RoundSeen(
        before=course.before,
        after=played.after,
        struck=course.struck,
        missed=course.missed,
        plans=plans(entries, course.wall),
        withheld=withheld(entries, course.wall, played.ended - course.at),
        guards=course.guards,
        held=round(course.held, 3),
        hurt=course.hurt,
        newer_acted=[entry.kind for entry in newer],
        older_acted=[entry.kind for entry in hurt if not next_version.wrote(entry)],
        pause=round(pause, 3),
        pause_began=round(began - course.at, 3),
        whole=None if played.whole is None else round(played.whole, 3),
        troubles=tuple(course.troubles),
    )
