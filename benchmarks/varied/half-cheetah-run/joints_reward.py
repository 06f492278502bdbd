"""Fast joints, wherever they carry it."""


def compute_reward(state, action, next_state):
    motion = 0.1 * next_state.joint_velocities.abs().mean(dim=1)
    return motion, {"motion": motion}
