"""The key service in memory shows no key."""

from datetime import timedelta

from lab.memory_kms import MemoryKms


async def test_no_representation_holds_a_key() -> None:
    """Neither its own nor that of what it wrapped."""
    service = MemoryKms()
    wrapped = await service.wrap(b"k" * 32, b"context", timedelta(seconds=1))
    assert repr(service.versions[0].secret) not in repr(service)
    assert "kkkk" not in repr(wrapped)


async def test_its_calls_are_counted() -> None:
    """Tests of whoever asks it rely on it."""
    service = MemoryKms()
    await service.current(timedelta(seconds=1))
    assert service.calls == 1
