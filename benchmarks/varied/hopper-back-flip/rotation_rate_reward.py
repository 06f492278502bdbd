"""How fast it turns backwards."""


def compute_reward(state, action, next_state):
    rate = (-next_state.torso_pitch_rate / 10.0).clamp(min=-1.0, max=1.0)
    return rate, {"rate": rate}
