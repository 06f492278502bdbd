"""Tolerance around 5 m/s or more, with a wide margin."""


def compute_reward(state, action, next_state):
    fast = tolerance(next_state.forward_velocity, bounds=(5.0, 100.0), margin=5.0)
    return fast, {"fast": fast}
