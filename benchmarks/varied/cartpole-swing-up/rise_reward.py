"""How much higher the tip is than before, without a discount."""


def compute_reward(state, action, next_state):
    rise = 10.0 * (next_state.pole_tip_height - state.pole_tip_height)
    return rise, {"rise": rise}
