"""Human reward of metaworld/door-unlock: the fingertips left of the bolt, then turn it up."""


def compute_reward(state, action, next_state):
    bolt = next_state.handle_position - next_state.fingertips
    behind = norm_l2(bolt - torch.tensor([0.03, 0.0, 0.0], device=bolt.device))
    touch = tolerance(behind, (0.0, 0.02), 0.3, "linear", 0.0)
    turned = 1.0 - next_state.joint_position.clamp(0.0, 1.5708) / 1.5708
    unlocked = 2.0 * (next_state.goal_distance <= 0.02)
    return touch + 3.0 * turned + unlocked, {
        "touch": touch,
        "turned": 3.0 * turned,
        "unlocked": unlocked,
    }
