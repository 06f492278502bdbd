"""Human reward of metaworld/drawer-close: the fingertips to the drawer's front, then push."""


def compute_reward(state, action, next_state):
    near = tolerance(next_state.reach_distance, (0.0, 0.06), 0.3, "linear", 0.0)
    # 0.167 m at the start, 0.065 m when shut
    push = tolerance(next_state.goal_distance, (0.0, 0.06), 0.11, "linear", 0.0)
    shut = 1.0 * (next_state.goal_distance <= 0.065)
    pace = (state.goal_distance - next_state.goal_distance) / 0.01
    return 0.5 * near + 2.0 * push + 2.0 * shut + pace, {
        "near": 0.5 * near,
        "push": 2.0 * push,
        "shut": 2.0 * shut,
        "pace": pace,
    }
