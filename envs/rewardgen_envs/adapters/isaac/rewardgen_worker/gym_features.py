"""Features of an actor of Isaac Gym that need no list by hand: root, joints, bodies, contacts.

Quaternions get the scalar part first, positions count from the origin of their environment, as
features of this project do.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import numpy as np

from .gym_types import Gym
from .serve import Array, Feature, as_array

_SCALAR_FIRST = [3, 0, 1, 2]


class GymFeatures:
    """Reads one actor of every environment through the tensor API.

    Args:
        gym: ``gymapi.acquire_gym()``, or ``task.gym``.
        sim: ``task.sim``.
        in_sim: ``gymapi.DOMAIN_SIM``.
        wrap: ``gymtorch.wrap_tensor``.
        actor: its name, the same in every environment; by default the first.

    Raises:
        ValueError: an environment has no such actor.
    """

    def __init__(
        self,
        gym: Gym,
        sim: Any,
        in_sim: Any,
        wrap: Callable[[Any], Any],
        actor: str = "",
    ) -> None:
        self._gym, self._sim = gym, sim
        envs = [gym.get_env(sim, i) for i in range(gym.get_env_count(sim))]
        handles = [_actor(gym, env, actor) for env in envs]
        pairs = list(zip(envs, handles))
        first = pairs[0]
        self._joint_names = gym.get_actor_dof_names(*first)
        self._body_names = gym.get_actor_rigid_body_names(*first)
        self._origins = np.array([_position(gym.get_env_origin(env)) for env in envs], np.float32)
        self._root = np.array([gym.get_actor_index(e, a, in_sim) for e, a in pairs])
        joints = range(gym.get_actor_dof_count(*first))
        bodies = range(gym.get_actor_rigid_body_count(*first))
        self._joints = np.array(
            [[gym.get_actor_dof_index(e, a, j, in_sim) for j in joints] for e, a in pairs], int
        )
        self._bodies = np.array(
            [[gym.get_actor_rigid_body_index(e, a, b, in_sim) for b in bodies] for e, a in pairs],
            int,
        )
        self._roots = wrap(gym.acquire_actor_root_state_tensor(sim))
        self._dofs = wrap(gym.acquire_dof_state_tensor(sim)) if len(joints) else None
        self._rigid = wrap(gym.acquire_rigid_body_state_tensor(sim))
        self._contacts = wrap(gym.acquire_net_contact_force_tensor(sim))

    @property
    def table(self) -> List[Feature]:
        """The features."""
        joints, bodies = len(self._joint_names), len(self._body_names)
        of_joints = "of {}".format(", ".join(self._joint_names))
        of_bodies = "of {}".format(", ".join(self._body_names))
        table = [
            Feature("root_position", (3,), "m", "Position of the root; z is up."),
            Feature("root_quaternion", (4,), "1", "Orientation of the root, scalar part first."),
            Feature("root_velocity", (3,), "m/s", "Velocity of the root, world frame."),
            Feature(
                "root_angular_velocity", (3,), "rad/s", "Angular velocity of the root, world frame."
            ),
        ]
        if self._dofs is not None:
            sentence = f"{of_joints}; in m where a joint slides."
            table += [
                Feature("joint_positions", (joints,), "rad", f"Positions {sentence}"),
                Feature("joint_velocities", (joints,), "rad/s", f"Velocities {sentence}"),
            ]
        table += [
            Feature("body_positions", (bodies, 3), "m", f"Positions {of_bodies}."),
            Feature("body_velocities", (bodies, 3), "m/s", f"Velocities {of_bodies}."),
            Feature("contact_forces", (bodies, 3), "N", f"Forces of contacts {of_bodies}."),
        ]
        return table

    def read(self) -> Dict[str, Array]:
        """Return what is now, (B, *shape) by name."""
        gym, sim = self._gym, self._sim
        gym.refresh_actor_root_state_tensor(sim)
        gym.refresh_rigid_body_state_tensor(sim)
        gym.refresh_net_contact_force_tensor(sim)
        root = as_array(self._roots).reshape(-1, 13)[self._root]
        rigid = as_array(self._rigid).reshape(-1, 13)[self._bodies]
        values = {
            "root_position": root[:, :3] - self._origins,
            "root_quaternion": root[:, 3:7][:, _SCALAR_FIRST],
            "root_velocity": root[:, 7:10],
            "root_angular_velocity": root[:, 10:13],
            "body_positions": rigid[..., :3] - self._origins[:, None],
            "body_velocities": rigid[..., 7:10],
            "contact_forces": as_array(self._contacts).reshape(-1, 3)[self._bodies],
        }
        if self._dofs is not None:
            gym.refresh_dof_state_tensor(sim)
            joints = as_array(self._dofs).reshape(-1, 2)[self._joints]
            values["joint_positions"], values["joint_velocities"] = joints[..., 0], joints[..., 1]
        return values


def _actor(gym: Gym, env: Any, name: str) -> int:
    handles = [gym.get_actor_handle(env, i) for i in range(gym.get_actor_count(env))]
    names = [gym.get_actor_name(env, handle) for handle in handles]
    if not name and handles:
        return handles[0]
    if name not in names:
        raise ValueError(
            "no actor '{}' in an environment; valid: {}".format(name, ", ".join(names))
        )
    return handles[names.index(name)]


def _position(vector: Any) -> List[float]:
    return [vector.x, vector.y, vector.z]
