"""Human reward of panda/pick-cube: reach, grasp, carry to the goal, the last centimetres most."""


def compute_reward(state, action, next_state):
    distance = next_state.hand_cube_distance
    reach = 1.0 - torch.tanh(8.0 * distance)
    near = tolerance(distance, bounds=(0.0, 0.015), margin=0.04)
    grasp = 0.5 * near * ((0.08 - next_state.finger_opening) / 0.045).clamp(0.0, 1.0)
    left = next_state.cube_goal_distance
    raised = (next_state.cube_height / 0.02).clamp(0.0, 1.0)
    carry = 4.0 * near * raised * (1.0 - torch.tanh(5.0 * left))
    arrived = 4.0 * near * tolerance(left, margin=0.1)
    effort = 0.01 * (action[:, :3] ** 2).sum(dim=1)
    reward = reach + grasp + carry + arrived - effort
    return reward, {
        "reach": reach,
        "grasp": grasp,
        "carry": carry,
        "arrived": arrived,
        "effort": -effort,
    }
