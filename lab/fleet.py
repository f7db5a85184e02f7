"""The services of the lab, and which of them run where."""

from controller.founding import schemas

PAYMENTS, VAULT = schemas.PAYMENTS, schemas.VAULT
FLEET = (PAYMENTS, VAULT)
"""Each with its own writer, epoch and ack set."""

SCREENING, WEBHOOKS = "screening", "webhooks"
WHOLE = (PAYMENTS, VAULT, SCREENING, WEBHOOKS)
LEAN = (PAYMENTS,)
"""What a lab runs at every site. The whole fleet takes half of two cores before anybody asks it anything; what is shown of edges,
authorities or controllers needs one service."""
