"""Human reward of metaworld/handle-press-side: go left to the grip, press it to the right depth."""


def compute_reward(state, action, next_state):
    reach = tolerance(next_state.reach_distance, (0.0, 0.04), 0.45, "linear", 0.0)
    depth_error = (next_state.joint_position + 0.097).abs()
    depth = 1.0 - bounded(depth_error, 0.06)
    held = 2.0 * (next_state.goal_distance <= 0.02)
    too_deep = (-0.115 - next_state.joint_position).clamp(min=0.0) / 0.05
    return reach + 3.0 * depth + held - too_deep, {
        "reach": reach,
        "depth": 3.0 * depth,
        "held": held,
        "too_deep": -too_deep,
    }
