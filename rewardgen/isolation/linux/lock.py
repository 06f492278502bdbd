"""Locks a process before it loads code that nobody vouches for.

The order matters: what changes credentials undoes the bond with the parent, Landlock needs files to
be opened, and after the filter of system calls no layer can be added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rewardgen.isolation.confines import Confines
from rewardgen.isolation.linux import landlock, limits, privileges, seccomp
from rewardgen.isolation.linux.canaries import escapes


@dataclass(frozen=True)
class Locked:
    """What became of each layer.

    Attributes:
        applied: layers that this process has.
        missing: layer → why the system did not grant it.
        escapes: what this process could do although it must not.
    """

    applied: tuple[str, ...]
    missing: dict[str, str]
    escapes: tuple[str, ...]


def prepared(confines: Confines) -> int | None:
    """Return what ``lock`` can be given to be faster, made once by a process that forks others.

    None if it cannot be made: ``lock`` then says why.
    """
    try:
        return landlock.prepare(confines.readable, confines.writable)
    except OSError:
        return None


def lock(parent: int, confines: Confines, rules: int | None = None) -> Locked:
    """Apply every layer to this process, which has one thread, and try whether they hold.

    Args:
        parent: process id of its parent, with which it dies.
        confines: what it is left with.
        rules: from ``prepared`` with the same confines, in this process or its parent.
    """

    def close_files() -> None:
        if rules is None:
            landlock.restrict(confines.readable, confines.writable)
        else:
            landlock.enforce(rules)

    layers: tuple[tuple[str, Callable[[], object]], ...] = (
        ("no core dumps", limits.dump_no_core),
        *((("no file writes", limits.write_no_files),) if not confines.writable else ()),
        ("open files limit", limits.open_few_files),
        ("memory limit", lambda: limits.limit_memory(confines.memory_bytes)),
        # a GPU's driver maps the addresses of the whole machine
        *(
            (("address space limit", lambda: limits.limit_addresses(confines.memory_bytes)),)
            if confines.placement == "process"
            else ()
        ),
        ("first to go when memory is short", limits.volunteer_for_the_oom_killer),
        ("no network", privileges.leave_the_network),
        ("no capabilities", privileges.drop_capabilities),
        ("no new privileges", privileges.gain_nothing_by_exec),
        ("dies with its parent", lambda: limits.die_with_parent(parent)),
        ("files closed by Landlock", close_files),
        ("system calls filtered", lambda: seccomp.install(confines.placement)),
    )
    applied: list[str] = []
    missing: dict[str, str] = {}
    for name, apply in layers:
        try:
            apply()
        except OSError as error:
            missing[name] = error.strerror or str(error)
        else:
            applied.append(name)
    return Locked(tuple(applied), missing, tuple(escapes(parent, confines)))
