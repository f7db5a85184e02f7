"""Names of one site's servers that the other two have to ask that site for. Pure.

RDS gives public names to private addresses, and Cloud SQL's servers are told by address. Azure's have public names too, and these lead
to private ones, which only a resolver of Azure's own answers, for a network that is joined to their zone. So the other two sites'
resolvers hand on what is asked about them to the one in Azure's network (`address_plan.SiteNetwork.resolver_address`).

The public names are handed on, and not what they lead to: a resolver that has begun to look for one goes through with it by itself and
ends outside, where the door is shut. Sources: Azure, "Azure Private Endpoint private DNS zone values" (column of public zones) and "Azure
Private Endpoint DNS integration" ("must be made to the recommended public DNS zone forwarder"); for servers inside a network Azure
Database for PostgreSQL, "Networking with private access" (their private zones end in the same name).
"""

from ipaddress import IPv4Network

DATABASES_AT_AZURE = "postgres.database.azure.com"
"""Servers of Azure's."""
KEYS_AT_AZURE = ("vault.azure.net", "vaultcore.azure.net")
"""Vaults, by the name that they are asked by, and by the one that it leads to."""
ANSWERED_AT_AZURE = (DATABASES_AT_AZURE, *KEYS_AT_AZURE)

GOOGLE_ASKS_FROM = IPv4Network("35.199.192.0/19")
"""What Google's resolver hands on comes from here, whatever the network's own addresses are, and has to be answered there: by the mesh,
because the same range is elsewhere in every network of Google's. Source: Cloud DNS, "DNS zones overview", forwarding targets."""
