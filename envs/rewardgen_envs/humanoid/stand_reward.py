"""Human reward of humanoid/stand: high head, upright torso, no drift, little effort."""


def compute_reward(state, action, next_state):
    tall = tolerance(next_state.head_height, bounds=(1.4, 2.0), margin=0.4)
    upright = tolerance(next_state.torso_up, bounds=(0.9, 1.0), margin=0.9)
    speed = torch.hypot(next_state.forward_velocity, next_state.sideways_velocity)
    still = tolerance(speed, bounds=(0.0, 0.2), margin=1.0)
    standing = tall * upright * (0.5 + 0.5 * still)
    healthy = 0.5 * (1.0 - next_state.terminated)
    control = 0.02 * (action**2).sum(dim=1)
    return standing + healthy - control, {
        "standing": standing,
        "healthy": healthy,
        "control": -control,
    }
