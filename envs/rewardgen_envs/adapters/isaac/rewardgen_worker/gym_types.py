"""The part of Isaac Gym's ``Gym`` that is used, as a type of our own.

Isaac Gym ships no types that a checker finds, and cannot be installed beside this project. What
the simulator hands out is opaque; parameters count by position, as its bindings name none.
"""

from __future__ import annotations

from typing import Any, List, Protocol

Sim = Any
Env = Any
Tensor = Any
Vec3 = Any
IndexDomain = Any


class Gym(Protocol):
    """``gymapi.acquire_gym()``."""

    def acquire_actor_root_state_tensor(self, arg0: Sim) -> Tensor:
        """(actors, 13): position, quaternion with the scalar last, velocities; world frame."""
        ...

    def acquire_dof_state_tensor(self, arg0: Sim) -> Tensor:
        """(dofs, 2): position and velocity."""
        ...

    def acquire_rigid_body_state_tensor(self, arg0: Sim) -> Tensor:
        """(bodies, 13), as of actors."""
        ...

    def acquire_net_contact_force_tensor(self, arg0: Sim) -> Tensor:
        """(bodies, 3), world frame."""
        ...

    def refresh_actor_root_state_tensor(self, arg0: Sim) -> bool:
        """Make it say what is now."""
        ...

    def refresh_dof_state_tensor(self, arg0: Sim) -> bool:
        """Make it say what is now."""
        ...

    def refresh_rigid_body_state_tensor(self, arg0: Sim) -> bool:
        """Make it say what is now."""
        ...

    def refresh_net_contact_force_tensor(self, arg0: Sim) -> bool:
        """Make it say what is now."""
        ...

    def get_env_count(self, arg0: Sim) -> int:
        """How many environments."""
        ...

    def get_env(self, arg0: Sim, arg1: int) -> Env:
        """One of them."""
        ...

    def get_env_origin(self, arg0: Env) -> Vec3:
        """Where it lies in the world."""
        ...

    def get_actor_count(self, arg0: Env) -> int:
        """How many actors an environment has."""
        ...

    def get_actor_handle(self, arg0: Env, arg1: int) -> int:
        """One of them."""
        ...

    def get_actor_name(self, arg0: Env, arg1: int) -> str:
        """Its name."""
        ...

    def get_actor_index(self, arg0: Env, arg1: int, arg2: IndexDomain) -> int:
        """Its row."""
        ...

    def get_actor_dof_count(self, arg0: Env, arg1: int) -> int:
        """How many degrees of freedom it has."""
        ...

    def get_actor_dof_names(self, arg0: Env, arg1: int) -> List[str]:
        """Their names."""
        ...

    def get_actor_dof_index(self, arg0: Env, arg1: int, arg2: int, arg3: IndexDomain) -> int:
        """The row of one of them."""
        ...

    def get_actor_rigid_body_count(self, arg0: Env, arg1: int) -> int:
        """How many bodies it has."""
        ...

    def get_actor_rigid_body_names(self, arg0: Env, arg1: int) -> List[str]:
        """Their names."""
        ...

    def get_actor_rigid_body_index(self, arg0: Env, arg1: int, arg2: int, arg3: IndexDomain) -> int:
        """The row of one of them."""
        ...
