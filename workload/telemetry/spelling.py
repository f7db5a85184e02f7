"""Texts as the search for numbers reads them: in one alphabet, and without what only looks like a number. Pure.

Nothing here changes a text's length, so that a place in what comes out is the same place in what went in.
"""

import re
import unicodedata

_FOREIGN = re.compile(r"[^\x00-\x7f]")
_ESCAPED = re.compile(r"%(?i:0[9AD]|2[0-9A-F]|3[A-F]|5F|[89ABCE][0-9A-F])|\\(?:[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4})")
"""What stands between groups, as an address or a representation spells it. Digits are not spelled so by mistake."""

_IDENTIFIER = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"  # a UUID, RFC 9562
    r"|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"  # a traceparent
    r"|0000[0-9A-F]{12}000000[0-9A-F]{2}"  # a segment of PostgreSQL's log: timeline, and position in two parts
    r"|(?=[0-9]*[a-f])[0-9a-f]{32,}"  # a digest, a trace's id
    r")(?![0-9A-Za-z])"
)

_FRACTION = re.compile(r"(?<![0-9.])([0-9]+)(\.[0-9]+)(?!\.?[0-9])")
_PRECISE = 17
"""Digits of a float at most. One dot is a decimal point, and of the times that are written with seventeen digits many would be taken for a
card number. With more digits it is two numbers, and two dots and more separate groups."""

_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d([-/.])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"(?:[T _]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"  # and a time of day
)
_TIME = re.compile(
    r"(?<!\d)(?:"
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{0,12}"  # a date with a time of day or a counter, in one piece
    r"|(?:1[4-9]|2[01])\d{8}(?:\d{3})?"  # seconds and milliseconds since 1970, from 2014 on
    r"|(?:1\d|2[01])\d{14}(?:\d{3})?"  # microseconds and nanoseconds
    r"|7\d{18}"  # a system identifier of PostgreSQL
    r")(?!\d)"
)


def plain(text: str) -> str:
    """Digits of all scripts as the ten, all spaces and dashes as the common ones, escaped separators as spaces."""
    if not text.isascii():
        text = _FOREIGN.sub(_common, text)
    if "%" in text or "\\" in text:
        text = _ESCAPED.sub(lambda found: " " * len(found[0]), text)
    return text


def _common(found: re.Match[str]) -> str:
    character = found[0]
    match unicodedata.category(character):
        case "Nd":
            return str(int(character))
        case "Zs" | "Zl" | "Zp" | "Cf":  # of every width, also of none
            return " "
        case "Pd":
            return "-"
    return character


def without_identifiers(text: str) -> str:
    """UUIDs, digests, trace ids and names of log segments out of the way."""
    return _IDENTIFIER.sub(_letters, text)


def without_dates(text: str) -> str:
    """Dates out of the way that are written with the same stroke twice, and the time of day after one. No card is grouped so."""
    return _DATE.sub(_letters, text)


def without_times(text: str) -> str:
    """Runs of digits out of the way that are a time; see `is_time`."""
    return _TIME.sub(_letters, text)


def is_time(run: str) -> bool:
    """Is a whole run of digits a time, or a system identifier of PostgreSQL?"""
    return _TIME.fullmatch(run) is not None


def without_fractions(text: str) -> str:
    """The places after a decimal point out of the way, of a number that is no more precise than a float."""
    return _FRACTION.sub(_whole, text)


def _letters(found: re.Match[str]) -> str:
    return "x" * len(found[0])


def _whole(found: re.Match[str]) -> str:
    if len((found[1] + found[2][1:]).lstrip("0")) > _PRECISE:
        return found[0]
    return found[1] + "x" * len(found[2])
