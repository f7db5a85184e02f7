"""Which implementations of each port its contract suite is asked of. A cloud adds its own in a line of each list."""

from tests.contract.azure_worlds import AZURE_DNS, CONTAINER_APPS, FLEXIBLE_SERVER
from tests.contract.capacity_worlds import ECS, MEMORY_CAPACITY
from tests.contract.capacity_worlds import World as CapacityWorld
from tests.contract.dns_worlds import MEMORY_DNS, ROUTE53
from tests.contract.dns_worlds import World as DnsWorld
from tests.contract.google_worlds import CLOUDDNS, CLOUDRUN, CLOUDSQL
from tests.contract.implementation import Implementation
from tests.contract.managed_worlds import MEMORY_MANAGED, RDS
from tests.contract.managed_worlds import World as ManagedWorld
from tests.contract.secret_worlds import KEY_VAULTS, MEMORY_SECRETS, SECRET_MANAGER, SECRETS_MANAGER
from tests.contract.secret_worlds import World as SecretWorld

DNS: list[Implementation[DnsWorld]] = [MEMORY_DNS, ROUTE53, AZURE_DNS, CLOUDDNS]
CAPACITY: list[Implementation[CapacityWorld]] = [MEMORY_CAPACITY, ECS, CONTAINER_APPS, CLOUDRUN]
MANAGED: list[Implementation[ManagedWorld]] = [MEMORY_MANAGED, RDS, FLEXIBLE_SERVER, CLOUDSQL]
SECRETS: list[Implementation[SecretWorld]] = [MEMORY_SECRETS, SECRETS_MANAGER, KEY_VAULTS, SECRET_MANAGER]
