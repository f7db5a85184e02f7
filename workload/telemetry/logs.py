"""Logs: one JSON object a line, with the trace and the span it belongs to, and no number that nobody may see.

Everything that a process writes goes through here: its own events, what libraries tell the standard `logging`, warnings, and what would
otherwise end as a traceback on standard error. Tracebacks carry no values of variables.
"""

import logging
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from workload.telemetry.redaction import redact_event
from workload.telemetry.steps import here

log = structlog.get_logger()


def log_json(stream: TextIO | None = None) -> None:
    """One JSON line per event on `stream` (standard output), from here on."""
    structlog.configure(
        processors=list(processors()),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    # Their news is that a collector is away. The exporter says it once; they would say it every few seconds.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    sys.excepthook = _say_uncaught
    threading.excepthook = _say_uncaught_in_thread
    sys.unraisablehook = _say_unraisable


def processors() -> tuple[Processor, ...]:
    """In this order: what was said is redacted last, and our own ids and times are added after that, so that nothing can touch them."""
    return (
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact_event,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace,
        structlog.processors.JSONRenderer(),
    )


def add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor of structlog: which trace and which span this was said in, unless the event says so itself."""
    under_way = here()
    if under_way is not None and "trace_id" not in event:
        event["trace_id"], event["span_id"] = f"{under_way.trail.trace:032x}", f"{under_way.id:016x}"
    return event


class _Forward(logging.Handler):
    """What libraries say becomes an event like any other. Without it the server's "Exception in ASGI application" goes to standard error
    as it is, with a message that may quote the request's body."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception as error:  # noqa: BLE001  a line that cannot be written must not end what was worth a line
            log.warning("a line of a library could not be written", logger=record.name, error=type(error).__name__)


def _say_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught", exc_info=(kind, error, trace))


def _say_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    log.critical("uncaught in a thread", exc_info=uncaught.exc_value or True)


def _say_unraisable(uncaught: "sys.UnraisableHookArgs") -> None:
    log.error("nobody could be told", what=uncaught.err_msg, exc_info=uncaught.exc_value or True)
