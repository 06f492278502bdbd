"""Transitions of a task to compare two forms of the same reward or policy on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.worlds import open_worlds
from rewardgen_policies.checkpoint import MemberState
from rewardgen_policies.evaluation import Act, Policies, RandomPolicy

ROWS = 1000
_WORLDS = 10
_STEPS = 200
_SEED = 20_000


@torch.no_grad()
def record_transitions(task: BaseTask, policies: Sequence[MemberState] = ()) -> Transitions:
    """Return 1,000 transitions of a task, fewer only if the physics diverges nearly always.

    Half of them are under random actions, half under the policies given, if there are any. Their
    rows hold the columns of all features, private ones too.

    Args:
        task: the task.
        policies: members whose networks fit it.
    """
    acts: list[Act] = [RandomPolicy(task, _SEED), *(Policies([state]) for state in policies)]
    parts = [_rolled(task, act, ROWS // len(acts)) for act in acts]
    return Transitions(
        state=torch.cat([part.state for part in parts]),
        action=torch.cat([part.action for part in parts]),
        next_state=torch.cat([part.next_state for part in parts]),
    )


def _rolled(task: BaseTask, act: Act, rows: int) -> Transitions:
    """Return so many transitions, evenly spread over a rollout of all worlds."""
    simulation = open_worlds(task, [_SEED], _WORLDS, threads=1)
    seen: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    try:
        for _ in range(_STEPS):
            state = simulation.state
            action = act(simulation.observation().unsqueeze(0))[0]
            step = simulation.step(action)
            seen.append((state, action, step.next_state, step.valid))
    finally:
        simulation.close()
    states, actions, next_states, valid = (torch.cat(part) for part in zip(*seen, strict=True))
    usable = valid.nonzero()[:, 0]
    spread = torch.linspace(0, len(usable) - 1, min(rows, len(usable))).long()
    chosen = usable[spread]
    return Transitions(states[chosen], actions[chosen], next_states[chosen])
