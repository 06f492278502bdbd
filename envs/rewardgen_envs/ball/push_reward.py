"""Human reward of ball/push: get behind the ball, bring it to the goal, and leave it there."""


def compute_reward(state, action, next_state):
    progress = 20.0 * (state.goal_distance - next_state.goal_distance)
    arrived = tolerance(next_state.goal_distance, bounds=(0.0, 0.05), margin=0.1)
    still = arrived * tolerance(next_state.ball_speed, margin=0.3)
    # where the ball is never pays by itself: who waits beside it would be paid for nothing
    away = 1.0 - arrived
    reach = 0.5 * away * (1.0 - torch.tanh(4.0 * next_state.ball_gap.clamp(min=0.0)))
    behind = 0.3 * away * next_state.push_alignment
    lost = 2.0 * next_state.terminated
    reward = progress + 2.0 * arrived + still + reach + behind - lost
    return reward, {
        "progress": progress,
        "arrived": 2.0 * arrived,
        "still": still,
        "reach": reach,
        "behind": behind,
        "lost": -lost,
    }
