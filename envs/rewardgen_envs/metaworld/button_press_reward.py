"""Human reward of metaworld/button-press: closed fingers in front of the button, then inwards."""


def compute_reward(state, action, next_state):
    offset = next_state.handle_position - next_state.fingertips
    aim = tolerance(norm_l2(offset[:, ::2]), (0.0, 0.02), 0.3, "linear", 0.0)
    approach = tolerance(offset[:, 1], (-0.1, 0.03), 0.5, "linear", 0.0)
    depth = tolerance(next_state.goal_distance, (0.0, 0.02), 0.075, "linear", 0.0)
    pressed = 2.0 * (next_state.goal_distance <= 0.02)
    narrow = 0.2 * (1.0 - next_state.gripper_opening)
    return aim * (0.5 + approach) + 3.0 * depth + pressed + narrow, {
        "aim": aim * (0.5 + approach),
        "depth": 3.0 * depth,
        "pressed": pressed,
        "narrow": narrow,
    }
