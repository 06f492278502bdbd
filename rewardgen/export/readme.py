"""The README of an exported folder."""

from __future__ import annotations

from statistics import fmean

from rewardgen.report.numbers import unit
from rewardgen.store.records import ExportRecord, PolicyExport, RewardExport


def readme(record: ExportRecord, description: str) -> str:
    """Return the text.

    Args:
        record: what was exported.
        description: the task in a sentence.
    """
    origin = record.name if record.run is None else f"{record.name} of run {record.run}"
    parts = [f"# {origin}", f"Task `{record.task}`: {description}"]
    if record.reward is not None:
        parts.append(_reward(record.reward))
    if record.policy is not None:
        parts.append(_policy(record.policy))
    parts += [f"Note: {note}." for note in record.notes]
    return "\n\n".join(parts) + "\n"


def _reward(reward: RewardExport) -> str:
    function = reward.function
    return f"""## {reward.file}

Needs torch alone. Its first lines name the features that it reads, with shapes and units; give
them by name:

```python
from reward import {function}

rewards, terms = {function}(state, action, next_state)
```

On {reward.transitions:,} recorded transitions of the task it differs from the original by at most
{reward.max_difference:.2g}. In a Gymnasium MuJoCo environment, with rewardgen-lab installed:

```python
from rewardgen.export.gymnasium import RewardWrapper

env = RewardWrapper(gymnasium.make(...), task, {function})
```"""


def _policy(policy: PolicyExport) -> str:
    evaluation = policy.evaluation
    kind = "fresh seeds" if evaluation.confirmed else "seeds of the search, which favour it"
    mean = f"{fmean(evaluation.fitness):.6g}{unit(evaluation.unit)}"
    return f"""## {policy.file}

Policy {policy.member} (training seed {policy.train_seed}). Raw observations in, actions out: the
normalizer and all clipping are inside. Needs an ONNX runtime alone. `policy.json` says what each
number of observation and action is, in which order and unit, and how often to act.

Mean {evaluation.metric} in {len(evaluation.eval_seeds)} episodes on {kind}: {mean}.
On {policy.observations:,} recorded observations the file differs from the trained policy by at
most {policy.max_difference:.2g}.

`python play.py` repeats those episodes in plain MuJoCo and ends with their mean; `--render` shows
them. It needs mujoco, onnxruntime, and rewardgen-lab for the task's definition."""
