"""Human reward of franka/open-cabinet: reach the handle, close the fingers on it, pull."""


def compute_reward(state, action, next_state):
    distance = next_state.hand_handle_distance
    reach = 1.0 - torch.tanh(6.0 * distance)
    near = tolerance(distance, bounds=(0.0, 0.015), margin=0.04)
    grasp = 0.5 * near * ((0.08 - next_state.finger_opening) / 0.06).clamp(0.0, 1.0)
    opened = 5.0 * (next_state.drawer_opening / 0.4).clamp(0.0, 1.0)
    effort = 0.01 * (action[:, :3] ** 2).sum(dim=1)
    reward = reach + grasp + opened - effort
    return reward, {"reach": reach, "grasp": grasp, "opened": opened, "effort": -effort}
