"""Three vendors' ways to write the same shares agree; a share that is another, or missing, is named."""

from lab.agreement import disagreements, shares
from lab.clouds.zone import Record

NAME = "pay.test."


def zone(*weights: tuple[int, float], name: str = NAME) -> tuple[Record, ...]:
    """One weighted record per site, and one that is no choice."""
    plain = Record(name="test.", type="NS", ttl=5, values=("ns.test.",))
    return plain, *(
        Record(name=name, type="A", ttl=2, values=(f"192.0.2.{site}",), set_identifier=str(site), weight=weight)
        for site, weight in weights
    )


def told(**published: tuple[Record, ...]) -> tuple[str, ...]:
    return disagreements({place: shares(records) for place, records in published.items()})


def test_the_same_shares_in_three_vendors_words_agree() -> None:
    """120 of 240; endpoints that are disabled and so not there; fractions."""
    assert (
        told(
            route53=zone((1, 120), (2, 0), (3, 120)),
            azuredns=zone((1, 500), (3, 500)),
            clouddns=zone((1, 0.5), (2, 0.0), (3, 0.5)),
        )
        == ()
    )
    assert (
        told(
            route53=zone((1, 80), (2, 80), (3, 80)),
            azuredns=zone((1, 333), (2, 333), (3, 334)),
            clouddns=zone((1, 1), (2, 1), (3, 1)),
        )
        == ()
    )


def test_an_authority_that_was_left_behind_is_named_with_what_it_answers() -> None:
    """Clients of one authority in three would be sent to a site that the other two have drained."""
    (said,) = told(route53=zone((1, 80), (2, 80)), azuredns=zone((1, 1)), clouddns=zone((1, 1.0)))
    assert (
        said
        == "the authorities differ in pay.test.: route53 192.0.2.1 50%, 192.0.2.2 50%; azuredns 192.0.2.1 100%; clouddns 192.0.2.1 100%"
    )


def test_a_name_that_one_of_them_lacks_is_a_difference() -> None:
    """Nothing published is not the same as nothing to say; all weights 0 is no share of anything."""
    (said,) = told(route53=zone((1, 1)), azuredns=())
    assert said.endswith("azuredns nothing")
    (said,) = told(route53=zone((1, 1)), azuredns=zone((1, 0), (2, 0)))
    assert said.endswith("azuredns nothing")


def test_authorities_that_answer_nothing_do_not_agree() -> None:
    """A zone that three clouds have lost alike is no zone in good order; where nobody could be asked there is nothing to say."""
    plain = zone()
    assert told(route53=plain, azuredns=(), clouddns=plain) == (
        "no weighted name is answered by any of route53, azuredns, clouddns",
    )
    assert told() == ()
