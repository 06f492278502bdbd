"""Record what MetaWorld's own environments do, for ``test_metaworld_agreement.py`` to replay.

metaworld 3.1.1 pins mujoco 3.3.0 and cannot share an environment with this project, so this file
imports nothing of it and runs in a throw-away environment of its own:

    python -m venv /tmp/metaworld
    /tmp/metaworld/bin/pip install metaworld==3.1.1 mujoco==3.3.0 packaging
    /tmp/metaworld/bin/python tests/envs/record_metaworld.py

writes one file per task to ``tests/envs/recordings/metaworld``. Episodes are played by the
package's scripted policies, as they are and changed, and by random actions. The changed ones do
something else once they have succeeded: some of the policies go on pushing until the state is lost
again, and some states are lost without a push. Actions are multiples of 1/127, so that a byte holds
one.

It then plays the same actions on this project's scenes and prints how far the hand ever is from
where it was: under the package's own version of MuJoCo 0.04 to 60 micrometres, and 3 mm in one
episode of door-unlock that a contact decides.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
from metaworld.policies import ENV_POLICY_MAP
from metaworld.policies.policy import Policy
from numpy.typing import NDArray

TASKS = {
    "button-press": ("button", "box"),
    "door-close": ("door", "door"),
    "door-unlock": ("lock", "door"),
    "drawer-close": ("drawer", "drawer"),
    "drawer-open": ("drawer", "drawer"),
    "handle-press": ("handle", "box"),
    "handle-press-side": ("handle_side", "box"),
    "handle-pull": ("handle", "box"),
    "sweep-into": ("block", None),
    "window-close": ("window", "window"),
    "window-open": ("window", "window"),
}
"""The tasks, this project's scene of each, and the body that resets place."""
ASSETS = Path(__file__).parents[2] / "envs" / "rewardgen_envs" / "metaworld" / "assets"
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
    style: str,
    slow: float,
    policy: Policy,
    observation: NDArray[Any],
    reached: NDArray[Any] | None,
    rng: np.random.Generator,
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
    base = TASKS[name][1]
    place = env.model.body(base).pos if base else np.zeros(3)
    start = {
        "place": place.copy(),
        "start_qpos": env.data.qpos.copy(),
        "start_qvel": env.data.qvel.copy(),
        "start_mocap": env.data.mocap_pos[0].copy(),
        "limits": np.stack([env.mocap_low, env.mocap_high]),
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


def farthest_apart(name: str, one: dict[str, NDArray[Any]]) -> float:
    """Play a recorded episode on this project's scene; return the hand's largest distance in m."""
    scene, base = TASKS[name]
    model = mujoco.MjModel.from_xml_path(str(ASSETS / f"{scene}.xml"))
    model.opt.cone = mujoco.mjtCone.mjCONE_ELLIPTIC  # as every scene is normalized
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = one["start_qpos"], one["start_qvel"]
    pull = model.body("mocap").mocapid[0]
    data.mocap_pos[pull] = one["start_mocap"]
    if base is not None:
        data.mocap_pos[model.body(base).mocapid[0]] = one["place"]
    apart = 0.0
    for step, whole in enumerate(one["action"], 1):
        action = whole.astype(np.float32) / LEVELS
        data.mocap_pos[pull] = np.clip(data.mocap_pos[pull] + action[:3] / 100.0, *one["limits"])
        data.ctrl[:] = action[3], -action[3]
        mujoco.mj_step(model, data, 5)
        if step % EVERY == 0:
            mujoco.mj_forward(model, data)
            there = one["seen"][step // EVERY - 1, :3]
            apart = max(apart, float(np.linalg.norm(data.body("hand").xpos - there)))
    return apart


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
    logging.basicConfig(level=logging.INFO, format="%(message)s")
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
        apart = max(farthest_apart(name, one) for one in played)
        columns = {key: np.stack([one[key] for one in played]) for key in played[0]}
        env = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{name}-v3-goal-observable"](seed=0)
        path = folder / f"{name}.npz"
        np.savez_compressed(path, **columns, **model_numbers(env.model))
        kept = columns["success"][:, EVERY - 1 :: EVERY]
        logging.info(
            f"{name}: {path.stat().st_size:,} bytes, success in {kept.mean():.0%} of states"
        )
        logging.info(f"  this project's scene: the hand is at most {apart:.1e} m elsewhere")
        for number, style in enumerate(STYLES):
            part = kept[number * EPISODES : (number + 1) * EPISODES]
            logging.info(
                f"  {style}: {part.mean():.0%} of states, {part.any(1).mean():.0%} of episodes"
            )


if __name__ == "__main__":
    main()
