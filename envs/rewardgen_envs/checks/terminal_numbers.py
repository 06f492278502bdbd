"""In terminal states, metrics, observation and sparse reward are finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from rewardgen_envs.checks.endings import Ending
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.features import FeatureTable, FeatureView
from rewardgen_envs.task import Task

STAGE = "falling"
_SHOWN = 4  # features of the state that a message shows, and numbers of each


@dataclass(frozen=True)
class _Number:
    """Something that must be finite.

    Attributes:
        culprit: what it is, in words.
        rule: the rule that it breaks if it is not.
        method: the task's method that computes it.
        of: computes it for (state, action, next_state): (R,) or (R, O).
    """

    culprit: str
    rule: str
    method: str
    of: Callable[[FeatureView, Tensor, FeatureView], Tensor]


def terminal_numbers(subject: Subject) -> Iterator[TaskFinding]:
    """Name what is not finite in terminal states although it is in those that play met."""
    view, play = subject.task.table.view, subject.random
    state, after = view(play.state[play.valid]), view(play.next_state[play.valid])
    blamed: set[str] = set()
    for number in _numbers(subject.task):
        if number.method == "sparse_reward" and "fitness" in blamed:
            continue  # by default it is computed from the fitness
        if not bool(number.of(state, play.action[play.valid], after).isfinite().all()):
            blamed.add(number.method)
            continue  # the properties before this one have said so
        for ending in subject.endings:
            values = number.of(view(ending.state), ending.action, view(ending.next_state))
            broken = ~values.reshape(len(ending.state), -1).isfinite().all(1)
            if bool(broken.any()):
                blamed.add(number.method)
                yield _finding(subject, number, ending, broken)


def _numbers(task: Task) -> list[_Number]:
    def metric(name: str) -> _Number:
        return _Number(
            f"metric '{name}'",
            "fitness-finite",
            "fitness",
            lambda state, action, after: task.fitness(after)[name].float(),
        )

    return [
        _Number(
            "the observation",
            "observation-finite",
            "observation",
            lambda state, action, after: task.observation(after),
        ),
        *(metric(declared.name) for declared in task.metrics),
        _Number("the sparse reward", "sparse-finite", "sparse_reward", task.sparse_reward),
    ]


def _finding(subject: Subject, number: _Number, ending: Ending, broken: Tensor) -> TaskFinding:
    return subject.broken(
        STAGE,
        number.rule,
        number.method,
        f"{number.culprit} is not finite in {int(broken.sum())} of {len(broken)} states that "
        f"'{ending.cause}' ends, for example where {_state(subject, number, ending, broken)}",
        "give terminal states a finite value, too; after_termination is for the steps after them",
    )


def _state(subject: Subject, number: _Number, ending: Ending, broken: Tensor) -> str:
    """Return the values, in a broken row, of features that the method reads."""
    table = subject.task.table
    after = _Reads(table, ending.next_state[broken][:1])
    number.of(table.view(ending.state[broken][:1]), ending.action[broken][:1], after)
    names = sorted(after.names, key=lambda name: table[name].size)  # single numbers first
    shown: list[str] = []
    for name in names[:_SHOWN]:
        numbers = [f"{x:.3g}" for x in table.select(ending.next_state, name)[broken][0].flatten()]
        text = ", ".join(numbers[:_SHOWN]) + (", …" if len(numbers) > _SHOWN else "")
        shown.append(f"{name} = {text if len(numbers) == 1 else f'({text})'}")
    return ", ".join([*shown, "…"] if len(names) > _SHOWN else shown)


class _Reads(FeatureView):
    """Notes the features that are read, in order."""

    __slots__ = ("names",)

    def __init__(self, table: FeatureTable, data: Tensor) -> None:
        super().__init__(table, data)
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Tensor:
        value = super().__getattr__(name)
        if name not in self.names:
            self.names.append(name)
        return value
