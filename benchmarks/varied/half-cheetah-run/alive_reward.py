"""A bonus for every step that outweighs speed."""


def compute_reward(state, action, next_state):
    alive = 5.0 * torch.ones_like(next_state.forward_velocity)
    speed = 0.1 * next_state.forward_velocity
    effort = -0.1 * (action**2).sum(dim=1)
    return alive + speed + effort, {"alive": alive, "speed": speed, "effort": effort}
