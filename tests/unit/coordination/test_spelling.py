"""JSON as RFC 8785 spells it, against the RFC's own examples."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.coordination.spelling import LARGEST, Unspellable, spelled

NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]
"""RFC 8785, appendix B: the bits of a number, and how it is spelled."""

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda one: not one.is_integer() or abs(one) <= LARGEST)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(("bits", "said"), NUMBERS)
def test_numbers_are_spelled_as_the_rfc_spells_them(bits: str, said: str) -> None:
    """Appendix B, number by number."""
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert spelled(value) == said.encode()


def test_the_example_of_the_rfc() -> None:
    """Section 3.2.2: numbers, escapes, literals; section 3.2.3: names in the order of their UTF-16 units."""
    given_ = json.loads(
        r'{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        r'"string":"\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}'
    )
    numbers = "[333333333.3333333,1e+30,4.5,0.002,1e-27]"
    wanted = f'{{"literals":[null,true,false],"numbers":{numbers},"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}}'
    assert spelled(given_) == wanted.encode()
    names = {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7}
    assert list(json.loads(spelled(names))) == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


@pytest.mark.parametrize("value", [LARGEST + 1, -LARGEST - 1, float("nan"), float("inf"), "\ud800", {"\udc00": 1}])
def test_what_has_no_spelling_is_refused(value: object) -> None:
    """Two numbers of which a reader makes one would have one digest."""
    with pytest.raises(Unspellable):
        spelled(value)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_what_is_spelled_is_read_as_the_same_value(value: object) -> None:
    """Nothing is lost, and the spelling of what was read is the same."""
    text = spelled(value)
    assert json.loads(text) == value
    assert spelled(json.loads(text)) == text
