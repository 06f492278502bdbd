"""The first file of a zygote or worker process, run as a script by ``python -I``.

The argument is a JSON object: ``role``, ``fd`` of the channel, ``paths`` to import from, ``mode``
and ``memory_bytes``.
"""

from __future__ import annotations

import json
import os
import socket
import sys


def main() -> None:
    """Import what the role needs and play it."""
    given = json.loads(sys.argv[1])
    sys.path[:0] = given["paths"]

    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)

    from rewardgen.isolation import worker
    from rewardgen.isolation.channel import Channel
    from rewardgen.isolation.protection import protect

    channel = Channel(socket.socket(fileno=given["fd"]))
    mode, memory_bytes = given["mode"], given["memory_bytes"]
    if given["role"] == "zygote":
        from rewardgen.isolation import zygote

        zygote.run(channel, mode, memory_bytes)
    else:
        worker.silence()
        worker.serve(channel, protect(mode, os.getppid(), memory_bytes))


if __name__ == "__main__":
    main()
