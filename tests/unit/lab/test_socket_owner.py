"""Whose connection is it? Asked of the real kernel on loopback."""

import os
import socket
import sys
from collections.abc import Iterator

import pytest

from lab.socket_owner import _by_table, find_owner, inode


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as near:
        accepted, _ = listener.accept()
        with accepted as far:
            yield near, far


@pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's")
def test_the_kernel_names_the_very_socket(ends: tuple[socket.socket, socket.socket]) -> None:
    """Each end is told from the other, and a socket that is not there is none."""
    near, far = ends
    ports = near.getsockname()[1], far.getsockname()[1]
    assert inode(*ports) == os.fstat(near.fileno()).st_ino
    assert inode(ports[1], ports[0]) == os.fstat(far.fileno()).st_ino
    assert inode(1, 2) == 0


def test_the_owner_is_found_among_the_known(ends: tuple[socket.socket, socket.socket]) -> None:
    """Ours is found among others; a connection of somebody else is nobody's."""
    port, peer = ends[0].getsockname()[1], ends[0].getpeername()[1]
    for find in (find_owner, lambda port, peer, pids: _by_table(port, pids)):
        assert find(port, peer, (os.getppid(), os.getpid())) == os.getpid()
        assert find(port, peer, ()) is None
    assert find_owner(1, 2, (os.getpid(),)) is None
