"""Costs of effort and nothing to gain."""


def compute_reward(state, action, next_state):
    effort = -(action**2).sum(dim=1)
    return effort, {"effort": effort}
