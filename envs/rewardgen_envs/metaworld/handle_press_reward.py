"""Human reward of metaworld/handle-press: fingers over the grip, then down to the goal's height."""


def compute_reward(state, action, next_state):
    grip = next_state.handle_position - next_state.fingertips
    over = tolerance(norm_l2(grip[:, :2]), (0.0, 0.03), 0.3, "linear", 0.0)
    touching = tolerance(grip[:, 2], (-0.03, 0.01), 0.2, "linear", 0.0)
    height = tolerance(next_state.goal_distance, (0.0, 0.01), 0.09, "linear", 0.0)
    down = 2.0 * (next_state.goal_distance <= 0.02)
    return 0.5 * over * (1.0 + touching) + 3.0 * height + down, {
        "over": 0.5 * over * (1.0 + touching),
        "height": 3.0 * height,
        "down": down,
    }
