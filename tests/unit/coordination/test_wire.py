"""The gateway's spelling: checked against answers of real members, and against what may be left out of them."""

import pytest

from controller.coordination.endpoints import Endpoints
from controller.coordination.transaction import Item, Put, Range, Remove, Txn, below
from controller.coordination.wire import spell, understand


def test_a_writing_transaction_reads_only_when_refused() -> None:
    """Comparison by revision, writes on success, reads on failure; numbers are strings and keys base64."""
    txn = Txn(unchanged={"a": 7}, writes=(Put(key="a", value="é", lease=5), Remove(key="b")), reads=(Range(key="a"),))
    assert spell(txn) == {
        "compare": [{"key": "YQ==", "target": "MOD", "result": "EQUAL", "mod_revision": "7"}],
        "success": [
            {"request_put": {"key": "YQ==", "value": "w6k=", "lease": "5"}},
            {"request_delete_range": {"key": "Yg=="}},
        ],
        "failure": [{"request_range": {"key": "YQ=="}}],
    }


def test_a_reading_transaction_reads() -> None:
    """Without writes there is nothing to compare, and the reads are the point."""
    body = spell(Txn(reads=(Range(key="a/", end="a0", limit=3),)))
    assert body["success"] == [{"request_range": {"key": "YS8=", "range_end": "YTA=", "limit": "3"}}]


def test_zeroes_that_are_left_out_are_understood() -> None:
    """Protobuf leaves out what is zero, false or empty."""
    answer = understand({"header": {"revision": "9"}, "responses": [{"response_range": {"header": {}}}]})
    assert (answer.succeeded, answer.revision, answer.found) == (False, 9, ((),))
    pair = {"key": "YQ==", "mod_revision": "4"}
    answer = understand({"header": {"revision": "9"}, "succeeded": True, "responses": [{"response_range": {"kvs": [pair]}}]})
    assert answer.found == ((Item(key="a", value="", revision=4, lease=0),),)


def test_below_a_prefix_is_everything_under_it_and_nothing_else() -> None:
    """The end is the next prefix, so a neighbour with a longer name is not in it."""
    wanted = below("/trimaran/pay/journal/")
    assert wanted.end is not None
    inside, outside = ("/trimaran/pay/journal/9",), ("/trimaran/pay/journal_head", "/trimaran/pay/journal0")
    assert all(wanted.key <= key < wanted.end for key in inside)
    assert not any(wanted.key <= key < wanted.end for key in outside)


@pytest.mark.parametrize(
    ("txn", "repeatable"),
    [
        (Txn(reads=(Range(key="a"),)), True),
        (Txn(unchanged={"a": 1}, writes=(Put(key="a", value=""),)), True),
        (Txn(unchanged={"a": 1}, writes=(Remove(key="a"),)), True),
        (Txn(writes=(Put(key="a", value=""),)), False),
        (Txn(unchanged={"a": 1}, writes=(Put(key="b", value=""),)), False),
    ],
)
def test_only_what_guards_itself_is_sent_twice(txn: Txn, repeatable: bool) -> None:
    """Comparing one key and writing another protects nothing: the second application would pass as well."""
    assert txn.repeatable is repeatable


def test_the_first_endpoint_is_used_until_it_fails() -> None:
    """Own site first; a failure steps on once, however many calls it hit."""
    ring = Endpoints(["http://own/", "http://b", "http://c"])
    assert ring.current == "http://own"
    ring.failed("http://own")
    ring.failed("http://own")
    assert ring.current == "http://b"
    ring.failed("http://b")
    ring.failed("http://c")
    assert ring.current == "http://own"


def test_no_endpoint_is_an_error_at_once() -> None:
    """A client that could never ask is not built."""
    with pytest.raises(ValueError, match="endpoint"):
        Endpoints([])
