"""Human reward of go1/velocity: track both commands, take real steps, stay level and smooth."""


def compute_reward(state, action, next_state):
    velocity = 2.0 * exp_kernel(next_state.velocity_error, 0.5)
    turn = exp_kernel(next_state.turn_rate_error, 0.5)
    alive = 0.5 * (1.0 - next_state.terminated)
    landed = next_state.foot_on_floor * (1.0 - state.foot_on_floor)
    steps = 2.0 * ((state.foot_air_time - 0.1).clamp(-0.1, 0.2) * landed).sum(dim=1)
    level = 0.5 * norm_l2(next_state.projected_gravity[:, :2])
    bounce = 0.5 * next_state.vertical_velocity**2
    sway = 0.02 * (next_state.trunk_angular_velocity[:, :2] ** 2).sum(dim=1)
    pose = 0.1 * (next_state.joint_offsets**2).sum(dim=1)
    jerk = 0.02 * ((action - state.last_action) ** 2).sum(dim=1)
    reward = velocity + turn + alive + steps - level - bounce - sway - pose - jerk
    return reward, {
        "velocity": velocity,
        "turn": turn,
        "alive": alive,
        "steps": steps,
        "level": -level,
        "bounce": -bounce,
        "sway": -sway,
        "pose": -pose,
        "jerk": -jerk,
    }
