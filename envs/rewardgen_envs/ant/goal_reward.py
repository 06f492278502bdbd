"""Human reward of ant/goal: approach the goal, stay there, do not fall, do not waste effort."""


def compute_reward(state, action, next_state):
    approach = next_state.approach_velocity * (1.0 - next_state.at_goal)
    arrived = 2.0 * next_state.at_goal
    healthy = 0.5 * (1.0 - next_state.terminated)
    upright = 0.2 * next_state.torso_up
    control = 0.05 * (action**2).sum(dim=1)
    reward = approach + arrived + healthy + upright - control
    return reward, {
        "approach": approach,
        "arrived": arrived,
        "healthy": healthy,
        "upright": upright,
        "control": -control,
    }
