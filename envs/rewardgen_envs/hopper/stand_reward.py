"""Human reward of hopper/stand: a high, upright torso over a foot at rest, and no motion."""


def compute_reward(state, action, next_state):
    tall = tolerance(next_state.torso_height, bounds=(1.17, 1.3), margin=0.4)
    upright = tolerance(next_state.torso_pitch, bounds=(-0.1, 0.1), margin=0.6)
    speed = torch.hypot(next_state.torso_velocity_x, next_state.torso_velocity_z)
    still = tolerance(speed, bounds=(0.0, 0.1), margin=1.0)
    near = tolerance(next_state.torso_x, bounds=(-0.1, 0.1), margin=0.5)
    standing = 2.0 * tall * upright * (0.5 + 0.5 * still * near)
    alive = 0.5 * (1.0 - next_state.terminated)
    control = 0.01 * (action**2).sum(dim=1)
    return standing + alive - control, {
        "standing": standing,
        "alive": alive,
        "control": -control,
    }
