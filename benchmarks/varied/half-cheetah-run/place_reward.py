"""How far it is, paid in every step."""


def compute_reward(state, action, next_state):
    place = 0.1 * next_state.torso_x
    effort = -0.1 * (action**2).sum(dim=1)
    return place + effort, {"place": place, "effort": effort}
