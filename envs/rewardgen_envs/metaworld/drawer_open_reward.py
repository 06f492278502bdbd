"""Human reward of metaworld/drawer-open: take the handle between the fingers from above, pull."""


def compute_reward(state, action, next_state):
    away = next_state.handle_position - next_state.fingertips
    over = tolerance(norm_l2(away[:, :2]), (0.0, 0.02), 0.2, "linear", 0.0)
    lowered = tolerance(away[:, 2], (0.01, 0.03), 0.15, "linear", 0.0)
    # low only where the handle is, so that no finger runs into it from the front
    reach = over * (0.5 + 0.5 * lowered)
    opened = (-next_state.joint_position / 0.16).clamp(0.0, 1.0)
    pulling = over * (-next_state.joint_velocity).clamp(-0.2, 0.2)
    done = 1.0 * (next_state.goal_distance <= 0.03)
    effort = 0.01 * (action**2).sum(dim=1)
    return reach + 3.0 * opened + 5.0 * pulling + 2.0 * done - effort, {
        "reach": reach,
        "opened": 3.0 * opened,
        "pulling": 5.0 * pulling,
        "done": 2.0 * done,
        "effort": -effort,
    }
