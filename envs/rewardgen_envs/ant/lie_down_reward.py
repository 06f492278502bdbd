"""Human reward of ant/lie-down: sink to the floor, stay level, and stop moving."""


def compute_reward(state, action, next_state):
    low = tolerance(next_state.torso_clearance, bounds=(0.0, 0.025), margin=0.4, sigmoid="linear")
    level = next_state.torso_up.clamp(min=0.0)
    fastest = next_state.joint_velocities.abs().amax(1)
    calm = tolerance(fastest, bounds=(0.0, 0.2), margin=3.0, sigmoid="long_tail")
    lying = low * level * (1.0 + calm)
    control = 0.02 * (action**2).sum(dim=1)
    return lying - control, {"lying": lying, "control": -control}
