"""Which etcd member to ask next: the own site's first, then whoever answered last."""

from collections.abc import Sequence


class Endpoints:
    """A ring of URLs that stays on the last good one and steps past one that failed."""

    def __init__(self, urls: Sequence[str]) -> None:
        if not urls:
            raise ValueError("etcd needs at least one endpoint")
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._at = 0

    def __len__(self) -> int:
        return len(self._urls)

    @property
    def current(self) -> str:
        """The endpoint that the next call goes to."""
        return self._urls[self._at]

    def failed(self, url: str) -> None:
        """Step past `url`. Several calls that failed on one endpoint step once, or they would step back onto it."""
        if url == self.current:
            self._at = (self._at + 1) % len(self._urls)
