"""Requests with a card number where it does not belong: mistakes that clients make, one in every place where a request has room for one."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab.fleet import PAYMENTS, SCREENING, VAULT
from lab.papers import OFFICER, REVIEWER

SUBJECT = str(uuid.uuid5(uuid.NAMESPACE_URL, "no-card-numbers"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One request; `{card}` stands for the number."""

    name: str
    service: str
    method: str = "POST"
    path: str = "/v1/payments"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    client: str = ""
    """Who sends it; empty: whoever usually asks the service."""
    is_refused: bool = True
    """With a 4xx; whatever else is answered it must do no harm."""


PAYMENT = '{{"amount": 1, "currency": "EUR", "debtor": "{debtor}", "creditor": "{creditor}"}}'
REVIEWED = f"/v1/reviews/{uuid.UUID(int=4)}"
REVIEW = '{{"verdict": "approve", "reason": "he read {spaced} to me"}}'
UNKNOWN = f"/v1/payments/{uuid.UUID(int=1)}"
TRACE = "00-{card}0000000000000000-{card}-01"
ODD_HEADERS = {
    "tracestate": "card={card}", "User-Agent": "till/{card}", "Cookie": "card={card}", "X-Card": "{spaced}", "Edge-Span": "{card}",
    "Edge-Site": "{card}", "Edge-Received": "{card}", "Referer": "http://x/{card}", "Client-Cert-Thumbprint": "{card}",
    "X-Forwarded-For": "{card}", "{card}": "{dashed}",
}  # fmt: skip

KEYS = (
    "cust-{card}001", "1{card}", "20241118.{card}", "order/{strokes}", "{plus}", "{percent}", "{commas}", "{colons}", "{wide}", "{padded}",
)  # fmt: skip
"""What clients make keys of: a number with a counter, a version or a date, or spelled for an address."""

REASONS = ("{lines}", "{thin}", "{wide}", "{commas}", "{strokes}", "{card}001")

PAYMENT_PLANTS = (
    Plant(name="key", service=PAYMENTS, headers={"Idempotency-Key": "{card}"}, body=PAYMENT),
    Plant(name="key, grouped", service=PAYMENTS, headers={"Idempotency-Key": "order-{dashed}"}, body=PAYMENT),
    Plant(name="path", service=PAYMENTS, method="GET", path="/v1/payments/{card}"),
    Plant(name="path, deeper", service=PAYMENTS, method="GET", path="/v1/{card}/payments"),
    Plant(name="path of nobody", service=PAYMENTS, method="GET", path="/{card}"),
    Plant(name="account", service=PAYMENTS, client=OFFICER, method="GET", path="/v1/accounts/{card}?card={card}"),
    Plant(name="malformed", service=PAYMENTS, headers={"Idempotency-Key": "m-1"}, body='{{"amount": 1, "note": "{card}'),
    Plant(name="field", service=PAYMENTS, headers={"Idempotency-Key": "m-2"}, body='{{"{card}": 1}}'),
    Plant(
        name="value", service=PAYMENTS, headers={"Idempotency-Key": "m-3"}, body='{{"amount": "{spaced}", "currency": "{card}"}}'
    ),
    Plant(name="debtor", service=PAYMENTS, headers={"Idempotency-Key": "m-4"}, body='{{"amount": 1, "debtor": "{card}"}}'),
    Plant(name="amount", service=PAYMENTS, headers={"Idempotency-Key": "m-5"}, body=PAYMENT.replace("1,", "{card},", 1)),
    Plant(
        name="source",
        service=PAYMENTS,
        headers={"Idempotency-Key": "m-6"},
        body=PAYMENT.replace("1,", '1, "source": "{card}",', 1),
    ),
    Plant(name="method", service=PAYMENTS, method="PAY{card}"),
    Plant(
        name="kind of content", service=PAYMENTS, headers={"Idempotency-Key": "m-7", "Content-Type": "a/{card}"}, body="{card}"
    ),
    Plant(
        name="deadline",
        service=PAYMENTS,
        method="GET",
        path=UNKNOWN,
        headers={"Deadline-Ms": "{card}", "Retry-Attempt": "{card}"},
    ),
    Plant(name="review", service=PAYMENTS, client=REVIEWER, path=REVIEWED, body=REVIEW),
    Plant(
        name="subject of payments", service=PAYMENTS, method="DELETE", path="/v1/subjects/{card}", body='{{"reason": "{card}"}}'
    ),
    Plant(
        name="trace", service=PAYMENTS, headers={"Idempotency-Key": "t-1", "traceparent": TRACE}, body=PAYMENT, is_refused=False
    ),
    Plant(
        name="other headers", service=PAYMENTS, headers={"Idempotency-Key": "t-2", **ODD_HEADERS}, body=PAYMENT, is_refused=False
    ),
    Plant(name="authorization", service=PAYMENTS, method="GET", path=UNKNOWN, headers={"Authorization": "Bearer {card}"}),
    Plant(name="host", service=PAYMENTS, method="GET", path=UNKNOWN, headers={"Host": "{card}.trimaran.test"}),
    *(Plant(name=f"key {shape}", service=PAYMENTS, headers={"Idempotency-Key": shape}, body=PAYMENT) for shape in KEYS),
    Plant(name="path with strokes", service=PAYMENTS, method="GET", path="/v1/payments/{strokes}?card={percent}"),
    Plant(
        name="headers of other shapes",
        service=PAYMENTS,
        headers={
            "Idempotency-Key": "t-3",
            "User-Agent": "till/{card}001 {strokes}",
            "X-Card": "{wide}",
            "Referer": "http://x/{percent}?{plus}",
        },
        body=PAYMENT,
        is_refused=False,
    ),
)

NUMBER = '{{"subject": "' + SUBJECT + '", "kind": "card", "number": "{card}"}}'
TOKENS, KEY = "/v1/tokens", {"Idempotency-Key": "{uuid}"}
TOKENIZED = Plant(name="tokenized", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER, is_refused=False)
"""The one place where a number belongs."""

VAULT_PLANTS = (
    TOKENIZED,
    replace(TOKENIZED, name="tokenized, grouped", body=NUMBER.replace("{card}", "{spaced}")),
    replace(TOKENIZED, name="tokenized, odd headers", headers={**KEY, **ODD_HEADERS}),
    Plant(name="vault key", service=VAULT, path=TOKENS, headers={"Idempotency-Key": "{card}"}, body=NUMBER),
    Plant(name="subject", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.replace(SUBJECT, "{card}")),
    Plant(name="vault key, padded", service=VAULT, path=TOKENS, headers={"Idempotency-Key": "{padded}"}, body=NUMBER),
    Plant(name="vault key, 32 digits", service=VAULT, path=TOKENS, headers={"Idempotency-Key": "{zeros}"}, body=NUMBER),
    Plant(name="subject, padded", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.replace(SUBJECT, "{padded}")),
    Plant(name="subject, 32 digits", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.replace(SUBJECT, "{zeros}")),
    Plant(name="longer number", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.replace("{card}", "{card}001")),
    Plant(name="kind", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.replace('"card"', '"{card}"')),
    Plant(name="wrong kind", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.replace('"card"', '"iban"')),
    Plant(name="two numbers", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.replace("{card}", "{card}, {card}")),
    Plant(name="half a body", service=VAULT, path=TOKENS, headers=KEY, body=NUMBER.removesuffix('"}}')),
    Plant(name="vault field", service=VAULT, path=TOKENS, headers=KEY, body='{{"{card}": "{card}"}}'),
    Plant(name="vault path", service=VAULT, method="GET", path="/v1/tokens/{card}"),
    Plant(name="vault path, deeper", service=VAULT, method="GET", path="/{card}/v1/tokens"),
    Plant(name="reason", service=VAULT, path=f"/v1/tokens/{uuid.UUID(int=2)}/reveal", body='{{"reason": "{card}"}}'),
    Plant(name="query", service=VAULT, method="DELETE", path=f"/v1/subjects/{uuid.UUID(int=3)}?reason={{card}}"),
    Plant(
        name="by",
        service=VAULT,
        method="DELETE",
        path=f"/v1/subjects/{uuid.UUID(int=3)}",
        body='{{"reason": "left", "by": "{card}"}}',
    ),
)

QUESTION = '{{"order": {{"amount": 1, "currency": "EUR", "debtor": "{debtor}", "creditor": "{creditor}"}}}}'
SCORES = "/v1/scores"
SCREENING_PLANTS = (
    Plant(name="scored currency", service=SCREENING, path=SCORES, body=QUESTION.replace("EUR", "{card}")),
    Plant(name="scored debtor", service=SCREENING, path=SCORES, body=QUESTION.replace("{debtor}", "{card}")),
    Plant(name="scored amount", service=SCREENING, path=SCORES, body=QUESTION.replace("1,", "{card},", 1), is_refused=False),
    Plant(name="scored field", service=SCREENING, path=SCORES, body=QUESTION.replace("amount", "{card}")),
    Plant(name="scored half", service=SCREENING, path=SCORES, body='{{"order": "{card}'),
    Plant(name="scored path", service=SCREENING, method="GET", path="/v1/scores/{card}?card={card}"),
    Plant(name="scored headers", service=SCREENING, path=SCORES, headers=ODD_HEADERS, body=QUESTION),
)

REVIEW_PLANTS = tuple(
    Plant(name=f"review {shape}", service=PAYMENTS, client=REVIEWER, path=REVIEWED, body=REVIEW.replace("{spaced}", shape))
    for shape in REASONS
)

PLANTS = (*PAYMENT_PLANTS, *VAULT_PLANTS, *REVIEW_PLANTS, *SCREENING_PLANTS)


def filled(plant: Plant, card: str, accounts: Sequence[str]) -> Plant:
    """The request with its number in it; no key of a plant is the same with another number."""
    groups = [card[at : at + 4] for at in range(0, 16, 4)]
    values = {
        "card": card, "spaced": " ".join(groups), "dashed": "-".join(groups), "debtor": accounts[0], "creditor": accounts[1],
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{plant.name} {card}")), "strokes": "/".join(groups), "commas": ",".join(groups),
        "colons": ":".join(groups), "wide": " - ".join(groups), "lines": "\\n".join(groups), "thin": "\u2009".join(groups),
        "plus": "+".join(groups), "percent": "%20".join(groups), "padded": str(uuid.UUID(card.zfill(32))), "zeros": card.zfill(32),
    }  # fmt: skip
    return replace(
        plant,
        method=plant.method.format(**values),
        path=plant.path.format(**values),
        headers={name.format(**values): value.format(**values) for name, value in plant.headers.items()},
        body=plant.body.format(**values),
    )


def is_filled(plant: Plant) -> bool:
    """Does nothing stand for something else any more?"""
    return not re.search(r"\{[a-z]+\}", repr((plant.method, plant.path, plant.headers, plant.body)))
