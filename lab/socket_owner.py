"""Which of our processes owns the other end of a connection on this machine.

Reading the socket table costs with its length, and psutil reads it once per process: with the ten thousand sockets in TIME_WAIT
that a busy machine has, one new connection took 90 ms of a link's time. etcd's heartbeats came late, its members connected anew,
each time asking again, and a healed site did not come back for minutes. So on Linux the kernel is asked about the one socket
(sock_diag(7)), which took 0.2 ms.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from lab.addresses import LOCAL

SOCK_DIAG = 4
"""Netlink protocol (linux/netlink.h)."""
BY_FAMILY, REQUEST, FAILED = 20, 1, 2
"""SOCK_DIAG_BY_FAMILY (linux/sock_diag.h), NLM_F_REQUEST and NLMSG_ERROR (linux/netlink.h)."""
HEADER = struct.Struct("=IHHII")
INODE_AT = HEADER.size + 4 + 48 + 16
"""Offset of `idiag_inode` behind the netlink header (struct inet_diag_msg in linux/inet_diag.h)."""


def find_owner(port: int, peer: int, pids: Iterable[int]) -> int | None:
    """Which of these processes has the connection from local port `port` to local port `peer`; None when none of them has."""
    if sys.platform == "linux":
        with suppress(OSError):
            return _holder(inode(port, peer), pids)
    return _by_table(port, pids)


def inode(port: int, peer: int) -> int:
    """Inode of the socket at `port` that is connected to `peer`, both on this machine; 0 when there is none.

    Raises OSError where the kernel cannot be asked.
    """
    address = socket.inet_aton(LOCAL)
    wanted = struct.pack("!HH16s16sI", port, peer, address, address, 0) + b"\xff" * 8
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + wanted
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(HEADER.pack(HEADER.size + len(body), BY_FAMILY, REQUEST, 1, 0) + body)
        answer = kernel.recv(4096)
    if HEADER.unpack_from(answer)[1] == FAILED:
        code = -struct.unpack_from("=i", answer, HEADER.size)[0]
        if code == 2:  # ENOENT: no such socket
            return 0
        raise OSError(code, os.strerror(code))
    return int(struct.unpack_from("=I", answer, INODE_AT)[0])


def _holder(wanted: int, pids: Iterable[int]) -> int | None:
    if wanted == 0:
        return None
    link = f"socket:[{wanted}]"
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    if os.readlink(descriptor) == link:
                        return pid
    return None


def _by_table(port: int, pids: Iterable[int]) -> int | None:
    for pid in pids:
        with suppress(psutil.Error):
            for connection in psutil.Process(pid).net_connections(kind="tcp4"):
                if connection.laddr and connection.laddr.port == port and connection.raddr:
                    return pid
    return None
