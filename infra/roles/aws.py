"""The site on AWS."""

from infra.settings import Settings


def build(settings: Settings) -> None:
    """Everything the site has."""
