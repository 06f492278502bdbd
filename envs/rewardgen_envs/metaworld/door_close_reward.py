"""Human reward of metaworld/door-close: lean on the open door and swing it shut."""


def compute_reward(state, action, next_state):
    gap = tolerance(next_state.reach_distance, (0.0, 0.1), 0.5, "linear", 0.0)
    open_angle = next_state.joint_position.abs() / 1.5708
    swing = next_state.joint_velocity.clamp(-2.0, 2.0) * (open_angle > 0.1)
    shut = 3.0 * (next_state.goal_distance <= 0.08)
    return 0.5 * gap - 3.0 * open_angle + 0.3 * swing + shut, {
        "gap": 0.5 * gap,
        "open_angle": -3.0 * open_angle,
        "swing": 0.3 * swing,
        "shut": shut,
    }
