"""A kernel that takes the angle in degrees."""


def compute_reward(state, action, next_state):
    near = exp_kernel(next_state.pole_angle * 180.0 / math.pi, 2.0)
    effort = -0.01 * (action**2).sum(dim=1)
    return near + effort, {"near": near, "effort": effort}
