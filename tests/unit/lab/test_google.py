"""The emulated Google: what it refuses as the vendor does, and when what was changed is done, answered and told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.test import Client

from lab.clouds.google import Google, Settings

ZONE = "/dns/v1/projects/lab/managedZones/trimaran-test"
SQL = "/v1/projects/lab"
SERVICE = "projects/lab/locations/l/services/payments"
NAME = "pay.trimaran.test."


@dataclass
class Cloud:
    """One whose clock stands still until a test moves it."""

    now: float = 1000.0
    google: Google = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings(
            propagation=10,
            operation_seconds=8,
            instances={"main": {}, "copy": {"masterInstanceName": "lab:main"}},
            services={SERVICE: {}},
        )
        self.google = Google(settings, lambda: self.now)

    def ask(self, method: str, path: str, body: object = None, token: str = "lab") -> tuple[int, dict[str, Any]]:
        """Status and body of one answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = Client(self.google).open(path, method=method, json=body, headers=headers)
        return answer.status_code, json.loads(answer.data) if answer.data else {}

    def change(self, **parts: object) -> tuple[int, dict[str, Any]]:
        """One change of the zone."""
        return self.ask("POST", f"{ZONE}/changes", parts)

    def records(self) -> list[dict[str, Any]]:
        """A records, as the API lists them."""
        listed: list[dict[str, Any]] = self.ask("GET", f'{ZONE}/rrsets?filter=name=has_suffix("trimaran.test.") AND type="A"')[1][
            "rrsets"
        ]
        return listed

    def answered(self) -> list[tuple[tuple[str, ...], float | None]]:
        """A records, as the name servers answer them: values and weight."""
        news = self.google.dns.await_news("trimaran-test", 0, 0)
        return [(record.values, record.weight) for record in news.records if record.type == "A"] if news else []


@pytest.fixture
def cloud() -> Cloud:
    """A fresh one."""
    return Cloud()


def weighted(*weights: object, **more: object) -> dict[str, Any]:
    """A weighted record set."""
    items = [{"weight": weight, "rrdatas": [f"192.0.2.{number}"]} for number, weight in enumerate(weights, 1)]
    return {"name": NAME, "type": "A", "ttl": 5, "routingPolicy": {"wrr": {"items": items}}} | more


def reason(answer: tuple[int, Mapping[str, Any]]) -> tuple[int, str]:
    """Status and the vendor's word for what is wrong."""
    return answer[0], answer[1]["error"]["errors"][0]["reason"]


def without(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The record set without one field."""
    return {name: value for name, value in record.items() if name != key}


@pytest.mark.parametrize(
    "record",
    [
        weighted(-1),
        weighted("1"),
        weighted(True),
        weighted(1, ttl=-1),
        weighted(1, ttl="5"),
        weighted(1, name="pay.elsewhere.test."),
        weighted(1, name="paytrimaran.test."),
        weighted(1, name="pay.trimaran.test"),
        weighted(1, type="ALIAS"),
        weighted(1, rrdatas=["192.0.2.1"]),
        weighted(),
        without(weighted(1), "routingPolicy"),
        weighted(1, routingPolicy={"wrr": {"items": [{"weight": 1, "rrdatas": ["192.0.2.256"]}]}}),
        weighted(1, routingPolicy={"wrr": {"items": [{"weight": 1, "rrdatas": ["192.0.2.1", "192.0.2.1"]}]}}),
        weighted(
            1, routingPolicy={"wrr": {"items": [{"weight": 1, "healthCheckedTargets": {"externalEndpoints": ["192.0.2.1"]}}]}}
        ),
        weighted(1, routingPolicy={"healthCheck": "global/healthChecks/nobody", "wrr": {"items": [{"rrdatas": ["192.0.2.1"]}]}}),
    ],
)
def test_a_record_set_that_cloud_dns_would_not_take_is_refused_by_its_place(cloud: Cloud, record: Mapping[str, Any]) -> None:
    """The good addition beside it is not carried out either, and the message names the bad one."""
    good = {"name": "good.trimaran.test.", "type": "A", "ttl": 5, "rrdatas": ["192.0.2.9"]}
    refused = cloud.change(additions=[good, record])
    assert reason(refused) == (400, "invalid")
    assert "entity.change.additions[1]" in refused[1]["error"]["message"]
    assert cloud.records() == []


def test_a_deletion_has_to_match_what_is_there(cloud: Cloud) -> None:
    """Another weight is 412, another name 404, an addition of what is there 409; the order of addresses does not matter."""
    assert cloud.change(additions=[weighted(1, 2)])[0] == 200
    other = weighted(0, 1)
    assert reason(cloud.change(deletions=[weighted(1, 3)], additions=[other])) == (412, "conditionNotMet")
    assert reason(cloud.change(deletions=[weighted(1, 2, ttl=6)], additions=[other])) == (412, "conditionNotMet")
    assert reason(cloud.change(deletions=[weighted(1, 2, name="x.trimaran.test.")])) == (404, "notFound")
    assert reason(cloud.change(additions=[other])) == (409, "alreadyExists")
    assert reason(cloud.change(deletions=[weighted(1, 2)], additions=[other, other])) == (409, "alreadyExists")
    assert [item["weight"] for item in cloud.records()[0]["routingPolicy"]["wrr"]["items"]] == [1, 2]
    assert cloud.change(deletions=cloud.records(), additions=[other])[0] == 200


def test_limits_and_the_zones_own_records_hold(cloud: Cloud) -> None:
    """More than a thousand additions, more than 100 kB, nothing at all, a zone without NS, a CNAME beside addresses: refused."""
    many = [weighted(1, name=f"n{number}.trimaran.test.") for number in range(1001)]
    assert reason(cloud.change(additions=many)) == (403, "quotaExceeded")
    assert reason(cloud.change(additions=many[:1000])) == (403, "quotaExceeded")
    assert reason(cloud.change()) == (400, "required")
    apex = cloud.ask("GET", f"{ZONE}/rrsets?name=trimaran.test.&type=NS")[1]["rrsets"]
    assert reason(cloud.change(deletions=apex)) == (400, "invalid")
    alias = {"name": NAME, "type": "CNAME", "ttl": 5, "rrdatas": ["x.trimaran.test."]}
    assert reason(cloud.change(additions=[weighted(1), alias])) == (400, "cnameResourceRecordSetConflict")


def test_a_change_is_done_and_answered_after_its_time_and_not_before(cloud: Cloud) -> None:
    """Pending, and answered as before, until the propagation time is over."""
    cloud.change(additions=[weighted(1, 1)])
    cloud.now += 10
    change = cloud.change(deletions=[weighted(1, 1)], additions=[weighted(1, 0)])[1]
    assert change["status"] == "pending"
    assert cloud.answered() == [(("192.0.2.1",), 1.0), (("192.0.2.2",), 1.0)]
    cloud.now += 9.9
    assert cloud.ask("GET", f"{ZONE}/changes/{change['id']}")[1]["status"] == "pending"
    cloud.now += 0.1
    assert cloud.ask("GET", f"{ZONE}/changes/{change['id']}")[1]["status"] == "done"
    assert cloud.answered() == [(("192.0.2.1",), 1.0), (("192.0.2.2",), 0.0)]
    newest = cloud.ask("GET", f"{ZONE}/changes?sortBy=changeSequence&sortOrder=descending&maxResults=1")[1]["changes"]
    assert [change["id"] for change in newest] == [change["id"]]
    assert cloud.ask("GET", f"{ZONE}/changes/99")[0] == 404


def test_questions_are_filtered_and_paged(cloud: Cloud) -> None:
    """By name, by suffix, by type, and page by page; what the API does not know is refused."""
    cloud.change(additions=[weighted(1, name=f"{name}.trimaran.test.") for name in ("a.g", "b.g", "c")])

    def names(query: str) -> list[str]:
        return [record["name"] for record in cloud.ask("GET", f"{ZONE}/rrsets?{query}")[1]["rrsets"]]

    assert names("name=c.trimaran.test.&type=A") == ["c.trimaran.test."]
    assert names('filter=name=has_suffix("g.trimaran.test.")') == ["a.g.trimaran.test.", "b.g.trimaran.test."]
    assert names('filter=`name`="c.trimaran.test." AND type="A"') == ["c.trimaran.test."]
    first = cloud.ask("GET", f'{ZONE}/rrsets?filter=name=has_suffix("g.trimaran.test.")&maxResults=1')[1]
    assert names(f'filter=name=has_suffix("g.trimaran.test.")&maxResults=1&pageToken={first["nextPageToken"]}') == [
        "b.g.trimaran.test."
    ]
    for query in ("type=A", "filter=ttl=5", 'filter=name="x."&name=y.', "pageToken=nonsense"):
        assert cloud.ask("GET", f"{ZONE}/rrsets?{query}")[0] == 400, query


def test_who_asks_and_where_is_looked_at_first(cloud: Cloud) -> None:
    """No token is 401, another project 403, another zone and another path 404; a body that is no object 400."""
    assert cloud.ask("GET", ZONE, token="")[0] == 401
    assert cloud.ask("GET", ZONE.replace("lab", "other"))[0] == 403
    assert reason(cloud.ask("GET", ZONE + "s")) == (404, "notFound")
    assert reason(cloud.ask("GET", "/compute/v1/projects/lab")) == (404, "notFound")
    assert reason(cloud.ask("POST", f"{ZONE}/changes", [1])) == (400, "parseError")


def test_a_promotion_takes_its_time_and_is_told_as_it_is(cloud: Cloud) -> None:
    """PENDING, RUNNING, DONE; the instance is a replica until the end; a second one meanwhile is 409, and after it 400."""
    path = f"{SQL}/instances/copy/promoteReplica"
    operation = cloud.ask("POST", path)[1]
    place = f"{SQL}/operations/{operation['name']}"
    assert operation["status"] == "PENDING"
    assert reason(cloud.ask("POST", path)) == (409, "operationInProgress")
    cloud.now += 7.9
    assert cloud.ask("GET", place)[1]["status"] == "RUNNING"
    assert cloud.ask("GET", f"{SQL}/instances/copy")[1]["instanceType"] == "READ_REPLICA_INSTANCE"
    assert cloud.ask("GET", f"{SQL}/instances/main")[1]["replicaNames"] == ["copy"]
    cloud.now += 0.1
    assert cloud.ask("GET", place)[1]["status"] == "DONE"
    copy = cloud.ask("GET", f"{SQL}/instances/copy")[1]
    assert copy["instanceType"] == "CLOUD_SQL_INSTANCE" and "masterInstanceName" not in copy
    assert cloud.ask("GET", f"{SQL}/instances/main")[1]["replicaNames"] == []
    assert reason(cloud.ask("POST", path)) == (400, "invalidOperation")
    assert cloud.ask("GET", f"{SQL}/instances/nobody")[0] == 404
    assert cloud.ask("GET", f"{SQL}/operations/nothing")[0] == 404


def test_a_service_is_changed_only_as_it_was_read(cloud: Cloud) -> None:
    """A stale etag is 409; a mask that names nothing, a negative floor and one above the ceiling are 400; a template makes a revision."""
    service = cloud.ask("GET", f"/v2/{SERVICE}")[1]
    raised = {"etag": service["etag"], "scaling": {"minInstanceCount": 3}}
    mask = f"/v2/{SERVICE}?updateMask=scaling.minInstanceCount"
    assert cloud.ask("PATCH", mask, raised)[1]["done"] is False
    assert cloud.ask("PATCH", mask, raised)[0] == 409
    now = cloud.ask("GET", f"/v2/{SERVICE}")[1]
    assert now["scaling"] == {"minInstanceCount": 3} and now["template"]["revision"] == "r-1"
    for path, body in (
        (f"/v2/{SERVICE}", raised),
        (mask, {"scaling": {"minInstanceCount": -1}}),
        (mask, {"scaling": {"minInstanceCount": 101}}),
    ):
        assert cloud.ask("PATCH", path, without(body, "etag"))[0] == 400
    template = {"template": {"scaling": {"minInstanceCount": 2}}}
    cloud.ask("PATCH", f"/v2/{SERVICE}?updateMask=template.scaling.minInstanceCount", template)
    assert cloud.ask("GET", f"/v2/{SERVICE}")[1]["template"]["revision"] != "r-1"
    assert cloud.ask("GET", f"/v2/{SERVICE}s")[0] == 404


@pytest.mark.parametrize(
    ("kind", "status"), [("throttle", 429), ("unavailable", 503), ("deny", 403), ("busy", 409), ("garble", 500), ("lie", 200)]
)
def test_faults_are_answered_and_carry_nothing_out(cloud: Cloud, kind: str, status: int) -> None:
    """Only the operation that the rule names, only as often as it says; the lab's own routes are never touched."""
    rules = [{"kind": kind, "operation": "dns.changes.create", "count": 1}]
    assert cloud.ask("PUT", "/_lab/faults", rules)[0] == 200
    assert cloud.ask("GET", ZONE)[0] == 200
    answer = Client(cloud.google).post(
        f"{ZONE}/changes", json={"additions": [weighted(1)]}, headers={"Authorization": "Bearer lab"}
    )
    assert answer.status_code == status
    assert cloud.records() == []
    assert cloud.change(additions=[weighted(1)])[0] == 200
    assert cloud.ask("GET", "/_lab/requests")[1]["dns.changes.create"] == 2


def test_an_effect_may_be_promised_and_not_be(cloud: Cloud) -> None:
    """Told in the vendor's words as done, and nothing is: for the zone, for a promotion and for a floor."""
    cloud.ask("PUT", "/_lab/faults", [{"kind": "no_effect"}])
    assert cloud.change(additions=[weighted(1)])[0] == 200
    assert cloud.ask("POST", f"{SQL}/instances/copy/promoteReplica")[0] == 200
    assert (
        cloud.ask("PATCH", f"/v2/{SERVICE}?updateMask=scaling.minInstanceCount", {"scaling": {"minInstanceCount": 3}})[0] == 200
    )
    cloud.now += 20
    cloud.ask("PUT", "/_lab/faults", [])
    assert cloud.ask("GET", f"{ZONE}/changes/1")[1]["status"] == "done"
    assert cloud.records() == []
    assert "masterInstanceName" in cloud.ask("GET", f"{SQL}/instances/copy")[1]
    assert cloud.ask("GET", f"/v2/{SERVICE}")[1]["scaling"] == {}


def test_the_lab_finds_the_zone_by_its_name(cloud: Cloud) -> None:
    """The same routes as every emulated cloud's: the vendor's id of a zone, and its records once they are answered."""
    assert cloud.ask("GET", "/_lab/zones")[1] == {"trimaran.test": "trimaran-test"}
    assert cloud.ask("GET", "/_lab/zones/trimaran-test")[0] == 204
    cloud.now += 10
    news = cloud.ask("GET", "/_lab/zones/trimaran-test?after=0&wait=0")[1]
    assert {record["type"] for record in news["records"]} == {"NS", "SOA"}
    assert cloud.ask("GET", f"/_lab/zones/trimaran-test?after={news['revision']}")[0] == 204
    assert cloud.ask("GET", "/_lab/zones/nobody")[0] == 404
