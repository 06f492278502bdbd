"""Human reward of metaworld/sweep-into: lower the fingers around the block, drag it to the hole."""


def compute_reward(state, action, next_state):
    away = next_state.block_position - next_state.fingertips
    above = tolerance(norm_l2(away[:, :2]), (0.0, 0.01), 0.15, "linear", 0.0)
    low = tolerance(away[:, 2], (-0.02, 0.02), 0.15, "linear", 0.0)
    around = above * (0.4 + 0.6 * low)
    nearer = tolerance(next_state.hole_distance, (0.0, 0.03), 0.25, "linear", 0.0)
    inside = 3.0 * (next_state.hole_distance <= 0.05)
    # a block that is thrown across the table is lost
    lost = 1.0 * (norm_l2(next_state.block_velocity) > 2.0)
    return around + 4.0 * nearer + inside - lost, {
        "around": around,
        "nearer": 4.0 * nearer,
        "inside": inside,
        "lost": -lost,
    }
