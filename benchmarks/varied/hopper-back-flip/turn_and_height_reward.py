"""Turning while high up."""


def compute_reward(state, action, next_state):
    high = (next_state.torso_clearance > 0.3).float()
    turning = high * (next_state.backward_rotation - state.backward_rotation)
    return turning, {"turning": turning}
