"""Speed, but effort costs twenty times what it does for Gymnasium."""


def compute_reward(state, action, next_state):
    speed = next_state.forward_velocity
    effort = -2.0 * (action**2).sum(dim=1)
    return speed + effort, {"speed": speed, "effort": effort}
