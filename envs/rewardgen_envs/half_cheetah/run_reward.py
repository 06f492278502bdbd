"""Human reward of half-cheetah/run: the reward of Gymnasium's HalfCheetah-v5."""


def compute_reward(state, action, next_state):
    forward = next_state.forward_velocity
    control = 0.1 * (action**2).sum(dim=1)
    return forward - control, {"forward": forward, "control": -control}
