"""Alias records: answered in place, under their own name, by the weights of what they lead to."""

from collections import Counter
from itertools import count

import dns.message
import dns.rcode

from lab.clouds.zone import Record, respond

GROUP = "g.trimaran.test."
WEIGHTED = [
    Record(name=GROUP, type="A", ttl=2, values=(f"192.0.2.{number}",), set_identifier=site, weight=weight)
    for number, (site, weight) in enumerate([("aws", 120), ("azure", 0), ("gcp", 120)], 1)
]


def alias(name: str, target: str) -> Record:
    """One."""
    return Record(name=name, type="A", ttl=0, values=(), alias=target)


def ask(name: str, *records: Record, chance: float = 0.0, kind: str = "A") -> dns.message.Message:
    """The authority's answer."""
    return respond(dns.message.make_query(name, kind), "trimaran.test", [*WEIGHTED, *records], lambda: chance)


def test_an_alias_is_answered_under_its_own_name() -> None:
    """No CNAME: a resolver sees an address of the service's name, with the TTL of the group's."""
    answer = ask("cards.trimaran.test.", alias("cards.trimaran.test.", GROUP))
    (found,) = answer.answer
    assert (str(found.name), found.ttl, [str(one) for one in found]) == ("cards.trimaran.test.", 2, ["192.0.2.1"])


def test_an_alias_follows_the_weights_of_its_group() -> None:
    """A drained site gets nobody."""
    chances = (number / 100 for number in count())
    seen = Counter(
        str(ask("cards.trimaran.test.", alias("cards.trimaran.test.", GROUP), chance=next(chances)).answer[0][0])
        for _ in range(100)
    )
    assert seen == {"192.0.2.1": 50, "192.0.2.3": 50}


def test_an_alias_of_an_alias_is_followed_and_a_circle_ends() -> None:
    """Whatever somebody writes into a zone, its name server answers."""
    first, second = alias("a.trimaran.test.", "b.trimaran.test."), alias("b.trimaran.test.", GROUP)
    assert str(ask("a.trimaran.test.", first, second).answer[0][0]) == "192.0.2.1"
    circle = ask("a.trimaran.test.", first, alias("b.trimaran.test.", "a.trimaran.test."))
    assert not circle.answer and circle.rcode() == dns.rcode.NOERROR


def test_an_alias_has_the_types_of_its_target_only() -> None:
    """No data is not no such name."""
    answer = ask("cards.trimaran.test.", alias("cards.trimaran.test.", GROUP), kind="AAAA")
    assert not answer.answer and answer.rcode() == dns.rcode.NOERROR
