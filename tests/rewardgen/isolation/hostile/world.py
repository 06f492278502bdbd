"""What hostile code might reach, and what has become of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import torch

from tests.rewardgen.isolation.hostile.canary import Canary

_HOME_FILES = ("secret.txt", ".ssh/id_ed25519", ".config/keys.json")


class World:
    """A home with secrets, a folder that may be harmed, and somebody who listens.

    Args:
        folder: an empty directory for both.

    Attributes:
        canary: the secret.
        token: part of the name of whatever snippets make; in the environment of processes.
        home: a home directory.
        scratch: the folder that may be harmed.
    """

    def __init__(self, folder: Path) -> None:
        self.canary = Canary()
        self.token = f"hostile{secrets.token_hex(4)}"
        self.home = folder / "home"
        self.scratch = folder / "scratch"
        self._tcp, self._udp = _listeners()
        self._agent = socket.socket(socket.AF_UNIX)
        self.restore()

    @property
    def places(self) -> Mapping[str, str]:
        """What placeholders in snippets stand for."""
        return {
            "SECRET": str(self.home / "secret.txt"),
            "HOME": str(self.home),
            "SCRATCH": str(self.scratch),
            "PORT": str(self._tcp.getsockname()[1]),
            "TOKEN": self.token,
        }

    def restore(self) -> None:
        """Make home and scratch as they were, and remove what bears the token elsewhere."""
        for folder in (self.home, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for name in _HOME_FILES:
            file = self.home / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(self.canary.text + "\n")
        (self.home / ".session").symlink_to(self.canary.text)
        self._agent.close()
        self._agent = socket.socket(socket.AF_UNIX)
        self._agent.bind(str(self.home / "agent.sock"))
        self._agent.listen()
        self._agent.setblocking(False)
        (self.scratch / "folder").mkdir()
        (self.scratch / "folder" / "inner.txt").write_text("untouched\n")
        (self.scratch / "victim.txt").write_text("untouched\n")
        (self.scratch / "victim.bin").write_bytes(bytes(64))
        program = self.scratch / "program.sh"
        program.write_text('#!/bin/sh\necho ran > "$1"\n')
        program.chmod(0o755)
        for found in self._marked_files():
            Path(found).unlink(missing_ok=True)

    def files(self) -> dict[str, object]:
        """Return all there is to know about home and scratch, and names with the token."""
        found: dict[str, object] = dict.fromkeys(self._marked_files(), "made")
        for folder in (self.home, self.scratch):
            for path in (folder, *folder.rglob("*")):
                found[str(path)] = _known(path)
        return found

    def packets(self) -> list[bytes]:
        """Return what has arrived since the last call; an empty one is a mere connection."""
        arrived: list[bytes] = []
        for server in (self._tcp, self._agent):
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(0.05)
                        arrived.append(_received(connection))
        with contextlib.suppress(BlockingIOError):
            while True:
                arrived.append(self._udp.recv(65536))
        return arrived

    def close(self) -> None:
        """Hang up."""
        for listener in (self._tcp, self._udp, self._agent):
            listener.close()

    def _marked_files(self) -> list[str]:
        return [
            entry.path
            for folder in _watched()
            for entry in os.scandir(folder)
            if self.token in entry.name
        ]


def processes(mark: str) -> set[int]:
    """Return the processes that were started with a text in their environment, and live."""
    found: set[int] = set()
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and mark.encode() in _read(f"/proc/{entry.name}/environ"):
                found.add(int(entry.name))
    return found


def kill(pids: set[int]) -> None:
    """Kill processes that were found by ``processes``."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def standing(pid: int) -> dict[str, object]:
    """Return what one process may have done to another: limits, priority, whether it runs."""
    state = _read(f"/proc/{pid}/stat").decode().rpartition(")")[2].split()[0]
    return {
        "limits": _read(f"/proc/{pid}/limits"),
        "priority": os.getpriority(os.PRIO_PROCESS, pid),
        "processors": os.sched_getaffinity(pid),
        "group": os.getpgid(pid),
        "folder": os.readlink(f"/proc/{pid}/cwd"),
        "stopped": state in "Tt",
    }


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _watched() -> list[str]:
    folders = {
        os.getcwd(), "/", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", sys.prefix,
        os.path.dirname(torch.__file__), sysconfig.get_path("stdlib"),
    }  # fmt: skip
    return [folder for folder in folders if os.path.isdir(folder)]


def _known(path: Path) -> object:
    at = path.lstat()
    kind = (at.st_mode, at.st_uid, at.st_gid, at.st_nlink, at.st_size, at.st_mtime_ns)
    content = os.readlink(path) if path.is_symlink() else b""
    if path.is_file() and not path.is_symlink():
        content = path.read_bytes()
    return (*kind, at.st_ctime_ns, content)


def _listeners() -> tuple[socket.socket, socket.socket]:
    """Return a TCP and a UDP socket at the same port of the loopback."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # somebody has that port
            tcp.close()
            udp.close()
            continue
        for listener in (tcp, udp):
            listener.setblocking(False)
        return tcp, udp


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""
