"""Human reward of ant/isaac-run: the terms and weights of IsaacGymEnvs' Ant."""


def compute_reward(state, action, next_state):
    standing = 1.0 - next_state.terminated
    progress = standing * next_state.progress
    facing = standing * 0.5 * (next_state.target_facing / 0.8).clamp(max=1.0)
    upright = standing * 0.1 * (next_state.torso_up > 0.93)
    alive = 0.5 * standing - 2.0 * next_state.terminated
    # motors in the order of the joints: the leg that comes last there is the first motor's
    effort = torch.cat([action[:, 2:], action[:, :2]], dim=1).abs()
    power = 0.05 * (effort * (0.2 * next_state.joint_velocities).abs()).sum(dim=1)
    control = 0.005 * (action**2).sum(dim=1)
    at_limit = 0.1 * (next_state.joint_positions > 0.99).sum(dim=1)
    cost = standing * (power + control + at_limit)
    return progress + facing + upright + alive - cost, {
        "progress": progress,
        "facing": facing,
        "upright": upright,
        "alive": alive,
        "cost": -cost,
    }
