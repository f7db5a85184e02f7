"""The bench of the detector: the same traffic for the same seed, and figures that can be bad."""

from dataclasses import replace

from detection.score import Limits
from lab.bench_detection import Label, Paid, Tally, World, figures, generate, judge

SMALL = World(seed=1, accounts=12, days=40)


def test_traffic_is_the_same_for_the_same_seed_and_in_order_of_time() -> None:
    """Another seed makes another traffic."""
    first = list(generate(SMALL))
    assert first == list(generate(SMALL)) == sorted(first, key=lambda paid: (paid.at, paid.account))
    assert first != list(generate(replace(SMALL, seed=2)))
    assert {paid.label for paid in generate(replace(SMALL, anomalies=5.0))} == set(Label)


def test_a_detector_that_never_holds_and_one_that_always_does_are_told_apart() -> None:
    """Nothing noticed and nothing wrong; everything noticed and almost everything wrong."""
    busy = replace(SMALL, anomalies=5.0)
    never = figures(judge(generate(busy), Limits(hold_at=1e9)))
    assert (never["held"], never["precision"], never["recall_of_payments"]) == (0, None, 0.0)
    always = figures(judge(generate(busy), Limits(hold_at=0.0)))
    assert always["precision"] < 0.5 and always["false_positives_per_10000"] > 5000


def test_figures_count_what_was_held() -> None:
    """One of two thefts noticed, one honest payment of two held."""
    tally = Tally(payments=4, honest=2, held_honest=1, stolen=2, held_stolen=1)
    tally.incidents[Label.AMOUNT] = {1, 2}
    tally.noticed[Label.AMOUNT] = {2}
    found = figures(tally)
    assert (found["precision"], found["false_positives_per_10000"], found["recall_of_incidents"]) == (
        0.5,
        5000.0,
        {"amount": 0.5},
    )


def test_what_is_stolen_and_held_teaches_nothing() -> None:
    """Else the hundredth theft would be usual."""
    calm = [Paid(at=day * 86_400.0, account=0, amount=1000 + day, label=Label.HONEST) for day in range(100)]
    thefts = [
        Paid(at=9e6 + number * 86_400, account=0, amount=100_000, label=Label.AMOUNT, incident=number) for number in range(200)
    ]
    tally = judge(iter([*calm, *thefts]), Limits())
    assert tally.held_stolen == 200 and tally.held_honest == 0
