"""Human reward of ant/spin: turn left fast, stay on the spot, stay level."""


def compute_reward(state, action, next_state):
    turning = 0.5 * next_state.turning_rate.clamp(-4.0, 8.0)
    away = 0.5 * next_state.start_distance.clamp(max=3.0)
    level = 0.5 * next_state.torso_up
    alive = 0.5 * (1.0 - next_state.terminated)
    control = 0.05 * (action**2).sum(dim=1)
    return turning + level + alive - away - control, {
        "turning": turning,
        "level": level,
        "alive": alive,
        "away": -away,
        "control": -control,
    }
