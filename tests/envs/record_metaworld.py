"""Record what MetaWorld's own environments do, for ``test_metaworld_agreement.py`` to replay.

metaworld 3.1.1 pins mujoco 3.3.0 and cannot share an environment with this project, so this file
imports nothing of it and runs in a throw-away environment of its own:

    python -m venv /tmp/metaworld
    /tmp/metaworld/bin/pip install metaworld==3.1.1 mujoco==3.3.0 packaging
    /tmp/metaworld/bin/python tests/envs/record_metaworld.py

writes one file per task to ``tests/envs/recordings/metaworld``. Episodes are played by the package's
scripted policies, as they are and changed, and by random actions. The changed ones do something else
once they have succeeded: some of the policies go on pushing until the state is lost again, and some
states are lost without a push. Actions are multiples of 1/127, so that a byte holds one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
from metaworld.policies import ENV_POLICY_MAP
from numpy.typing import NDArray

TASKS = {
    "button-press": "box",
    "door-close": "door",
    "door-unlock": "door",
    "drawer-close": "drawer",
    "drawer-open": "drawer",
    "handle-press": "box",
    "handle-press-side": "box",
    "handle-pull": "box",
    "sweep-into": None,
    "window-close": "window",
    "window-open": "window",
}
"""The tasks, and the body that their resets place."""
STYLES = ("scripted", "noisy, then holds", "slow, then stays", "random")
EPISODES = 4  # of each style
STEPS = 200
EVERY = 5  # control steps between two recorded states
LEVELS = 127
NOISE = 0.6
SLOW = 0.5
SLOWEST_SWEEP = 0.7  # slower, that policy never leaves the place where it starts to sweep


def rounded(action: NDArray[Any]) -> NDArray[np.int8]:
    """Return an action in [-1, 1] as multiples of 1 / LEVELS."""
    return np.rint(np.clip(action, -1.0, 1.0) * LEVELS).astype(np.int8)


def chosen(
    style: str, slow: float, policy: Any, observation: Any, reached: Any, rng: Any
) -> NDArray[Any]:
    """Return what a style does now; ``reached`` is where the hand was at the first success."""
    if style == "random":
        return rng.uniform(-1.0, 1.0, 4)
    if reached is not None and style.endswith("stays"):
        return np.zeros(4)
    if reached is not None and style.endswith("holds"):
        return np.append(10.0 * (reached - observation[:3]), 0.0)
    action = np.clip(policy.get_action(observation), -1.0, 1.0)
    if style.startswith("slow"):
        return np.append(np.clip(action[:3], -slow, slow), action[3])
    return action + (rng.uniform(-NOISE, NOISE, 4) if style.startswith("noisy") else 0.0)


def episode(name: str, style: str, seed: int) -> dict[str, NDArray[Any]]:
    """Play and record one episode."""
    env = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{name}-v3-goal-observable"](seed=seed)
    env._freeze_rand_vec, env.seeded_rand_vec = False, True  # places by the environment's own seed
    env.seed(seed)
    observation, _ = env.reset()
    policy, rng = ENV_POLICY_MAP[f"{name}-v3"](), np.random.default_rng(seed)
    base = TASKS[name]
    place = env.model.body(base).pos if base else np.zeros(3)
    start = {
        "place": place.copy(),
        "start_qpos": env.data.qpos.copy(),
        "start_qvel": env.data.qvel.copy(),
        "start_mocap": env.data.mocap_pos[0].copy(),
    }
    names = ("action", "qpos", "seen", "success", "reward")
    record: dict[str, list[Any]] = {name: [] for name in names}
    reached, slow = None, SLOWEST_SWEEP if name == "sweep-into" else SLOW
    for step in range(STEPS):
        action = rounded(chosen(style, slow, policy, observation, reached, rng))
        observation, reward, _, _, info = env.step(action.astype(np.float32) / LEVELS)
        if reached is None and info["success"]:
            reached = observation[:3].copy()
        record["action"].append(action)
        record["success"].append(bool(info["success"]))
        record["reward"].append(np.float16(reward))
        if (step + 1) % EVERY == 0:
            record["qpos"].append(env.data.qpos.astype(np.float32))
            # hand, opening of the gripper, what is to be moved
            record["seen"].append(observation[:7].astype(np.float32))
    return {**start, **{name: np.array(values) for name, values in record.items()}}


def model_numbers(model: mujoco.MjModel) -> dict[str, NDArray[Any]]:
    """Return what of the compiled model decides how it moves."""
    touching = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    # it could only touch what has bit 2, and nothing has
    touching &= model.geom_contype != 4
    numbers = {
        name: getattr(model, name)
        for name in (
            "body_mass",
            "body_inertia",
            "body_ipos",
            "jnt_type",
            "jnt_range",
            "jnt_axis",
            "jnt_stiffness",
            "jnt_solref",
            "jnt_solimp",
            "qpos_spring",
            "dof_damping",
            "dof_armature",
            "actuator_gainprm",
            "actuator_biasprm",
            "actuator_ctrlrange",
            "eq_data",
            "eq_solref",
            "eq_solimp",
        )
    }
    for name in ("type", "size", "friction", "solref", "solimp", "margin", "condim", "bodyid"):
        numbers[f"geom_{name}"] = getattr(model, f"geom_{name}")[touching]
    for name in ("contype", "conaffinity", "pos", "quat"):
        numbers[f"geom_{name}"] = getattr(model, f"geom_{name}")[touching]
    return {f"model_{name}": np.array(value) for name, value in numbers.items()}


def main() -> None:
    """Record the tasks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(TASKS))
    folder = Path(__file__).parent / "recordings" / "metaworld"
    folder.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().tasks or TASKS:
        played = [
            episode(name, style, seed)
            for number, style in enumerate(STYLES)
            for seed in range(number * EPISODES, (number + 1) * EPISODES)
        ]
        columns = {key: np.stack([one[key] for one in played]) for key in played[0]}
        env = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{name}-v3-goal-observable"](seed=0)
        path = folder / f"{name}.npz"
        np.savez_compressed(path, **columns, **model_numbers(env.model))
        kept = columns["success"][:, EVERY - 1 :: EVERY]
        print(f"{name}: {path.stat().st_size:,} bytes, success in {kept.mean():.0%} of states")
        for number, style in enumerate(STYLES):
            part = kept[number * EPISODES : (number + 1) * EPISODES]
            print(f"  {style}: {part.mean():.0%} of states, {part.any(1).mean():.0%} of episodes")


if __name__ == "__main__":
    main()
