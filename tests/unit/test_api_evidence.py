"""What a controller shows to an audit: its own, page by page, and nothing is changed by asking."""

import json

import pytest

from controller.coordination.codec import encode
from controller.ports_audit import HeadName
from tests.unit.audit.ground import KEYS, SIGNERS, chained, head
from tests.unit.cli.conftest import driven
from tests.unit.core.worlds import AWS, GCP
from tests.unit.room import room

pytestmark = pytest.mark.asyncio
SERVICE = "/v1/services/payments/audit"


async def test_each_controller_shows_its_own_copy_and_heads_page_by_page() -> None:
    """And the keys that its settings name, without anything that is secret."""
    entries = chained(5)
    signed = {number: head(entries[number - 1], SIGNERS["aws"]) for number in (2, 4, 5)}
    async with room(keys=KEYS) as given:
        await given.copies[AWS].keep_journal(3, {one.sequence: encode(one) for one in entries})
        names = {
            HeadName(sequence=number, controller="aws", digest=one.head.digest): encode(one) for number, one in signed.items()
        }
        await given.copies[AWS].keep_heads(names)
        status, said = await given.get(SERVICE)
        assert status == 200 and said["branches"] == {"3": 5}
        assert [one["controller"] for one in said["keys"]] == ["aws", "azure", "gcp"]
        _, page = await given.get(f"{SERVICE}/copy-3?limit=2")
        assert [json.loads(text)["sequence"] for _, text in page["texts"]] == [1, 2] and page["next"] == "2"
        _, page = await given.get(f"{SERVICE}/copy-3?after=4")
        assert [text for _, text in page["texts"]] == [encode(entries[4])]
        _, page = await given.get(f"{SERVICE}/kept?limit=2")
        _, rest = await given.get(f"{SERVICE}/kept?after={page['next']}")
        assert [text for _, text in [*page["texts"], *rest["texts"]]] == [encode(one) for one in signed.values()]
        _, others = await given.get(SERVICE, GCP)
        assert others["branches"] == {}, "nobody shows another site's"


@pytest.mark.parametrize(
    "path", ["nothing", "copy-x", "copy-", "kept?after=x", "posted?after=1/2", "copy-1?after=x", "kept?limit=x"]
)
async def test_what_cannot_be_read_is_told(path: str) -> None:
    """Kinds that there are not, places that are none."""
    async with room() as given:
        status, said = await given.get(f"{SERVICE}/{path}")
        assert status == 400 and said["type"] == "/problems/unreadable-request"


async def test_a_node_or_an_etcd_that_does_not_answer_is_told() -> None:
    """And no other service is shown."""
    async with room() as given:
        assert (await given.get("/v1/services/vault/audit"))[0] == 404
        given.world.crash(AWS)
        async with driven(given):
            assert (await given.get(SERVICE))[0] == 503
            given.etcd.majority = False
            assert (await given.get(f"{SERVICE}/posted"))[0] == 503
