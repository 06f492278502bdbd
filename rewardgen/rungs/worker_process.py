"""Starts a worker process: ``python -m rewardgen.rungs.worker_process ROLE OWNER``.

The owner is told by its process id. Before the libraries are loaded, which takes seconds, the
process is bound to its owner: one that is stopped meanwhile would outlive it.
"""

from __future__ import annotations

import sys

from rewardgen.isolation.protection import die_with_parent


def main() -> None:
    """Serve jobs until stdin ends, or the owner does, however."""
    role, owner = sys.argv[1:]
    die_with_parent(int(owner))
    from rewardgen.rungs.worker import serve

    serve(role)


if __name__ == "__main__":
    main()
