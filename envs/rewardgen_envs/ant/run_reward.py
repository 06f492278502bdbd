"""Human reward of ant/run: the reward of Gymnasium's Ant-v5, weights included."""


def compute_reward(state, action, next_state):
    forward = next_state.forward_velocity
    healthy = 1.0 - next_state.terminated
    control = 0.5 * (action**2).sum(dim=1)
    forces = next_state.contact_forces.clamp(-1.0, 1.0)
    torques = next_state.contact_torques.clamp(-1.0, 1.0)
    contact = 5e-4 * ((forces**2).sum(dim=(1, 2)) + (torques**2).sum(dim=(1, 2)))
    return forward + healthy - control - contact, {
        "forward": forward,
        "healthy": healthy,
        "control": -control,
        "contact": -contact,
    }
