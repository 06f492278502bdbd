"""The README of an exported folder."""

from __future__ import annotations

from statistics import fmean

from rewardgen.report.numbers import unit
from rewardgen.report.text import wrapping
from rewardgen.store.export_records import ExportRecord, PolicyExport, RewardExport


def readme(record: ExportRecord, description: str) -> str:
    """Return the text.

    Args:
        record: what was exported.
        description: the task in a sentence.
    """
    origin = record.name if record.run is None else f"{record.name} of run {record.run}"
    parts = [f"# {origin}", f"Task `{record.task}`: {description}"]
    if record.reward is not None:
        bound = record.reward.bindings
        parts.append(_isaac_lab(record.reward) if bound else _reward(record.reward))
        if record.reward.wrapper is not None:
            around = wrapping(record.reward.wrapper)
            parts.append(f"The wrapper around the reward's code is part of the file: `{around}`.")
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


def _isaac_lab(reward: RewardExport) -> str:
    rows = [
        f"| `{b.feature}` | ({', '.join(map(str, b.shape))}) | {b.unit} | "
        f"{b.description} | {'`' + b.proposal + '`' if b.proposal else 'to do'} | {b.check or ''} |"
        for b in reward.bindings
    ]
    table = "\n".join(rows)
    module = reward.file.removesuffix(".py")
    return f"""## {reward.file}

Needs torch alone. Bind the features that it reads in its table `BINDINGS`; proposals are guesses
by name, shape and unit. Shapes are those of one environment.

| feature | shape | unit | meaning | proposal | check |
|---|---|---|---|---|---|
{table}

Manager-based: the reward term, and an event that reads the features where episodes begin; it comes
last among those of mode `reset`. Isaac Lab multiplies terms by weight and control step.

```python
from {module} import reset_features, reward_term

reward = RewardTermCfg(func=reward_term, weight=1.0 / step_dt)
read_features = EventTermCfg(func=reset_features, mode="reset")
```

Direct:

```python
from {module} import DirectRewards

class MyTask(DirectRewards, TheTaskAsItIs):
    pass
```

On {reward.transitions:,} recorded transitions of the task the reward differs from the original by
at most {reward.max_difference:.2g}. The file has not run in Isaac Lab itself."""


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
