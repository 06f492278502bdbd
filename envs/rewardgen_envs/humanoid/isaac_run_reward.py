"""Human reward of humanoid/isaac-run: the terms of IsaacGymEnvs' Humanoid, all motors alike."""


def compute_reward(state, action, next_state):
    standing = 1.0 - next_state.terminated
    progress = standing * next_state.progress
    facing = standing * 0.5 * (next_state.target_facing / 0.8).clamp(max=1.0)
    upright = standing * 0.1 * (next_state.torso_up > 0.93)
    alive = 2.0 * standing - 1.0 * next_state.terminated
    # the first two motors, of the abdomen, come in the other order than its joints
    effort = torch.cat([action[:, 1:2], action[:, :1], action[:, 2:]], dim=1).abs()
    power = 0.05 * (effort * (0.1 * next_state.joint_velocities).abs()).sum(dim=1)
    control = 0.01 * (action**2).sum(dim=1)
    beyond = (next_state.joint_positions.abs() - 0.98).clamp(min=0.0)
    at_limit = 0.25 * (beyond / 0.02).clamp(max=1.0).sum(dim=1)
    cost = standing * (power + control + at_limit)
    return progress + facing + upright + alive - cost, {
        "progress": progress,
        "facing": facing,
        "upright": upright,
        "alive": alive,
        "cost": -cost,
    }
