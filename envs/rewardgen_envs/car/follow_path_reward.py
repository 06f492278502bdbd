"""Human reward of car/follow-path: get on along the path, keep clear of edges and obstacles."""


def compute_reward(state, action, next_state):
    progress = 0.2 * next_state.progress_velocity.clamp(max=6.0)
    edge = 0.5 * (next_state.lateral_error.abs() / 3.0) ** 4
    close = 1.0 * tolerance(next_state.obstacle_clearance, bounds=(-1.0, 0.2), margin=0.8)
    heading = 0.1 * next_state.heading_error.abs()
    slide = 0.05 * next_state.sideways_speed.abs()
    jerk = 0.02 * ((action - state.last_action) ** 2).sum(dim=1)
    infraction = 20.0 * next_state.terminated
    reward = progress - edge - close - heading - slide - jerk - infraction
    return reward, {
        "progress": progress,
        "edge": -edge,
        "close": -close,
        "heading": -heading,
        "slide": -slide,
        "jerk": -jerk,
        "infraction": -infraction,
    }
