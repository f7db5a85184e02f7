"""The zone as Route 53's name servers answer it: pure, chance passed in.

Source: Route 53 Developer Guide, "Weighted routing" (a record is chosen with probability weight / sum of weights; when all
weights are 0 all records are equally likely). RFC 1034 4.3.2 and RFC 2308 for names that do not exist. No wildcards, no health
checks, no delegation: the lab's zone has none.
"""

from collections.abc import Callable, Sequence

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from pydantic import BaseModel, ConfigDict

MAX_CHASE = 8
"""CNAMEs, or aliases, followed inside the zone."""


class Record(BaseModel):
    """One record set, as the emulated API publishes it."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Absolute and lower case."""
    type: str
    ttl: int
    values: tuple[str, ...]
    alias: str | None = None
    """Name in the same zone that is answered for this one, as Route 53's alias records are: the answer carries this record's name."""
    set_identifier: str | None = None
    weight: float | None = None
    """None: the record is no choice among several."""
    health: str | None = None
    """What the authority asks to learn whether it may answer this record: a path such as `/beacon`, at the record's own address on
    port 80, or a whole http URL; None: nothing is asked, the record is always answered. See lab/clouds/health.py."""


def choose(records: Sequence[Record], chance: Callable[[], float]) -> Record:
    """One of several weighted records by Route 53's rule; `chance` answers a number in [0, 1)."""
    weights = [record.weight or 0 for record in records]
    if not any(weights):
        weights = [1] * len(records)
    point = chance() * sum(weights)
    for record, weight in zip(records, weights, strict=True):
        point -= weight
        if point < 0:
            return record
    return next(record for record, weight in reversed(list(zip(records, weights, strict=True))) if weight)


def respond(
    query: dns.message.Message, origin: str, zone: Sequence[Record] | None, chance: Callable[[], float]
) -> dns.message.Message:
    """The authoritative answer; SERVFAIL while the zone was never loaded (`zone` None), REFUSED outside it."""
    reply = dns.message.make_response(query)
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        reply.set_rcode(dns.rcode.NOTIMP)
        return reply
    question, apex = query.question[0], dns.name.from_text(origin)
    if zone is None:
        reply.set_rcode(dns.rcode.SERVFAIL)
        return reply
    if question.rdclass != dns.rdataclass.IN or not question.name.is_subdomain(apex):
        reply.set_rcode(dns.rcode.REFUSED)
        return reply
    reply.flags |= dns.flags.AA
    name = question.name.to_text().lower()
    for _ in range(MAX_CHASE):
        chosen = _pick(zone, name, dns.rdatatype.to_text(question.rdtype), chance)
        if chosen is not None:
            reply.answer.append(_rrset(name, chosen))
            return reply
        alias = _pick(zone, name, "CNAME", chance)
        if alias is None:
            break
        reply.answer.append(_rrset(name, alias))
        name = alias.values[0].lower().rstrip(".") + "."
    if not reply.answer and not _exists(zone, name):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    if (soa := _pick(zone, apex.to_text().lower(), "SOA", chance)) is not None:
        reply.authority.append(_rrset(soa.name, soa))
    return reply


def _pick(zone: Sequence[Record], name: str, kind: str, chance: Callable[[], float]) -> Record | None:
    """The record that answers for a name, with whatever it is an alias of in its place."""
    for _ in range(MAX_CHASE):
        found = [record for record in zone if record.name == name and record.type == kind]
        if not found:
            return None
        chosen = choose(found, chance)
        if chosen.alias is None:
            return chosen
        name = chosen.alias
    return None


def _exists(zone: Sequence[Record], name: str) -> bool:
    """A name exists when it, or any name below it, has a record."""
    return any(record.name == name or record.name.endswith("." + name) for record in zone)


def _rrset(name: str, record: Record) -> dns.rrset.RRset:
    # Route 53 takes every name in a value as absolute, with or without the final dot.
    return dns.rrset.from_text_list(name, record.ttl, "IN", record.type, record.values, origin=dns.name.root, relativize=False)
