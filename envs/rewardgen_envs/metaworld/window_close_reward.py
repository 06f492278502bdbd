"""Human reward of metaworld/window-close: follow the handle from its right side to the left."""


def compute_reward(state, action, next_state):
    to_handle = next_state.handle_position - next_state.fingertips
    contact = tolerance(norm_l2(to_handle), (0.0, 0.03), 0.6, "linear", 0.0)
    remaining = next_state.joint_position.clamp(min=0.0) / 0.2
    closing = -next_state.joint_velocity.clamp(-0.5, 0.5)
    shut = 2.0 * (next_state.goal_distance <= 0.05)
    return contact - 3.0 * remaining + closing + shut, {
        "contact": contact,
        "remaining": -3.0 * remaining,
        "closing": closing,
        "shut": shut,
    }
