"""Lines of a log: JSON, with their trace, and without what nobody may see, whoever says it."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.unit.workload.telemetry.requests import Clock
from workload.telemetry.logs import log_json
from workload.telemetry.redaction import REDACTED
from workload.telemetry.steps import Step, Trail, follow, step

CARD = "4111 1111 1111 1111"


def fail(error: Exception) -> None:
    """What something deep inside does."""
    raise error


class Written:
    """A process's standard output."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        """Every line, each of which must be JSON."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    """Logging as in a process of a service, and as it was afterwards."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    old, handlers, level = structlog.get_config(), list(root.handlers), root.level
    library = logging.getLogger("opentelemetry").level
    found = Written()
    log_json(found.stream)
    yield found
    logging.captureWarnings(False)
    structlog.configure(**old)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("opentelemetry").setLevel(library)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def test_a_line_knows_its_trace(written: Written) -> None:
    """The innermost step that is under way; none outside of requests."""
    clock, log = Clock(), structlog.get_logger()
    trail = Trail(trace=0xABC, caller=None, sampled=False, clock=clock.steady, wall=clock.wall())
    with follow(trail, "request"), step("barrier") as barrier:
        log.info("inside", epoch=2)
    log.warning("outside")
    inside, outside = written.lines()
    assert isinstance(barrier, Step)
    assert (inside["trace_id"], inside["span_id"]) == (f"{0xABC:032x}", f"{barrier.id:016x}")
    assert (inside["event"], inside["level"], inside["epoch"]) == ("inside", "info", 2)
    assert "trace_id" not in outside and outside["level"] == "warning"
    assert "timestamp" in outside


def test_no_line_holds_a_number(written: Written) -> None:
    """In the event, in a field, in a field's name, in an exception's message, cause and traceback."""
    log = structlog.get_logger()
    log.error(f"cannot read {CARD}", body={"number": CARD, CARD: 1}, raw=CARD.encode())
    try:
        try:
            fail(ValueError(CARD))
        except ValueError as error:
            raise RuntimeError(f"again {CARD}") from error
    except RuntimeError:
        log.exception("failed")
    text = written.stream.getvalue()
    assert "1111 1111" not in text and text.count(REDACTED) >= 6
    assert "RuntimeError: again" in written.lines()[1]["exception"]


def test_a_traceback_shows_no_values_of_variables(written: Written) -> None:
    """Locals are where numbers are."""

    def open_envelope(secret: str) -> None:
        raise RuntimeError("cannot be opened")

    try:
        open_envelope("held in a variable")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    assert "held in a variable" not in written.lines()[0]["exception"].replace('open_envelope("held in a variable")', "")


def test_what_libraries_say_is_a_line_like_any_other(written: Written) -> None:
    """The server's own words about a defect among them."""
    try:
        fail(ValueError(f"input {CARD}"))
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application: %s", CARD)
    logging.getLogger("asyncio").warning("slow")
    logging.getLogger("uvicorn.error").info("not of interest")
    broken = logging.LogRecord("broken", logging.ERROR, __file__, 1, "%d", ("no number",), None)
    ours = next(handler for handler in logging.getLogger().handlers if "pytest" not in type(handler).__module__)
    ours.handle(broken)  # to ours alone: other people's handlers fail at it
    first, second, third = written.lines()
    assert (first["logger"], first["level"], second["event"]) == ("uvicorn.error", "error", "slow")
    assert (third["error"], "1111 1111" in written.stream.getvalue()) == ("TypeError", False)


def test_warnings_and_last_words_are_lines(written: Written) -> None:
    """What would end on standard error as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # what tests run in has put its own in place since
        logging.captureWarnings(True)
        warnings.warn(f"about {CARD}", stacklevel=1)
    try:
        fail(RuntimeError(CARD))
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=lambda: int(CARD))
    thread.start()
    thread.join()
    lines = written.lines()
    assert [line["level"] for line in lines[-2:]] == ["critical", "critical"]
    assert "ValueError" in lines[-1]["exception"] and "1111 1111" not in written.stream.getvalue()
