"""Human reward of panda/lift-cube: reach the cube, close the fingers around it, raise it."""


def compute_reward(state, action, next_state):
    distance = next_state.hand_cube_distance
    reach = 1.0 - torch.tanh(8.0 * distance)
    near = tolerance(distance, bounds=(0.0, 0.015), margin=0.04)
    grasp = 0.5 * near * ((0.08 - next_state.finger_opening) / 0.045).clamp(0.0, 1.0)
    lift = 6.0 * near * (next_state.cube_height / 0.12).clamp(0.0, 1.0)
    effort = 0.01 * (action[:, :3] ** 2).sum(dim=1)
    reward = reach + grasp + lift - effort
    return reward, {"reach": reach, "grasp": grasp, "lift": lift, "effort": -effort}
