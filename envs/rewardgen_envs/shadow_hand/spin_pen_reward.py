"""Human reward of shadow-hand/spin-pen: turn the pen, keep it level and over the palm."""


def compute_reward(state, action, next_state):
    spin = next_state.turn_rate.clamp(-5.0, 5.0)
    level = 0.5 * next_state.pen_level
    off_centre = norm_l2(next_state.pen_position[:, :2])
    drifting = 5.0 * off_centre
    effort = 0.01 * (action**2).sum(dim=1)
    dropped = 10.0 * next_state.dropped
    reward = spin + level - drifting - effort - dropped
    return reward, {
        "spin": spin,
        "level": level,
        "drifting": -drifting,
        "effort": -effort,
        "dropped": -dropped,
    }
