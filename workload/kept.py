"""What clients choose and we keep readable for years: keys, ids, reasons, names. Pure; types for models and routes.

A client that means well puts a card number into one of them all the same, as an order's key or as "some UUID" for a card. What is written
once cannot be taken back: it is in ledgers, logs, proofs and backups, and no erasure reaches it. So it is refused before.
"""

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from workload.telemetry.numbers import has_enough_digits_for_one, hides_number, holds_number

REASON = r"^[A-Za-z][A-Za-z ,.'-]{2,199}$"
"""Words, such as `chargeback dispute`. No digits: a reason is kept for years, and must not hold a number."""

MOST_DIGITS = 8
"""In a person's name or address. No card number is as short; an account number may be, so that is looked for."""

NAME = rf"^(?:[^\x00-\x1f0-9]*[0-9]){{0,{MOST_DIGITS}}}[^\x00-\x1f0-9]*$"
"""The same for who only reads the published schema, and nothing that no database keeps in a text."""

UUID_FORM = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[1-8][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$"
"""A version and the variant of RFC 9562, with hyphens. Neither zeros before a number nor 32 digits in one piece have them."""


FEW_DIGITS = r"(?![\s\S]*[0-9](?:[^0-9A-Za-z]*[0-9]){12})"
"""What `no_number` refuses, for who only reads the published schema; times and ids are taken all the same."""


def no_number(text: str) -> str:
    """The text as it is. Raises ValueError for one in which a card number or an IBAN could stand.

    Digits enough for a card with no letter between them are refused whatever they check to, unless they are a time or an id. By the check
    alone a client that numbers its orders would be refused one in five of them, for ever, and would meet the first in production.
    """
    if has_enough_digits_for_one(text) or holds_number(text):
        raise ValueError(
            "expected no card or account number, nor 13 digits without a letter between them that are no time and no id"
        )
    return text


def _few_digits(name: str) -> str:
    if sum(character.isdigit() for character in name) > MOST_DIGITS:
        raise ValueError("a name")
    return name


def _unmistakable(value: Any) -> Any:
    text = str(value)
    if re.fullmatch(UUID_FORM, text) is None:
        raise PydanticCustomError("uuid_parsing", "expected a UUID of RFC 9562, with hyphens")
    digits = text.replace("-", "")
    if digits.isdecimal() and hides_number(digits):
        raise PydanticCustomError("uuid_parsing", "expected a UUID that is no card number")
    return value


Reason = Annotated[str, Field(pattern=REASON)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NAME), AfterValidator(_few_digits), AfterValidator(no_number)]
Id = Annotated[UUID, BeforeValidator(_unmistakable), WithJsonSchema({"type": "string", "format": "uuid", "pattern": UUID_FORM})]
"""A UUID of a client's choice. Of random ones less than one in two million has decimal digits alone, and is looked at."""
