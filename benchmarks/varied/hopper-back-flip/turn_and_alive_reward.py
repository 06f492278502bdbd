"""Turning, a bonus for every step, and a cost of touching the floor."""


def compute_reward(state, action, next_state):
    rotation = 5.0 * (next_state.backward_rotation - state.backward_rotation)
    alive = 0.5 * torch.ones_like(rotation)
    down = -1.0 * next_state.torso_down
    return rotation + alive + down, {"rotation": rotation, "alive": alive, "down": down}
