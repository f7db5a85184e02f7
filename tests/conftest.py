"""What every test may rely on, however the tests were started."""

import signal
from collections.abc import Iterator

import pytest
import structlog

# A job that a shell put into the background ignores Ctrl-C, and so does everything it starts: tests of Ctrl-C would wait for an end
# that never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A program that a test carries out in its own process may turn down what is logged; the tests after it look at logs."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
