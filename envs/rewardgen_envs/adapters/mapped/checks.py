"""The contract of a mapped task, in order: plays the environment for some seconds, never trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from rewardgen_envs.adapters.mapped.task import ENV_REWARD, MappedTask
from rewardgen_envs.adapters.mapped.worlds import MappedWorlds
from rewardgen_envs.base_task import BoxAction
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.texts import still_to_write, texts
from rewardgen_envs.errors import UsageError

WORLDS = 6
MOST_STEPS = 400
HELD = 8
"""So many control steps half of the worlds keep an action: noise alone gets nowhere."""


@dataclass(frozen=True)
class MappedPlay:
    """Episodes under random actions, T steps of N worlds.

    Attributes:
        state: features before the action.
        action: as applied.
        next_state: features after it.
        observation: what policies saw, pixels included.
        terminated, truncated, valid: as in ``Step``.
        length: control steps of the episode so far.
    """

    state: Float[Tensor, "T N F"]
    action: Tensor
    next_state: Float[Tensor, "T N F"]
    observation: Tensor
    terminated: Bool[Tensor, "T N"]
    truncated: Bool[Tensor, "T N"]
    valid: Bool[Tensor, "T N"]
    length: Int64[Tensor, "T N"]


def play(task: MappedTask, seeds: list[int], actions: Tensor) -> MappedPlay:
    """Return what actions (T, N, …) do in worlds with one seed each."""
    worlds = MappedWorlds(task, seeds, 1)
    rows: list[tuple[Tensor, ...]] = []
    try:
        for action in actions:
            state, observation = worlds.state, worlds.observation()
            step = worlds.step(action)
            flags = (step.terminated, step.truncated, step.valid, step.length)
            rows.append((state, action, step.next_state, observation, *flags))
    finally:
        worlds.close()
    return MappedPlay(*(torch.stack(column) for column in zip(*rows, strict=True)))


class MappedSubject:
    """A mapped task under test, and what was played with it.

    Args:
        task_class: the class, or any maker of equal and independent instances.
    """

    def __init__(self, task_class: Callable[[], MappedTask]) -> None:
        self._task_class = task_class
        self._task = task_class()

    @property
    def task(self) -> MappedTask:
        """The task."""
        return self._task

    @cached_property
    def actions(self) -> Tensor:
        """Random actions, (T, N, …)."""
        action, generator = self.task.action, torch.Generator().manual_seed(1)
        steps = min(self.task.episode_steps + 1, MOST_STEPS)
        if isinstance(action, BoxAction):
            drawn = torch.rand(steps, WORLDS, action.size, generator=generator) * 2.0 - 1.0
        else:
            drawn = torch.randint(action.count, (steps, WORLDS), generator=generator)
        held = torch.arange(steps) // HELD * HELD
        drawn[:, ::2] = drawn[held][:, ::2]
        return drawn

    @cached_property
    def random(self) -> MappedPlay:
        """Episodes under random actions."""
        return play(self.task, list(range(WORLDS)), self.actions)

    @cached_property
    def again(self) -> MappedPlay:
        """The same once more, by another instance, its worlds in another order."""
        backwards = list(reversed(range(WORLDS)))
        return play(self._task_class(), backwards, self.actions.flip(1))

    def broken(self, stage: str, rule: str, method: str, message: str, remedy: str) -> TaskFinding:
        """Return the finding that the map breaks the contract."""
        del method
        message = f"task '{self.task.name}': {message}"
        return TaskFinding(stage, "contract", rule, "error", None, message, remedy)


def check_map(subject: MappedSubject) -> tuple[TaskFinding, ...]:
    """Test every property; the first with an error ends the check."""
    findings: list[TaskFinding] = []
    for name, test in PROPERTIES.items():
        try:
            findings += list(test(subject))
        except Exception as error:
            findings.append(raised(name, error))
        if any(finding.severity == "error" for finding in findings):
            break
    return tuple(findings)


def raised(stage: str, error: Exception) -> TaskFinding:
    """Return the finding that environment or map gave an error."""
    told = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
    remedy = "correct the map, or what it names; the message says where it stopped"
    return TaskFinding(stage, "runtime", "raises", "error", None, told, remedy)


def _environment(subject: MappedSubject) -> Iterator[TaskFinding]:
    """It can be made, acts and is seen, and every formula can be read."""
    task = subject.task
    _ = task.interface, task.episode_steps, task.scene_sha256
    task.fitness(task.table.view(torch.zeros(2, task.table.width)))
    yield from ()


def _episodes(subject: MappedSubject) -> Iterator[TaskFinding]:
    """Features are finite and what they say; an episode lasts as long as is said."""
    task, played = subject.task, subject.random
    rows = torch.cat([played.state, played.next_state]).flatten(0, 1)
    for feature in task.table:
        values = rows[:, task.table.columns(feature.name)]
        if not bool(values.isfinite().all()):
            yield subject.broken(
                "episodes",
                "feature-finite",
                feature.name,
                f"feature '{feature.name}' is not finite in every state met",
                "guard divisions, roots and logarithms, or leave the feature out",
            )
        elif feature.unit == "bool" and not bool(((values == 0) | (values == 1)).all()):
            yield subject.broken(
                "episodes",
                "bool-values",
                feature.name,
                f"feature '{feature.name}' has the unit 'bool' but takes other values than 0 and 1",
                "give its real unit, '1' for a pure number, or compare: 'info[\"x\"] > 0'",
            )
        elif feature.unit != "bool" and not feature.private and _constant(values):
            yield TaskFinding(
                "episodes",
                "contract",
                "feature-constant",
                "warning",
                None,
                f"task '{task.name}': feature '{feature.name}' has the same value in all "
                f"{len(values)} states met",
                "check what it is computed from; a constant tells a reward nothing",
            )
    cut = played.length[played.truncated & (played.length < task.episode_steps)]
    if len(cut):
        yield subject.broken(
            "episodes",
            "length",
            "steps",
            f"the environment ends episodes by time after {int(cut.min())} control steps, the "
            f"nominal length is {task.episode_steps}",
            f"set steps: {int(cut.min())}, so that fitness is over what an episode lasts",
        )


def _constant(values: Tensor) -> bool:
    return bool((values == values[:1]).all())


def _replays(subject: MappedSubject) -> Iterator[TaskFinding]:
    """An episode depends on its seed and actions and on nothing else."""
    task, once, again = subject.task, subject.random, subject.again
    for name in task.table.names:
        columns = task.table.columns(name)
        first, second = once.next_state[..., columns], again.next_state.flip(1)[..., columns]
        if not torch.equal(first.nan_to_num(), second.nan_to_num()):
            yield subject.broken(
                "replays",
                "reproducible",
                name,
                f"feature '{name}' differs between two plays with the same seeds and actions",
                "the environment has to draw from the seed of reset() alone; evaluations and "
                "resumed runs rely on it",
            )
            return
    if bool((once.state[0] == once.state[0, :1]).all()):
        yield TaskFinding(
            "replays",
            "contract",
            "starts-equal",
            "warning",
            None,
            f"task '{task.name}': episodes start in the same state, whatever the seed",
            "say so in the description if it is meant; evaluation episodes then are all alike",
        )


def _observation(subject: MappedSubject) -> Iterator[TaskFinding]:
    """What policies see is finite and not always the same."""
    seen = subject.random.observation.flatten(0, 1).flatten(1).float()
    if not bool(seen.isfinite().all()):
        yield subject.broken(
            "observation",
            "observation-finite",
            "observation",
            "the observation is not finite in every state met",
            "name the parts that are, or a wrapper",
        )
    elif _constant(seen):
        yield subject.broken(
            "observation",
            "observation-constant",
            "observation",
            "the observation has never changed",
            "name the parts that do",
        )


def _fitness(subject: MappedSubject) -> Iterator[TaskFinding]:
    """Every metric is finite."""
    task, played = subject.task, subject.random
    if unwritten := still_to_write(subject):
        yield unwritten
        return
    for name, values in task.fitness(task.table.view(played.next_state)).items():
        if not bool(values.isfinite().all()):
            yield subject.broken(
                "fitness",
                "fitness-finite",
                name,
                f"metric '{name}' is not finite in every state met",
                "guard divisions, roots and logarithms",
            )
        elif _constant(values.flatten().unsqueeze(1)) and task.metric.name == name:
            yield TaskFinding(
                "fitness",
                "contract",
                "fitness-constant",
                "warning",
                None,
                f"task '{task.name}': metric '{name}' is the same in all states met under random "
                "actions",
                f"a rare success may be so; else rank by something denser, such as "
                f"'{ENV_REWARD.name}'",
            )


PROPERTIES: dict[str, Callable[[MappedSubject], Iterator[TaskFinding]]] = {
    "texts": texts,
    "environment": _environment,
    "replays": _replays,
    "episodes": _episodes,
    "observation": _observation,
    "fitness": _fitness,
}
