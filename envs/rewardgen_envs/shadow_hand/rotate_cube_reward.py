"""Human reward of shadow-hand/rotate-cube: turn the cube, arrive, keep it in the palm."""


def compute_reward(state, action, next_state):
    approach = next_state.approach_velocity.clamp(-5.0, 5.0)
    near = 0.2 / (next_state.rotation_error + 0.2)
    arrived = 10.0 * next_state.at_target
    off_centre = norm_l2(next_state.cube_position[:, :2])
    drifting = 5.0 * off_centre
    effort = 0.01 * (action**2).sum(dim=1)
    dropped = 10.0 * next_state.dropped
    reward = approach + near + arrived - drifting - effort - dropped
    return reward, {
        "approach": approach,
        "near": near,
        "arrived": arrived,
        "drifting": -drifting,
        "effort": -effort,
        "dropped": -dropped,
    }
