"""Recognises numbers that nobody may see, card numbers and IBANs, in text that was never meant to hold one. Pure.

Rules for changing this file: it is the second wall. The first is that numbers are not passed to anything that is seen. So it has to find
what a person or a client pastes, not what somebody hides on purpose: a number in base64 passes, and so does one in the shape of a UUID.
What it takes for a number by mistake is lost to whoever reads the log; `docs/telemetry.md` says what cannot be mistaken and why.
What a number is says `workload/issued.py`, here and to the vault.
"""

import re
from collections.abc import Iterator

from workload.issued import ACCOUNT_LENGTHS, GLUED_SIZES, LONGEST, SHORTEST, is_account, is_card, is_of_scheme
from workload.telemetry.spelling import is_time, plain, without_dates, without_fractions, without_identifiers, without_times

_CHAIN = re.compile(rf"\d(?:[ \t_.-]{{0,3}}\d){{{SHORTEST - 1},}}")
_CHAIN_OF_KEPT = re.compile(rf"\d(?:[^0-9A-Za-z]*\d){{{SHORTEST - 1},}}")
_GROUPED = re.compile(r"(?=(\d{4}([^0-9A-Za-z]{1,9})(?:\d{4}(?:\2\d{4}){1,2}(?:\2\d{1,4})?|\d{6}\2\d{4,5})))")
"""Groups as cards show them, with the same between all of them, whatever that is: a stroke, a comma, a line's end."""

_RUN = re.compile(r"\d+")
_LONG_RUN = re.compile(rf"\d{{{SHORTEST},}}")

_LETTER = re.compile("[0-9A-Za-z]")
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])(?=([A-Za-z]{2}[0-9]{2}(?:[^0-9A-Za-z]{0,3}[0-9A-Za-z]){11,30}))")
_ACCOUNT_GLUED = re.compile(r"(?=([A-Za-z]{2}[0-9]{2}[0-9A-Za-z]{11,30}))")

READABLE = 64
"""Digits in one piece. More are nothing that anybody reads, and a search within tens of thousands would hold up the whole process."""

Place = tuple[int, int]
"""Where in a text: from, to."""


def find_numbers(text: str) -> list[Place]:
    """Where card numbers and IBANs stand in `text`, in order; two that overlap are one place."""
    if len(text) < SHORTEST:
        return []
    text = plain(text)
    if not _has_enough_digits(text) and _ACCOUNT.search(text) is None:
        return []
    text = without_identifiers(text)
    found = _accounts(text)
    text = without_dates(text)
    if _has_enough_digits(text):
        found += _cards_in(without_fractions(text))
    kept: list[Place] = []
    for start, end in sorted(found):
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return kept


def _has_enough_digits(text: str) -> bool:
    return sum(map(text.count, "0123456789")) >= SHORTEST


def holds_number(text: str) -> bool:
    """Could a card number or an IBAN stand in `text`, whatever is between its digits and whatever is glued to it?

    What a client may choose and we keep, such as an idempotency key, is refused when this is true, before it is stored. Stricter than
    `find_numbers`: a key that is refused can be chosen again, a log line that is lost cannot.
    """
    text = without_identifiers(plain(text))
    packed = _packed(text)
    if any(is_account(one[: ACCOUNT_LENGTHS.get(one[:2].upper(), 0)]) for one in _ACCOUNT_GLUED.findall(packed)):
        return True
    if not _has_enough_digits(packed):
        return False
    timeless = without_times(without_dates(text))
    return (
        bool(find_numbers(text))
        or any(_within_chains(_CHAIN_OF_KEPT, timeless))
        or any(map(_hides_one_of_a_scheme, _LONG_RUN.findall(_packed(timeless))))
    )


def has_enough_digits_for_one(text: str) -> bool:
    """Are there digits enough for a card with no letter between them, which are neither a time nor part of an id?"""
    return _CHAIN_OF_KEPT.search(without_times(without_dates(without_identifiers(plain(text))))) is not None


def _packed(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "", text)


def hides_number(digits: str) -> bool:
    """Is there a card number anywhere within an unbroken run of digits, also in the middle of hexadecimal ones, or would redaction take it
    for an IBAN? (be967f3709e3a87f is a valid Belgian one: a log would say "[redacted]" where it should say which span.)

    For what a client may choose freely and what is shown as it is: the id of a trace. One random id in two hundred is refused with them
    (counted), so ids of ours are drawn again, and others' are replaced.
    """
    return any(_hides_one(run) for run in _LONG_RUN.findall(digits)) or bool(find_numbers(digits))


def _hides_one(run: str) -> bool:
    return any(
        is_card(run[start : start + size])
        for start in range(len(run) - SHORTEST + 1)
        for size in range(SHORTEST, min(LONGEST, len(run) - start) + 1)
    )


def _hides_one_of_a_scheme(run: str) -> bool:
    return any(is_of_scheme(run[start : start + size]) for size in GLUED_SIZES for start in range(len(run) - size + 1))


def _cards_in(text: str) -> Iterator[Place]:
    yield from _within_chains(_CHAIN, text)
    for grouped in _GROUPED.finditer(text):
        yield from _at_the_beginning(grouped.start(1), [run.span() for run in _RUN.finditer(text, *grouped.span(1))], text)
    # A counter glued to a number: which of the digits are the number's cannot be told, so they all go.
    for run in _LONG_RUN.finditer(text):
        if len(run[0]) > READABLE or (not is_time(run[0]) and _hides_one_of_a_scheme(run[0])):
            yield run.span()


def _within_chains(chains: re.Pattern[str], text: str) -> Iterator[Place]:
    """Everything that is a card number between the ends of some runs of digits: in "2024-4111111111111111" it is the second run alone."""
    for chain in chains.finditer(text):
        runs = [run.span() for run in _RUN.finditer(text, *chain.span())]
        for first in range(len(runs)):
            yield from _at_the_beginning(runs[first][0], runs[first : first + LONGEST], text)


def _at_the_beginning(start: int, runs: list[Place], text: str) -> Iterator[Place]:
    digits = ""
    for run_start, end in runs:
        digits += text[run_start:end]
        if len(digits) > LONGEST:
            return
        if is_card(digits):
            yield start, end


def _accounts(text: str) -> list[Place]:
    found = []
    for match in _ACCOUNT.finditer(text):
        length = ACCOUNT_LENGTHS.get(match[1][:2].upper(), 0)
        letters = list(_LETTER.finditer(text, *match.span(1)))[:length]
        # Longer than its country's are, and at once: then it is another word.
        if (
            len(letters) == length > 0
            and not _LETTER.match(text, letters[-1].end())
            and is_account("".join(one[0] for one in letters))
        ):
            found.append((match.start(1), letters[-1].end()))
    return found
