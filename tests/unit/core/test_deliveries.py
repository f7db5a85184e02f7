"""Whose turn it is to tell, how long everybody waits, and what becomes of receipts."""

from dataclasses import replace
from datetime import timedelta

from controller.core.deliveries import (
    Cursor,
    Outcome,
    Pace,
    Receipt,
    Turn,
    due,
    failed,
    filed,
    pause,
    receipted,
    told_up_to,
    turn,
)
from controller.core.incidents import Situation
from controller.core.messages import RANK, Severity, worse
from tests.unit.core.journals import Journal
from tests.unit.core.worlds import START

PACE = Pace()
ALL = frozenset({"aws", "azure", "gcp"})
FREE = Cursor(sequence=4, digest="d")
NOW = timedelta()


def test_a_free_cursor_is_anybodys_and_a_held_one_its_holders() -> None:
    """Until it has not moved for longer than any attempt takes: then its holder is gone."""
    assert turn(FREE, "aws", ALL, NOW, PACE) is Turn.TAKE
    held = replace(FREE, holder="gcp")
    assert turn(held, "gcp", ALL, NOW, PACE) is Turn.GO_ON
    assert turn(held, "aws", ALL, PACE.patience - timedelta(seconds=1), PACE) is Turn.WAIT
    assert turn(held, "aws", ALL, PACE.patience, PACE) is Turn.TAKE
    assert PACE.patience > PACE.deadline + timedelta(seconds=1), "who is still trying is not gone"


def test_after_a_failure_others_try_first_and_then_everybody_rests_longer_and_longer() -> None:
    """Three at once, then a second, two, four, and never more than a minute."""
    cursor, tried = FREE, []
    for _ in range(3):
        (able, *_) = sorted(one for one in ALL if turn(cursor, one, ALL, NOW, PACE) is Turn.TAKE)
        tried.append(able)
        cursor = failed(cursor, able, ALL, None)
    assert tried == sorted(ALL)
    pauses = []
    for _ in range(9):
        assert all(turn(cursor, one, ALL, NOW, PACE) is Turn.WAIT for one in ALL)
        assert turn(cursor, "aws", ALL, pause(cursor, 3, PACE), PACE) is Turn.TAKE
        pauses.append(pause(cursor, 3, PACE).total_seconds())
        for one in sorted(ALL):
            cursor = failed(cursor, one, ALL, None)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_who_waits_for_the_others_does_not_wait_for_ever() -> None:
    """gcp lives, and does not tell: aws, which has failed, tries again after a while."""
    cursor = failed(FREE, "aws", ALL, None)
    assert turn(cursor, "aws", ALL, PACE.first_pause, PACE) is Turn.WAIT
    assert turn(cursor, "aws", ALL, PACE.first_pause + PACE.patience, PACE) is Turn.TAKE
    assert turn(cursor, "aws", frozenset({"aws"}), PACE.first_pause, PACE) is Turn.TAKE, "alone"


def test_success_forgets_failures() -> None:
    """The next message is nobody's failure."""
    cursor = told_up_to(failed(FREE, "aws", ALL, timedelta(seconds=9)), 5, "e", Situation())
    assert (cursor.sequence, cursor.tries, cursor.passed, cursor.rest_s, cursor.holder) == (5, 0, (), 0.0, "")


def test_receipts_are_one_entry_for_a_message_once_every_channel_has_one() -> None:
    """Or after a minute those that there are, with the names of those that are missing."""
    journal = Journal()
    message = journal.write("rebuilt", sentence="s")
    assert message is not None
    receipt = Receipt(outcome=Outcome.ACCEPTED, by="aws", at=START, tries=1, detail="202")
    filings = receipted((), message, ["chat", "pager"], "pager", receipt)
    assert not due(filings, START, PACE)
    (late,) = due(filings, START + PACE.filed_after, PACE)
    assert "not yet chat" in str(filed(late)["sentence"])
    filings = receipted(filings, message, ["chat", "pager"], "chat", replace(receipt, by="gcp", tries=2))
    (one,) = due(filings, START, PACE)
    assert filed(one)["sentence"] == "told of entry 1: chat accepted, pager accepted"


def test_severities_are_ordered() -> None:
    """The most urgent first."""
    assert sorted(Severity, key=RANK.__getitem__) == [Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.INFO]
    assert worse(Severity.INFO, Severity.ERROR) is Severity.ERROR
