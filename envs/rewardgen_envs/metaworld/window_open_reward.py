"""Human reward of metaworld/window-open: come to the handle's left side, push it to the right."""


def compute_reward(state, action, next_state):
    # the point from which to push lies left of the handle
    beside = tolerance(next_state.reach_distance, (0.0, 0.02), 0.4, "linear", 0.0)
    slid = tolerance(next_state.joint_position, (0.2, 1.0), 0.2, "linear", 0.0)
    is_open = 1.0 * (next_state.goal_distance <= 0.05)
    return beside + 3.0 * slid + 2.0 * is_open, {
        "beside": beside,
        "slid": 3.0 * slid,
        "is_open": 2.0 * is_open,
    }
