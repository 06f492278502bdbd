"""Human reward of mountain-car/continuous: gain energy, and arrive."""


def compute_reward(state, action, next_state):
    before = 0.0025 * state.height / 0.45 / 3.0 + 0.5 * state.velocity**2
    after = 0.0025 * next_state.height / 0.45 / 3.0 + 0.5 * next_state.velocity**2
    energy = 1000.0 * (after - before)
    arrival = 10.0 * next_state.terminated
    effort = 0.01 * (action**2).sum(dim=-1)
    reward = energy + arrival - effort
    return reward, {"energy": energy, "arrival": arrival, "effort": -effort}
