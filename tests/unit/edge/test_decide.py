"""The posture says who may serve, the edge's eyes who is well; together they are shares."""

from collections.abc import Mapping
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Health, Site
from edge.decide import PATIENCE, STEPS, WHOLE, Doing, Seen, Shares, State, decide

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
SITES = (AWS, AZURE, GCP)
RAMP = timedelta(seconds=10)
ZERO = timedelta(0)
WELL = dict.fromkeys(SITES, Health.HEALTHY)


def seen(
    weights: Mapping[Site, float] | None = None, ready: Mapping[Site, Health] | None = None, alive: Health = Health.HEALTHY
) -> Seen:
    """aws's edge; everybody serves and is well unless said otherwise."""
    even: Mapping[Site, float] = dict.fromkeys(SITES, 1.0)
    return Seen(site=AWS, weights={**even, **(weights or {})}, alive=alive, ready={**WELL, **(ready or {})}, ramp=RAMP)


def after(state: State, given: Seen, seconds: float) -> tuple[State, Shares]:
    """The decision at a moment."""
    return decide(state, given, timedelta(seconds=seconds))


def test_a_site_that_serves_keeps_its_requests_and_has_peers_to_spare() -> None:
    """The own service is asked first; the others, by ratio, when it fails."""
    _, shares = decide(State(), seen({AZURE: 3.0}), ZERO)
    assert shares == Shares(doing=Doing.SERVING, weights={AWS: WHOLE, AZURE: 192, GCP: 64})


def test_a_drained_site_hands_everything_over_by_the_postures_ratios() -> None:
    """It asks itself neither first nor at last, and takes nothing that others hand over."""
    _, shares = decide(State(), seen({AWS: 0.0, AZURE: 3.0}), ZERO)
    assert shares == Shares(doing=Doing.DRAINED, weights={AZURE: 192, GCP: 64}, accepts=False)


def test_a_site_that_the_posture_does_not_name_is_drained() -> None:
    """No weight is no traffic."""
    _, shares = decide(State(), Seen(site=AWS, weights={AZURE: 1.0}, alive=Health.HEALTHY, ready=WELL, ramp=RAMP), ZERO)
    assert shares.doing is Doing.DRAINED and shares.weights == {AZURE: WHOLE}


def test_nothing_is_handed_to_a_drained_site() -> None:
    """What the edge sees never adds a site to those that the posture lets serve."""
    _, shares = decide(State(), seen({AWS: 0.0, AZURE: 0.0}, {GCP: Health.FAILING}), ZERO)
    assert shares.weights == {GCP: WHOLE}
    _, shares = decide(State(), seen({AZURE: 0.0, GCP: 0.0}), ZERO)
    assert shares.weights == {AWS: WHOLE}


def test_a_site_that_comes_back_takes_over_in_steps() -> None:
    """A twentieth at once, half of it after half the ramp, all of it at its end; the rest goes where it went before."""
    state, _ = after(State(), seen({AWS: 0.0}), 0)
    shares_at: dict[float, Shares] = {}
    for tenth in range(111):
        state, shares_at[tenth / 10] = after(state, seen(), 1 + tenth / 10)
    own = {moment: shares.weights[AWS] for moment, shares in shares_at.items()}
    assert own[0.0] == round(WHOLE / STEPS) and own[5.0] == WHOLE // 2 and own[9.9] < WHOLE and own[10.0] == WHOLE
    assert list(own.values()) == sorted(own.values())
    assert len(set(own.values())) == STEPS
    assert shares_at[0.0].doing is Doing.RETURNING and shares_at[10.0].doing is Doing.SERVING
    assert shares_at[5.0].weights[AZURE] == shares_at[5.0].weights[GCP] == WHOLE // 4


def test_only_a_site_that_was_away_comes_back() -> None:
    """An agent that starts beside a site that serves gives it everything: nothing was taken from it."""
    assert decide(State(), seen(), ZERO)[1].doing is Doing.SERVING
    assert decide(State(served=True), seen(), ZERO)[1].doing is Doing.SERVING
    assert decide(State(served=False), seen(), ZERO)[1].doing is Doing.RETURNING


def test_a_site_whose_write_path_fails_hands_over_to_one_whose_works_after_a_while() -> None:
    """Not before the patience is over; itself comes last of all, others' requests are still taken, and the way back is a ramp."""
    broken = seen(ready={AWS: Health.FAILING, GCP: Health.FAILING})
    state, shares = after(State(served=True), broken, 0)
    assert shares.doing is Doing.SERVING
    state, shares = after(state, broken, PATIENCE.total_seconds() - 0.1)
    assert shares.doing is Doing.SERVING
    state, shares = after(state, broken, PATIENCE.total_seconds())
    assert shares == Shares(doing=Doing.UNWELL, weights={AZURE: WHOLE}, last_resort=True)
    _, shares = after(state, seen(), 60)
    assert shares.doing is Doing.RETURNING


def test_an_outage_of_the_writer_sends_nobody_abroad() -> None:
    """Every site is unready, and one of them is ready again a second before this one: requests stay at home throughout."""
    state = State(served=True)
    nobody, another = dict.fromkeys(SITES, Health.FAILING), {AWS: Health.FAILING, GCP: Health.FAILING}
    for seconds, ready in ((0.0, nobody), (4.0, nobody), (5.0, another), (6.0, another), (6.2, {}), (9.0, another), (11.0, {})):
        state, shares = after(state, seen(ready=ready), seconds)
        assert shares.doing is Doing.SERVING, seconds


def test_a_service_that_was_down_is_asked_again_once_its_write_path_works() -> None:
    """Down: others are asked, itself last. Alive again and not ready yet: still. Ready: a ramp. Nobody is ready: a ramp too."""
    away = Shares(doing=Doing.UNWELL, weights={AZURE: 128, GCP: 128}, last_resort=True)
    state, shares = after(State(served=True), seen(alive=Health.FAILING), 0)
    assert shares == away
    for ready in (Health.FAILING, Health.UNKNOWN):
        state, shares = after(state, seen(ready={AWS: ready}), 1)
        assert shares == away
    assert after(state, seen(), 2)[1].doing is Doing.RETURNING
    nobody = dict.fromkeys(SITES, Health.FAILING)
    assert after(state, seen(ready=nobody), 2)[1].doing is Doing.RETURNING


def test_the_only_site_that_may_serve_is_asked_though_it_is_down() -> None:
    """There is nobody else: HAProxy says 503 until it is back."""
    _, shares = after(State(served=True), seen({AZURE: 0.0, GCP: 0.0}, alive=Health.FAILING), 0)
    assert shares.weights == {AWS: WHOLE}


def test_unknown_readiness_moves_nothing() -> None:
    """An own check that has not ended accuses nobody; a peer's is no reason to go there."""
    for ready in ({AWS: Health.UNKNOWN}, {AWS: Health.FAILING, AZURE: Health.UNKNOWN, GCP: Health.UNKNOWN}):
        state, _ = after(State(served=True), seen(ready=ready), 0)
        assert after(state, seen(ready=ready), 60)[1].doing is Doing.SERVING


WEIGHTS = st.fixed_dictionaries(dict.fromkeys(SITES, st.sampled_from([0.0, 0.001, 1.0, 7.0]))).filter(lambda w: any(w.values()))
READY = st.fixed_dictionaries(dict.fromkeys(SITES, st.sampled_from(list(Health))))
MOMENTS = st.lists(st.tuples(WEIGHTS, st.sampled_from(list(Health)), READY, st.floats(0, 20)), min_size=1, max_size=12)


@given(MOMENTS)
def test_whatever_happens_somebody_who_may_serve_is_asked(
    moments: list[tuple[dict[Site, float], Health, dict[Site, Health], float]],
) -> None:
    """Weights that HAProxy takes, never all 0, none for a site that the posture drained, first or last."""
    state, now = State(), ZERO
    for weights, alive, ready, passed in moments:
        now += timedelta(seconds=passed)
        state, shares = decide(state, Seen(site=AWS, weights=weights, alive=alive, ready=ready, ramp=RAMP), now)
        allowed = {site for site, weight in weights.items() if weight > 0}
        assert shares.weights and set(shares.weights) <= allowed
        assert all(1 <= weight <= WHOLE for weight in shares.weights.values())
        assert shares.accepts == (AWS in allowed) and (AWS in allowed or not shares.last_resort)
