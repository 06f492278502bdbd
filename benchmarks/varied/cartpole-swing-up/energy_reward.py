"""The pole's energy close to what it has when it stands still upright."""


def compute_reward(state, action, next_state):
    kinetic = 0.5 * 0.33 * next_state.pole_angular_velocity**2
    potential = 9.81 * 0.5 * (next_state.pole_angle_cosine - 1.0)
    energy = exp_kernel(kinetic + potential, 3.0)
    return energy, {"energy": energy}
