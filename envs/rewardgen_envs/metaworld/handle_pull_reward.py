"""Human reward of metaworld/handle-pull: fingertips under the grip's front, then lift."""


def compute_reward(state, action, next_state):
    grip = next_state.handle_position - next_state.fingertips
    # from the end of the grip, whose radius is 2.2 cm, to just below its front edge
    under = grip + torch.tensor([-0.03, -0.03, -0.03], device=grip.device)
    reach = tolerance(norm_l2(under), (0.0, 0.02), 0.25, "linear", 0.0)
    lifted = tolerance(next_state.joint_position, (-0.02, 1.0), 0.08, "linear", 0.0)
    rising = 5.0 * next_state.joint_velocity.clamp(-0.2, 0.2)
    up = 2.0 * (next_state.goal_distance <= 0.05)
    return reach + 3.0 * lifted + rising + up, {
        "reach": reach,
        "lifted": 3.0 * lifted,
        "rising": rising,
        "up": up,
    }
