"""The name in the certificate of an edge that is dialled by its address, in a controller's settings."""

from collections.abc import Callable

import pytest

from controller.settings import Settings
from tests.unit.test_settings import document, problems, read  # noqa: F401  read is a fixture


def test_an_edges_name_is_optional(read: Callable[..., Settings]) -> None:  # noqa: F811
    """Without one an edge is believed by what its URL says, as ever."""
    given = document()
    given["sites"]["aws"] = {"edge": "https://192.0.2.10", "edge_name": "api.pay.example.com"}
    settings = read(given)
    assert {site: seen.edge_name for site, seen in settings.sites.items()} == {
        "aws": "api.pay.example.com",
        "azure": None,
        "gcp": None,
    }


@pytest.mark.parametrize("name", ["", "https://api.pay.example.com", "api.pay.example.com:443", "api.pay.example.com.", "a..b"])
def test_what_can_stand_in_no_certificate_is_no_name(name: str, read: Callable[..., Settings]) -> None:  # noqa: F811
    """A URL, a port, a dot at the end: the edge would never be believed."""
    given = document()
    given["sites"]["aws"] = {"edge": "https://192.0.2.10", "edge_name": name}
    assert "a host name, as in a certificate" in problems(read, given)["sites.aws.edge_name"]


def test_who_names_a_certificate_is_shown_one(read: Callable[..., Settings]) -> None:  # noqa: F811
    """In the open nobody shows any."""
    given = document()
    given["sites"]["gcp"] = {"edge": "http://192.0.2.30", "edge_name": "api.pay.example.com"}
    assert problems(read, given) == {"sites.gcp.edge": "an https:// address, since there is edge_name"}
