"""What every cloud runs for the services beside the zone: instances and managed servers, named as the controllers' settings do,
in each vendor's own words as the infrastructure program makes them. Pure.

The emulated servers stand for the real PostgreSQL servers of the lab, of which no cloud knows; of the read replicas there is nothing
but what the clouds' APIs say about them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lab.fleet import FLEET, PAYMENTS
from lab.zones import PLACE, PROJECT, Order

INSTANCES, FLOOR = 1, 3
"""What runs in peace at every site, and what a site is to have at least when it takes traffic."""

CLUSTER = "trimaran"
SERVER, REPLICA = "payments", "payments-reports"
"""The site's own server, and a read replica of it that the provider manages."""

PROMOTION = 10.0
"""Seconds that a provider takes to promote a replica. In the field it is minutes; it has to be longer than two controllers take to die."""

REGION = "us-central1"
"""Of the Google services; the settings' default."""

Table = Mapping[str, object]


def asked(service: str, site: str) -> Mapping[str, Table]:
    """`[services.SERVICE.capacity.SITE]` and its like, by kind. Both databases lie on one managed server; its read replica is for reports
    about payments."""
    capacity = {"floor": FLOOR, "name": service, **({"cluster": CLUSTER} if site == "aws" else {})}
    found: dict[str, Table] = {"capacity": capacity, "servers": {"server": SERVER}}
    return found | ({"replicas": {"server": REPLICA}} if service == PAYMENTS else {})


def for_aws() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """API, operation of its client, and parameters."""
    yield "ecs", "create_cluster", {"clusterName": CLUSTER}
    for service in FLEET:
        task = {"name": service, "image": service, "memory": 64}
        yield "ecs", "register_task_definition", {"family": service, "containerDefinitions": [task]}
        instances = {"cluster": CLUSTER, "serviceName": service, "taskDefinition": service, "desiredCount": INSTANCES}
        yield "ecs", "create_service", instances
    size = {"DBInstanceClass": "db.m7g.large", "AllocatedStorage": 100, "MultiAZ": True}
    owner = {"MasterUsername": "owner", "MasterUserPassword": "of-the-emulated-server"}
    yield "rds", "create_db_instance", {"DBInstanceIdentifier": SERVER, "Engine": "postgres", **size, **owner}
    named = {"DBInstanceIdentifier": REPLICA, "SourceDBInstanceIdentifier": SERVER}
    yield "rds", "create_db_instance_read_replica", named


def for_azure() -> Iterator[Order]:
    """Container apps, a server, and its read replica."""
    for service in FLEET:
        container = {"name": service, "image": service}
        template = {"containers": [container], "scale": {"minReplicas": INSTANCES, "maxReplicas": 10}}
        yield _put(f"{PLACE}/Microsoft.App/containerApps/{service}", "2025-07-01", {"template": template})
    servers = f"{PLACE}/Microsoft.DBforPostgreSQL/flexibleServers"
    standby = {"highAvailability": {"mode": "ZoneRedundant", "state": "Healthy"}}
    yield _put(f"{servers}/{SERVER}", "2025-08-01", standby)
    copy = {"createMode": "Replica", "sourceServerResourceId": f"{servers}/{SERVER}"}
    yield _put(f"{servers}/{REPLICA}", "2025-08-01", copy)


def for_google() -> Iterator[Order]:
    """The same, by routes of the lab's own: the emulated APIs hold what there is, and make nothing."""
    for service in FLEET:
        place = f"projects/{PROJECT}/locations/{REGION}/services/{service}"
        yield Order(method="PUT", path=f"/_lab/services/{place}", body={"scaling": {"minInstanceCount": INSTANCES}})
    settings = {"availabilityType": "REGIONAL", "dataDiskSizeGb": "100"}
    own = {"settings": settings, "currentDiskSize": str(20 << 30)}
    yield Order(method="PUT", path=f"/_lab/instances/{SERVER}", body={"instance": own})
    copy = {"masterInstanceName": f"{PROJECT}:{SERVER}", "settings": {"availabilityType": "ZONAL"}}
    yield Order(method="PUT", path=f"/_lab/instances/{REPLICA}", body={"instance": copy, "seconds": PROMOTION})


def _put(place: str, version: str, properties: Mapping[str, Any]) -> Order:
    body = {"location": "westeurope", "properties": properties}
    return Order(method="PUT", path=f"{place}?api-version={version}", body=body)
