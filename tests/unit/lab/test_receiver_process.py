"""The lab's merchants, as whoever runs the lab holds them."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.processes import Supervised
from lab.receiver_process import Receiver
from lab.receiver_record import Accepted, ReceiverRecord
from lab.receiver_settings import new_secret
from workload.webhooks.signing import read_secrets

TOOK = Accepted(account="shop", id="e1", sequence=1, payment="p1", body="digest", t=1.0)


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    """Merchants whose process has ended; their record stays."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(timeout=30)
    process = Supervised(label="merchants", popen=ended, log=tmp_path / "log")
    return Receiver(process=process, record=tmp_path / "record", endpoints=(), secrets={"shop": (new_secret(),)})


def test_a_dispatcher_is_handed_secrets_that_nobody_else_may_read(receiver: Receiver, tmp_path: Path) -> None:
    """In a file of its own, which it can read; and they are in no text that is made of the object."""
    receiver.hand_out(tmp_path / "merchants.toml")
    assert (tmp_path / "merchants.toml").stat().st_mode & 0o077 == 0
    assert list(read_secrets(tmp_path / "merchants.toml")) == ["shop"]
    assert receiver.secrets["shop"][0] not in repr(receiver)


def test_the_record_is_read_as_far_as_it_goes_and_damage_is_no_silence(receiver: Receiver) -> None:
    """Nothing yet, then what arrived, then an error that says where."""
    assert receiver.lines() == ()
    with ReceiverRecord(receiver.record) as record:
        record.append(TOOK)
    assert receiver.lines() == (TOOK,)
    with receiver.record.open("a") as file:
        file.write("{}\n")
    with pytest.raises(LabError, match="the merchants' record is damaged: record, line 2"):
        receiver.lines()
