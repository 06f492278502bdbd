"""Human reward of humanoid/run: the reward of Gymnasium's Humanoid-v5, weights included."""


def compute_reward(state, action, next_state):
    forward = 1.25 * next_state.forward_velocity
    healthy = 5.0 * (1.0 - next_state.terminated)
    control = 0.1 * ((0.4 * action) ** 2).sum(dim=1)
    forces = (next_state.contact_forces**2).sum(dim=(1, 2))
    torques = (next_state.contact_torques**2).sum(dim=(1, 2))
    contact = (5e-7 * (forces + torques)).clamp(max=10.0)
    return forward + healthy - control - contact, {
        "forward": forward,
        "healthy": healthy,
        "control": -control,
        "contact": -contact,
    }
