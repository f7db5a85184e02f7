"""The bench of the detector: the same traffic for the same seed, and figures that can be bad."""

from collections import defaultdict
from dataclasses import replace
from statistics import median

from detection.score import Limits
from lab.bench import ALL, ENDS
from lab.bench_detection import Tally, figures, judge, of_payments
from lab.bench_detection_part import Detection, out_of_bounds
from lab.bench_detection_world import Label, Paid, World, generate

WELL = {"false_in_calm": 0, "false_in_crowds": {"slow": 0}, "recall": {"slow": 1.0, "failing": 1.0}}
SMALL = World(seed=1, accounts=12, days=40)


def test_traffic_is_the_same_for_the_same_seed_and_in_order_of_time() -> None:
    """Another seed makes another traffic."""
    first = list(generate(SMALL))
    assert first == list(generate(SMALL)) == sorted(first, key=lambda paid: (paid.at, paid.account))
    assert first != list(generate(replace(SMALL, seed=2)))
    assert {paid.label for paid in generate(replace(SMALL, anomalies=5.0))} == set(Label)


def test_no_threshold_is_right_about_all_of_it() -> None:
    """Honest accounts pay a hundred times their median and more, thieves take six times; some always pay the same, some change for good."""
    honest, stolen = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for paid in generate(World(seed=1)):
        if paid.label is not Label.BURST:
            (honest if paid.label is Label.HONEST else stolen)[paid.account].append(paid.amount)
    usual = {account: median(amounts) for account, amounts in honest.items()}
    large = [max(amounts) / usual[account] for account, amounts in honest.items()]
    assert max(large) > 100 and sum(times > 30 for times in large) > 10
    assert min(amount / usual[account] for account, amounts in stolen.items() for amount in amounts) < 6
    steady = [amounts for amounts in honest.values() if amounts.count(round(median(amounts))) > 0.9 * len(amounts)]
    assert len(steady) > 20
    late = {account: median(amounts[-20:]) / median(amounts[:20]) for account, amounts in honest.items() if len(amounts) > 100}
    assert sum(times > 10 for times in late.values()) > 2 and sum(times < 0.1 for times in late.values()) > 2


def test_what_the_detector_is_measured_at_is_within_bounds() -> None:
    """The figures of docs/screening.md: seed 1, 200 accounts, sixty days. A detector that is worse than they say is found here."""
    found = of_payments(World(seed=1), Limits())
    assert found["payments"] == 108_516
    assert list(out_of_bounds([found], WELL)) == []
    assert found["false_positives_per_10000"] < 20 and found["longest_row_of_false_positives"] < 30
    assert found["recall_of_incidents"]["amount"] >= 0.5 and found["recall_of_incidents"]["burst"] > 0.95


def test_what_is_out_of_bounds_is_said_and_breaks_the_bench() -> None:
    """One line for each; the bench keeps no word for it."""
    bad = {
        "seed": 1,
        "false_positives_per_10000": 2000.0,
        "longest_row_of_false_positives": 199,
        "recall_of_incidents": {"amount": 0.1, "burst": 0.2},
    }
    traffic = {"false_in_calm": 3, "false_in_crowds": {"slow": 40}, "recall": {"slow": 0.1, "failing": None}}
    assert len(list(out_of_bounds([bad], traffic))) == 7
    part = Detection(say=lambda _: None)
    assert part.figures()["broken"] == 0 and ALL[-1] == part.name
    part.wrong = tuple(out_of_bounds([bad], traffic))
    assert part.figures()["broken"] == 7 and "broken" in ENDS


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
