"""An issuer that comes back signs and publishes with the keys that it had: no token of before ends with it."""

from pathlib import Path

import pytest

from lab.issuer_tokens import Signing
from workload.access.keys import Algorithm


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_keys_outlive_the_process_that_made_them(tmp_path: Path, algorithm: Algorithm) -> None:
    """The one that signs and the one before it; they are readable by its own account alone."""
    file = tmp_path / "signing.json"
    first = Signing(algorithm, file)
    first.rotate()
    again = Signing(algorithm, file)
    assert again.published() == first.published() and len(list(again.published()["keys"])) == 2
    assert again.present.keys[0].kid == first.present.keys[0].kid
    assert file.stat().st_mode & 0o777 == 0o600
    assert '"d"' not in repr(again.published())


def test_without_a_file_every_start_begins_with_new_ones() -> None:
    """As tests want it."""
    assert Signing(Algorithm.ES256).published() != Signing(Algorithm.ES256).published()
