"""A turn forwards."""


def compute_reward(state, action, next_state):
    forward = (next_state.torso_pitch_rate / 10.0).clamp(min=-1.0, max=1.0)
    height = 0.5 * next_state.torso_height
    return forward + height, {"forward": forward, "height": height}
