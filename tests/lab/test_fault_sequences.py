"""Sequences of faults on real parts, each on a lab of its own."""

import pytest

from lab.matrix.perform import perform
from lab.matrix.sequel import amiss_sequence
from lab.matrix.sequences import Sequence, sequences

PLAYED = sequences(0, 4)
"""The random one is short here; `make faults SEQUENCES=random COUNT=100` is the long one."""


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("sequence", PLAYED, ids=lambda sequence: sequence.name)
async def test_a_sequence_is_as_promised(sequence: Sequence) -> None:
    """What came of every round is what docs/failure_modes.md says, and nothing that was acknowledged is lost."""
    seen = await perform(sequence, f"test-sequence-{sequence.name}", print)
    assert amiss_sequence(sequence, seen) == (), seen
