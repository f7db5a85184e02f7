"""Which sites owe what was acknowledged, told by the databases alone, for a run that ends while etcd is silent."""

from controller.core.model import Epoch, Role
from controller.core.naming import stream
from lab.witness import absence_by_rows
from tests.unit.core.worlds import AWS, AZURE, GCP, follower, writing

REIGN = Epoch(3)
COUNTS = writing(GCP, reign=REIGN, ack_slots=(stream("payments", REIGN, GCP, AZURE),))
"""gcp writes in epoch 3, and azure alone counts."""


def test_a_site_that_has_not_returned_owes_nothing() -> None:
    """aws still believes that it writes in epoch 2: what it lacks of epoch 3 is not lost, and what azure lacks is."""
    facts = {"aws": writing(AWS, reign=2), "azure": follower(AZURE, GCP, REIGN), "gcp": COUNTS}
    assert absence_by_rows("payments", "gcp", facts) == absence_by_rows("payments", "azure", facts) == ""
    assert absence_by_rows("payments", "aws", facts) == "aws is writer, not yet a follower"


def test_who_streams_and_is_not_counted_owes_nothing() -> None:
    """aws was copied and follows; no payment waits for its word yet."""
    facts = {"aws": follower(AWS, GCP, REIGN), "azure": follower(AZURE, GCP, REIGN), "gcp": COUNTS}
    assert absence_by_rows("payments", "aws", facts) == "aws does not count for acknowledgements yet"


def test_who_is_silent_owes_nothing_and_who_answers_does() -> None:
    """A ledger that cannot be asked is told apart elsewhere."""
    assert absence_by_rows("payments", "azure", {"gcp": COUNTS}) == "azure is silent, not yet a follower"
    assert absence_by_rows("payments", "gcp", {"gcp": COUNTS}) == ""


def test_without_a_writer_nobody_knows_who_owes() -> None:
    """Everybody was cut and nobody has opened; or two say that they write, which is another promise."""
    fenced = writing(GCP, reign=REIGN, role=Role.FENCED)
    assert "0 sites write in epoch 3" in absence_by_rows("payments", "gcp", {"gcp": fenced, "azure": follower(AZURE, GCP, REIGN)})
    both = {"gcp": COUNTS, "aws": writing(AWS, reign=REIGN)}
    assert "2 sites write in epoch 3" in absence_by_rows("payments", "gcp", both)
