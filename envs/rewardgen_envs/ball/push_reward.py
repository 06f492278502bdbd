"""Human reward of ball/push: bring the ball to the goal, from behind it, and leave it there."""


def compute_reward(state, action, next_state):
    progress = 10.0 * (state.goal_distance - next_state.goal_distance)
    near = tolerance(next_state.goal_distance, bounds=(0.0, 0.03), margin=0.3)
    arrived = tolerance(next_state.goal_distance, bounds=(0.0, 0.08), margin=0.05)
    still = arrived * tolerance(next_state.ball_speed, margin=0.3)
    away = 1.0 - arrived
    behind = 0.2 * away * next_state.push_alignment
    reach = 0.2 * away * tolerance(next_state.ball_gap, bounds=(-0.01, 0.02), margin=0.4)
    alive = 0.2 * (1.0 - next_state.terminated)
    reward = progress + near + arrived + still + behind + reach + alive
    return reward, {
        "progress": progress,
        "near": near,
        "arrived": arrived,
        "still": still,
        "behind": behind,
        "reach": reach,
        "alive": alive,
    }
