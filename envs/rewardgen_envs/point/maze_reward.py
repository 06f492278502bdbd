"""Human reward of point/maze: less way to go at each step, and stay at the goal."""


def compute_reward(state, action, next_state):
    progress = 5.0 * (state.path_distance - next_state.path_distance)
    arrived = 1.0 * (next_state.goal_distance < 0.4)
    closer = arrived * tolerance(next_state.goal_distance, margin=0.4)
    effort = 0.02 * (action**2).sum(dim=1)
    reward = progress + arrived + closer - effort
    return reward, {
        "progress": progress,
        "arrived": arrived,
        "closer": closer,
        "effort": -effort,
    }
