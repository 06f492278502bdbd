"""A high torso."""


def compute_reward(state, action, next_state):
    high = 2.0 * next_state.torso_z
    effort = -0.1 * (action**2).sum(dim=1)
    return high + effort, {"high": high, "effort": effort}
