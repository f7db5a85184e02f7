"""What a node says about itself, and what is made of an answer that says nothing."""

import pytest

from controller.core.model import Site
from controller.errors import Unsupported
from controller.postgres.database import understood

SITE = Site("gcp")


@pytest.mark.parametrize(
    "rows",
    [[], [[]], [[()]], [[(None,)]], [[({},)]], [[("nonsense",)]], [[({"site": "gcp", "role": "king"},)]]],
    ids=["nothing", "no row", "no column", "no node", "no field", "no object", "no role"],
)
def test_an_answer_that_names_no_node_is_one_of_our_errors(rows: list[list[tuple[object, ...]]]) -> None:
    """A schema without its row says NULL: this vantage cannot ask that node, which is unknown and no end of a controller."""
    with pytest.raises(Unsupported, match="gcp"):
        understood(SITE, rows)
