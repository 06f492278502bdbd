"""A weighted sum of height, middle and calm."""


def compute_reward(state, action, next_state):
    height = 1.0 * (next_state.pole_angle_cosine + 1.0) / 2.0
    middle = 0.3 * tolerance(next_state.cart_position, margin=2.0)
    calm = 0.3 * tolerance(next_state.pole_angular_velocity, margin=5.0)
    return height + middle + calm, {"height": height, "middle": middle, "calm": calm}
