"""Standing, which it does from the start."""


def compute_reward(state, action, next_state):
    standing = 1.0 * next_state.standing
    effort = -0.01 * (action**2).sum(dim=1)
    return standing + effort, {"standing": standing, "effort": effort}
