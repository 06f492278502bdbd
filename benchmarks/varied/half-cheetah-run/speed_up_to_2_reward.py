"""Speed up to 2 m/s."""


def compute_reward(state, action, next_state):
    speed = next_state.forward_velocity.clamp(max=2.0)
    return speed, {"speed": speed}
