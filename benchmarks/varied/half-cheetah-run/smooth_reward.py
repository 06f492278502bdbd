"""Speed, with a cost of changes of the action."""


def compute_reward(state, action, next_state):
    speed = next_state.forward_velocity
    change = -0.5 * ((action - state.last_action) ** 2).sum(dim=1)
    return speed + change, {"speed": speed, "change": change}
