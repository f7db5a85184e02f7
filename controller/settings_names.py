"""Names a service may not have, because something that is named after it would carry a name that is taken.

Rules for changing this file: a name is judged by itself, whichever other services the file has. The other one may stand in another
controller's file, or move in next year, and by then this one's slots and journal carry the name for good. What is named after a
service stands in `core.naming` and `coordination.layout`; text that is no service's name at all is told by the shapes.
"""

import re
from collections.abc import Iterator

from controller.coordination.layout import SESSIONS
from controller.core import naming

DATABASES = {
    "postgres": "PostgreSQL",
    "template0": "PostgreSQL",
    "template1": "PostgreSQL",
    "rdsadmin": "Amazon RDS",
    "azure_maintenance": "Azure",
    "azure_sys": "Azure",
    "cloudsqladmin": "Cloud SQL",
}
"""Databases that every server of that kind has, and who made them."""

ROLES = "pg_"
"""Roles of this prefix are PostgreSQL's own: CREATE ROLE refuses it."""

STREAM_OF_ANOTHER = re.compile(r"_e\d+(?=_|$)|_spare$")
"""Where a longer service's streams begin to read as a shorter one's: `pay_e1` has `pay_e1_e2_aws_gcp`, which is epoch 1 of `pay`;
`pay_spare` has `pay_spare_e2_aws_gcp`, which is a spare slot of `pay`.

Slots are server-wide and told apart by name. 1. `pay_spare` moves in on the servers of `pay`, and aws writes it. 2. Its stream to gcp
is called what the spare slot of `pay` is called that aws keeps for gcp, so `pay` cannot make that one. 3. The writer of `pay` dies
and aws is elected: gcp can be placed behind nothing, and no payment is acknowledged until its ledger was copied anew.
"""


def taken(service: str) -> Iterator[str]:
    """Every reason why nothing may be named after this service, each as what was expected instead."""
    if naming.key(service, "") == SESSIONS:
        # Everything below that prefix counts as a living controller: a posture there would be one that never dies.
        yield f"another name: {SESSIONS} in etcd is where controllers say that they live"
    owner = DATABASES.get(naming.database(service))
    if owner is not None:
        yield f"another name: every server of {owner} has a database {naming.database(service)} already"
    roles = (naming.app_role(service), naming.control_role(service), naming.stream_role(service))
    if any(role.startswith(ROLES) for role in roles):
        yield f"another name: role {roles[0]} could not be made, {ROLES} is PostgreSQL's own prefix"
    if (found := STREAM_OF_ANOTHER.search(service)) is not None:
        yield f"a name without {found[0]!r}: its streams would read as those of a service {service[: found.start()]!r}"
