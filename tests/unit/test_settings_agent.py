"""Where the agent beside the own site's edge is, in a controller's settings."""

from collections.abc import Callable

from controller.settings import Settings
from tests.unit.test_settings import document, problems, read  # noqa: F401  read is a fixture


def test_a_sites_agent_is_optional_and_a_base_url(read: Callable[..., Settings]) -> None:  # noqa: F811
    """Without one nobody tells of that site's traffic."""
    given = document()
    given["sites"]["aws"]["agent"] = "http://127.0.0.1:8010/"
    settings = read(given)
    assert {site: seen.agent for site, seen in settings.sites.items()} == {
        "aws": "http://127.0.0.1:8010",
        "azure": None,
        "gcp": None,
    }
    given["sites"]["aws"]["agent"] = "127.0.0.1:8010"
    assert problems(read, given) == {"sites.aws.agent": "a base URL such as \"http://127.0.0.1:8001\", not '127.0.0.1:8010'"}
