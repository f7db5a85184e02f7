"""Schemas compared: no planned move to a node whose tables, functions or rights are others, and no election for a nicer schema's sake.

A migration was forgotten on B. Its rows arrive, its health is green, its position is level; then the writer is moved there, and the first
payment calls a function that B has not got. So a switchover compares fingerprints first, and an unknown one is not taken for an equal
one: a planned move can wait. So it does while a migration is under way on any node: between the comparison and the fence the writer may
lose a column that the next one sends.

A failover cannot. Whoever holds every acknowledged payment wins, whatever its schema; only among those who are proven to hold them all
does an equal schema go before an unknown one, and that before another one. If the winner's is another one, journal and status say so.
"""

from collections.abc import Mapping

from controller.core.circumstances import Circumstances, allowed, refused
from controller.core.model import Reason, Site, Snapshot
from controller.core.plans import Plan
from controller.core.proposals import Failover, Proposal, Switchover, claims_epoch

GUARD = "schema"

MIGRATING = " migrating"
"""Stands behind a node's fingerprint while a migration is under way there (`trimaran.schema`)."""

Schemas = Mapping[Site, str]
"""Fingerprints by site; a site that is missing is not known."""


def schema(proposal: Proposal, now: Circumstances) -> Reason:
    """A planned move needs equal fingerprints, freshly read from both nodes; a failover is told what differs, and goes on."""
    match proposal:
        case Switchover(to=to) if to in now.posture.weights:
            return _planned(to, now)
        case Failover(site=leaving):
            told = _told(last_read(now.snapshot), leaving)
            return allowed(
                GUARD, told or "no other schema is known", "among those who hold every payment, an equal one goes first"
            )
        case Switchover(to=to):
            return allowed(GUARD, f"{to} is no site of this service, so there is nothing to compare", "equal schemas")
        case _:
            return allowed(GUARD, "no node begins to write", "equal schemas")


def _planned(to: Site, now: Circumstances) -> Reason:
    writer = now.posture.writer
    said = {site: facts.schema for site in (writer, to) if (facts := now.facts(site)) is not None and facts.schema}
    status = f"see `trimaran schema status --service {now.posture.service}`"
    unknown = [site for site in (writer, to) if site not in said]
    if unknown:
        value = f"the schema of {' and '.join(sorted(unknown))} is not known"
        return refused(GUARD, value, f"{to} with the schema of {writer}", f"Wait until they tell it; {status}.")
    if moving := sorted(site for site in now.posture.weights if (facts := now.facts(site)) and facts.schema.endswith(MIGRATING)):
        value = f"a migration is under way on {' and '.join(moving)}"
        way_out = f"Let it end, or end the session trimaran-schema there: {status}; or override {GUARD} with a reason."
        return refused(GUARD, value, "no migration under way", way_out)
    if said[to] != said[writer]:
        value = f"{to} has schema {said[to]}, {writer} has {said[writer]}"
        way_out = f"Finish the migration: {status}; or override {GUARD} with a reason."
        return refused(GUARD, value, f"{to} with the schema of {writer}", way_out)
    return allowed(GUARD, f"{to} and {writer} have schema {said[to]}", "equal schemas")


def last_read(snapshot: Snapshot) -> Schemas:
    """The fingerprint that each node told last, however old: of a writer that is gone, the last word is all there is. It decides
    between equals only."""
    told = {site: heard.value.schema.removesuffix(MIGRATING) for site, heard in sorted(snapshot.facts.items())}
    return {site: fingerprint for site, fingerprint in told.items() if fingerprint}


def claimed_schemas(proposal: Proposal, snapshot: Snapshot) -> Schemas | None:
    """What a plan that ends in an election carries along: whoever takes it over elects the same one. Other plans carry nothing."""
    return last_read(snapshot) if claims_epoch(proposal) else None


def distance(plan: Plan, writer: Site, candidate: Site) -> int:
    """0: the candidate's schema equals the old writer's. 1: one of them is not known. 2: it is another one."""
    known = plan.schemas or {}
    ours, theirs = known.get(candidate), known.get(writer)
    if not ours or not theirs:
        return 1
    return 0 if ours == theirs else 2


def difference(plan: Plan) -> str:
    """What is to be said about the winner's schema: who had another one when the plan was claimed; empty when nobody is known to."""
    return "" if plan.winner is None else _told(plan.schemas or {}, plan.winner)


def _told(schemas: Schemas, site: Site) -> str:
    own = schemas.get(site)
    others = [f"{other} {schemas[other]}" for other in sorted(schemas) if other != site and own and schemas[other] != own]
    return f"{site} has schema {own}, {' and '.join(others)}" if others else ""
