"""Speed, without a cost."""


def compute_reward(state, action, next_state):
    speed = next_state.forward_velocity
    return speed, {"speed": speed}
