"""Human reward of ball-balance/balance: the ball in the middle, still, with calm legs."""


def compute_reward(state, action, next_state):
    centered = tolerance(next_state.ball_distance, bounds=(0.0, 0.05), margin=0.4)
    still = tolerance(next_state.ball_speed, bounds=(0.0, 0.05), margin=0.8)
    rest = centered * still
    alive = 0.2 * (1.0 - next_state.terminated)
    jerk = 0.02 * ((action - state.last_action) ** 2).sum(dim=1)
    reward = centered + rest + alive - jerk
    return reward, {"centered": centered, "rest": rest, "alive": alive, "jerk": -jerk}
