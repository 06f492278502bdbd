"""Population PPO: P policies trained in one batched simulation, each on its own reward.

Knows tasks (``rewardgen_envs``) and the seam to reward sources (``seam``), nothing else.

- ``train``: one rung of a population, a pure function.
- ``evaluate``: trusted evaluation on seeds that training did not use.
- ``Recipe``: all settings; ``MemberState`` and its files: members between rungs.
"""

from rewardgen_policies.checkpoint import (
    CheckpointError,
    MemberState,
    decode,
    encode,
    load_checkpoint,
    save_checkpoint,
)
from rewardgen_policies.curves import Curve
from rewardgen_policies.evaluation import (
    Evaluation,
    Policies,
    Trajectory,
    evaluate,
    evaluate_random,
    record,
)
from rewardgen_policies.recipe import Recipe, RecipeError, load_recipe, parse_recipe
from rewardgen_policies.seam import (
    RewardFailure,
    RewardSource,
    Rollout,
    Scores,
    SourceSpec,
)
from rewardgen_policies.train import Failure, Member, Progress, TrainResult, train

__all__ = [
    "CheckpointError",
    "Curve",
    "Evaluation",
    "Failure",
    "Member",
    "MemberState",
    "Policies",
    "Progress",
    "Recipe",
    "RecipeError",
    "RewardFailure",
    "RewardSource",
    "Rollout",
    "Scores",
    "SourceSpec",
    "TrainResult",
    "Trajectory",
    "decode",
    "encode",
    "evaluate",
    "evaluate_random",
    "load_checkpoint",
    "load_recipe",
    "parse_recipe",
    "record",
    "save_checkpoint",
    "train",
]
