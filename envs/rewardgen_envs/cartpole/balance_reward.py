"""Human reward of cartpole/balance: stay alive, upright, centred and calm."""


def compute_reward(state, action, next_state):
    alive = 0.5 * (1.0 - next_state.terminated)
    upright = tolerance(next_state.pole_angle, bounds=(-0.05, 0.05), margin=0.4)
    centered = 0.5 * tolerance(next_state.cart_position, margin=1.0)
    effort = 0.01 * (action**2).sum(dim=1)
    reward = alive + upright + centered - effort
    return reward, {"alive": alive, "upright": upright, "centered": centered, "effort": -effort}
