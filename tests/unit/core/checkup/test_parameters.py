"""Every parameter that the design rests on is found wrong, right, and not told."""

import pytest

from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Override, Parameter
from controller.core.checkup.finding import Finding, Verdict
from controller.core.checkup.fleet import databases
from controller.core.checkup.parameters import RULES
from tests.unit.core.checkup.sound import AWS, GCP, SERVICE, Trio, server, trio, with_parameter, with_server

WRONG: dict[Check, tuple[tuple[str, Verdict], ...]] = {
    Check.WAL_LEVEL: (("replica", Verdict.BAD), ("minimal", Verdict.BAD)),
    Check.FSYNC: (("off", Verdict.BAD),),
    Check.FULL_PAGE_WRITES: (("off", Verdict.BAD),),
    Check.SYNCHRONOUS_COMMIT: (("off", Verdict.BAD),),
    Check.DEFAULT_TRANSACTION_ISOLATION: (("repeatable read", Verdict.BAD), ("serializable", Verdict.BAD)),
    Check.DEFAULT_TRANSACTION_READ_ONLY: (("on", Verdict.BAD),),
    Check.SESSION_REPLICATION_ROLE: (("replica", Verdict.BAD),),
    Check.MAX_SLOT_WAL_KEEP_SIZE: (("0", Verdict.BAD), ("1023", Verdict.BAD), ("-2", Verdict.BAD)),
    Check.IDLE_REPLICATION_SLOT_TIMEOUT: (("60", Verdict.BAD),),
    Check.WAL_RECEIVER_STATUS_INTERVAL: (("0", Verdict.BAD), ("11", Verdict.BAD)),
    Check.WAL_SENDER_TIMEOUT: (("60000", Verdict.WARNING), ("0", Verdict.WARNING)),
    Check.WAL_RECEIVER_TIMEOUT: (("60000", Verdict.WARNING), ("0", Verdict.WARNING)),
    Check.WAL_RETRIEVE_RETRY_INTERVAL: (("60000", Verdict.WARNING),),
    Check.PASSWORD_ENCRYPTION: (("md5", Verdict.BAD),),
    Check.SSL_MIN_PROTOCOL_VERSION: (("TLSv1", Verdict.BAD), ("TLSv1.1", Verdict.BAD), ("", Verdict.BAD)),
    Check.TRACK_COMMIT_TIMESTAMP: (("off", Verdict.WARNING),),
    Check.LOG_ERROR_VERBOSITY: (("default", Verdict.WARNING), ("verbose", Verdict.WARNING)),
    Check.LOG_MIN_ERROR_STATEMENT: (("error", Verdict.WARNING),),
    Check.LOG_STATEMENT: (("all", Verdict.WARNING), ("mod", Verdict.WARNING)),
}


def found(given: Trio, check: Check, subject: str = "payments at aws") -> Finding:
    (one,) = [one for one in databases(SERVICE, given) if one.check is check and one.subject == subject]
    return one


def test_every_rule_has_its_wrong_values() -> None:
    """A rule that no test has seen to refuse may refuse nothing."""
    assert WRONG.keys() == RULES.keys()


@pytest.mark.parametrize(("check", "value", "verdict"), [(check, *case) for check, cases in WRONG.items() for case in cases])
def test_a_wrong_parameter_is_found_where_it_is(check: Check, value: str, verdict: Verdict) -> None:
    """With what was seen, what is needed, and the way to set it; the other sites stay good."""
    one = found(with_parameter(check, value), check)
    assert (one.verdict, one.value) == (verdict, value or "(empty)")
    assert one.limit == RULES[check].wanted
    assert "parameter group" in one.way_out and RULES[check].set_to in one.way_out
    assert found(with_parameter(check, value), check, "payments at gcp").verdict is Verdict.GOOD


@pytest.mark.parametrize("check", RULES)
def test_a_parameter_that_is_not_told_is_unknown(check: Check) -> None:
    """Silence is not agreement; a parameter that only newer versions have is no silence."""
    expected = Verdict.GOOD if RULES[check].optional else Verdict.UNKNOWN
    assert found(with_parameter(check, None), check).verdict is expected
    assert {check for check, rule in RULES.items() if rule.optional} == {Check.IDLE_REPLICATION_SLOT_TIMEOUT}


@pytest.mark.parametrize("check", RULES)
def test_what_a_rule_advises_satisfies_it(check: Check) -> None:
    """Who follows the way out is not sent round in circles."""
    assert RULES[check].met(RULES[check].set_to.strip("'"))


def test_azures_own_values_are_good() -> None:
    """It keeps them for itself: -1 for the cap on slots, 5 s before a worker is begun anew."""
    assert found(with_parameter("max_slot_wal_keep_size", "-1"), Check.MAX_SLOT_WAL_KEEP_SIZE).verdict is Verdict.GOOD
    assert found(with_parameter("wal_retrieve_retry_interval", "5000"), Check.WAL_RETRIEVE_RETRY_INTERVAL).verdict is Verdict.GOOD


def test_the_way_out_speaks_the_vendors_language() -> None:
    """On RDS and Cloud SQL wal_level cannot be set; what can is named."""
    assert "rds.logical_replication = 1" in found(with_parameter("wal_level", "replica"), Check.WAL_LEVEL).way_out
    at_google = found(with_parameter("wal_level", "replica", GCP), Check.WAL_LEVEL, "payments at gcp").way_out
    assert "cloudsql.logical_decoding = on" in at_google and "flag" in at_google


def test_a_restart_that_is_needed_is_said() -> None:
    """Who changes it in the middle of the day and sees nothing happen would change it again."""
    told = {**server(AWS).parameters, "wal_level": Parameter(value="replica", restarts=True)}
    assert "restart the server at a quiet time" in found(with_server(AWS, parameters=told), Check.WAL_LEVEL).way_out


def test_a_value_that_waits_for_a_restart_is_told() -> None:
    """Nobody runs with it."""
    told = {**server(AWS).parameters, "max_wal_senders": Parameter(value="30", restarts=True, pending=True)}
    one = found(with_server(AWS, parameters=told), Check.RESTART_PENDING)
    assert (one.verdict, one.value) == (Verdict.WARNING, "max_wal_senders")
    assert found(trio(), Check.RESTART_PENDING).verdict is Verdict.GOOD


def test_an_override_goes_before_the_servers_value() -> None:
    """One role's synchronous_commit = off acknowledges payments that are on no disk; one that only says what holds anyhow is harmless."""
    harmful = Override(role="payments_app", name="synchronous_commit", value="off")
    harmless = Override(role="payments_app", name="synchronous_commit", value="on")
    one = found(with_server(AWS, overrides=(harmless, harmful)), Check.OVERRIDES)
    assert (one.verdict, one.value) == (Verdict.BAD, "payments_app has synchronous_commit = off")
    assert "RESET synchronous_commit" in one.way_out
    assert found(with_server(AWS, overrides=(harmless,)), Check.OVERRIDES).verdict is Verdict.GOOD


@pytest.mark.parametrize(("whole", "verdict"), [("16", Verdict.BAD), ("17", Verdict.GOOD), (None, Verdict.UNKNOWN)])
def test_workers_of_replication_have_their_places(whole: str | None, verdict: Verdict) -> None:
    """Of sixteen background processes one is the launcher, so sixteen workers would not fit."""
    assert found(with_parameter("max_worker_processes", whole), Check.MAX_WORKER_PROCESSES).verdict is verdict
