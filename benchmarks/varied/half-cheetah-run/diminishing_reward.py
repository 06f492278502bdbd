"""Speed, worth the less the more there is of it."""


def compute_reward(state, action, next_state):
    speed = torch.sign(next_state.forward_velocity) * torch.log1p(next_state.forward_velocity.abs())
    effort = -0.05 * (action**2).sum(dim=1)
    return speed + effort, {"speed": speed, "effort": effort}
