"""Speed with the wrong sign."""


def compute_reward(state, action, next_state):
    speed = -next_state.forward_velocity
    effort = -0.1 * (action**2).sum(dim=1)
    return speed + effort, {"speed": speed, "effort": effort}
