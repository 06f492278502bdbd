"""Human reward of ant/wave-leg: balance on three legs, then move the foot the way it is due."""


def compute_reward(state, action, next_state):
    foot = next_state.foot_heights[:, 0]
    support = tolerance(next_state.foot_heights[:, 1:].amax(1), bounds=(0.0, 0.04), margin=0.1)
    balance = support * tolerance(next_state.torso_up, bounds=(0.95, 1.0), margin=0.3)
    lifted = 0.5 * balance * (foot / 0.1).clamp(0.0, 1.0)
    # a foot that was low more recently than high has to go up
    rising = state.since_low_s <= state.since_high_s
    climb = (foot - state.foot_heights[:, 0]) / 0.05
    swing = 2.0 * balance * torch.where(rising, climb, -climb).clamp(-1.0, 1.0) * (foot > 0.05)
    control = 0.05 * (action**2).sum(dim=1)
    drift = 0.2 * next_state.start_distance.clamp(max=2.0)
    return balance + lifted + swing - control - drift, {
        "balance": balance,
        "lifted": lifted,
        "swing": swing,
        "control": -control,
        "drift": -drift,
    }
