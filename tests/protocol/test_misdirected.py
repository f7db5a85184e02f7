"""A line copied in the settings: the address of gcp is aws's. Nothing may be believed of a node that is somebody else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.model import Epoch, Token
from controller.errors import Denied
from controller.postgres.database import PostgresDatabase
from controller.postgres.session import Sessions
from tests.protocol.trio import AWS, AZURE, GCP, Trio


async def test_a_node_that_is_not_who_was_dialled_answers_nothing(trio: Trio) -> None:
    """Its facts are refused, and so is the cut: two members read from one node would elect it "level" while the third holds more. A
    fence under the wrong name neither closes the writer nor ends anybody's session."""
    misdirected = {
        site: PostgresDatabase(replace(trio.nodes[site], sessions=Sessions(trio.nodes[at].sessions.address, site=site)))
        for site, at in ((GCP, AWS), (AWS, AZURE))
    }
    for database in misdirected.values():
        with pytest.raises(Denied, match="settings"):
            await database.facts(timedelta(seconds=1))
        with pytest.raises(Denied, match="settings"):
            await database.cut(token=Token(100), epoch=Epoch(2), writer=AZURE, reign=Epoch(1))
        with pytest.raises(Denied, match="settings"):
            await database.fence(token=Token(100), reign=Epoch(2))
        await database.close()
    assert await trio.pay()
