"""Speed and a level torso."""


def compute_reward(state, action, next_state):
    speed = next_state.forward_velocity
    level = 1.0 * tolerance(next_state.torso_pitch, bounds=(-0.2, 0.2), margin=1.0)
    effort = -0.1 * (action**2).sum(dim=1)
    return speed + level + effort, {"speed": speed, "level": level, "effort": effort}
