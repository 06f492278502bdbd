"""Human reward of quadcopter/hover: near the target, then slow, level, and without spinning."""


def compute_reward(state, action, next_state):
    near = tolerance(next_state.target_distance, bounds=(0.0, 0.05), margin=1.5)
    arrived = tolerance(next_state.target_distance, bounds=(0.0, 0.05), margin=0.3)
    slow = arrived * tolerance(next_state.speed, bounds=(0.0, 0.1), margin=1.0)
    level = 0.3 * next_state.body_up
    alive = 0.3 * (1.0 - next_state.terminated)
    spin = 0.02 * norm_l2(next_state.angular_velocity)
    effort = 0.02 * (action**2).sum(dim=1)
    reward = near + arrived + slow + level + alive - spin - effort
    return reward, {
        "near": near,
        "arrived": arrived,
        "slow": slow,
        "level": level,
        "alive": alive,
        "spin": -spin,
        "effort": -effort,
    }
