"""Human reward of hopper/run: the reward of Gymnasium's Hopper-v5, weights included."""


def compute_reward(state, action, next_state):
    forward = next_state.forward_velocity
    healthy = 1.0 - next_state.terminated
    control = 1e-3 * (action**2).sum(dim=1)
    return forward + healthy - control, {
        "forward": forward,
        "healthy": healthy,
        "control": -control,
    }
