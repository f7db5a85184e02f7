"""What is to be thought of the sites' traffic, as documents, and as warnings with the way out. It blocks nothing and moves nothing."""

from collections.abc import Mapping

from controller.core.comparison import SUBJECT, Word, failing
from controller.core.model import Site

Document = Mapping[str, object]

LIMIT = "what is usual there, as at the other sites"
WAY_OUT = (
    "Look at its service and at its edge's /status. Nothing is drained for this: it is one vantage's word. "
    "Stop the service there if it cannot be mended: its edge then hands requests to the other sites."
)


def document(word: Word | None) -> Document | None:
    """One site's; None when its vantage does not tell of traffic."""
    return None if word is None else {"health": word.health, "detail": word.detail, "age_s": _seconds(word)}


def warnings(found: Mapping[Site, Word]) -> list[Document]:
    """Every site whose traffic speaks against it, in the form of the providers' warnings."""
    return [
        {
            "site": site,
            "subject": SUBJECT,
            "age_s": _seconds(word),
            "value": word.detail,
            "limit": LIMIT,
            "way_out": WAY_OUT,
            "said": f"{site}'s {SUBJECT}: {word.detail}; needs {LIMIT}. {WAY_OUT}",
        }
        for site, word in failing(found)
    ]


def _seconds(word: Word) -> float:
    return round(word.age.total_seconds(), 3)
