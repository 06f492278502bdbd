"""The first file of every process that is locked, run as a script by ``python -I``.

What it is given on stdin is a JSON object: ``role``, ``owner`` (its process id), ``fd`` of the
channel, ``paths`` to import from, ``mode``, ``confines`` and ``folder``. A role with a dot in its
name is a module, whose ``serve(channel, lock, folder)`` plays it.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from functools import partial


def main() -> None:
    """Import what the role needs and play it."""
    given = json.load(sys.stdin)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.path[:0] = given["paths"]

    # first of all: whoever is stopped while it loads its libraries must not outlive its owner
    from rewardgen.isolation.protection import die_with_parent, protect

    die_with_parent(given["owner"])

    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)

    # all that any role needs: in the lock no module can be read
    from rewardgen.isolation import computing, worker, zygote
    from rewardgen.isolation.channel import Channel
    from rewardgen.isolation.confines import Confines
    from rewardgen.isolation.memories import forget_packages

    channel = Channel(socket.socket(fileno=given["fd"]))
    mode, confines = given["mode"], Confines(**given["confines"])
    if given["role"] == "zygote":
        zygote.run(channel, mode, confines)
    elif "." in given["role"]:
        play = importlib.import_module(given["role"]).serve
        play(channel, partial(protect, mode, os.getppid(), confines), given["folder"])
    elif given["role"] == "compute":
        computing.serve(channel, protect(mode, os.getppid(), confines))
    else:
        forget_packages()
        worker.silence()
        worker.serve(channel, protect(mode, os.getppid(), confines))


if __name__ == "__main__":
    main()
