"""Human reward of cartpole/swing-up: upright, in the middle, calm and cheap, all at once."""


def compute_reward(state, action, next_state):
    upright = (next_state.pole_angle_cosine + 1.0) / 2.0
    centered = (1.0 + tolerance(next_state.cart_position, margin=2.0)) / 2.0
    calm = (1.0 + tolerance(next_state.pole_angular_velocity, margin=5.0)) / 2.0
    effort = 0.01 * (action**2).sum(dim=1)
    swing = upright * centered * calm
    return swing - effort, {"swing": swing, "effort": -effort}
