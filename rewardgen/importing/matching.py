"""Which feature each name of a foreign reward stands for, and how it is written in our terms."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rewardgen.importing.entry import Entry, Given, Style
from rewardgen.importing.meaning import Meaning, meaning, nearest_features, of_feature
from rewardgen.importing.refusal import finding
from rewardgen.rewards.findings import Finding
from rewardgen.store.export_records import ImportedName
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.names import nearest
from rewardgen_envs.task import BoxAction, Task

How = Literal["bound", "exact", "known", "meaning"]
_BEFORE = ("prev_", "previous_", "last_", "old_")
_LAST_OF_GYM = "scalar part last, as Isaac Gym has it"
_OUR_JOINTS = "in this task's order of joints"
_GRAVITY = frozenset({"projected", "gravity"})
_BODIES = (frozenset({"torso"}), frozenset({"object"}))
_ROOT = {
    "position": ((3,), "m"),
    "quaternion": ((4,), "1"),
    "velocity": ((3,), "m/s"),
    "angular velocity": ((3,), "rad/s"),
}


@dataclass(frozen=True)
class Matches:
    """What was found out about the names of a foreign reward.

    Attributes:
        names: those that have a meaning here, in the order of the function.
        findings: the others.
    """

    names: tuple[ImportedName, ...]
    findings: tuple[Finding, ...]


def parse_binds(texts: tuple[str, ...], table: FeatureTable) -> dict[str, str]:
    """Return name → expression of what was bound as ``name=feature``.

    A feature may follow ``state.`` or ``next_state.``, which is meant without; ``action``, numbers
    and lists of numbers may stand in its place.

    Raises:
        UsageError: a text has not this form, or there is no such feature.
    """
    binds: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.rpartition("="))
        if not equals or not name or not value:
            raise UsageError(f"--bind {text}: write --bind NAME=FEATURE, or NAME=NUMBER")
        binds[name.replace("self.", "")] = _bound_to(value, table)
    return binds


def match(entry: Entry, task: Task, binds: Mapping[str, str]) -> Matches:
    """Match every name that a foreign reward reads.

    Args:
        entry: the reward.
        task: whose public features are meant.
        binds: what the user has bound.

    Raises:
        UsageError: something is bound that the reward does not read.
    """
    given = {each.name for each in entry.given}
    unread = [name for name in binds if name not in given]
    if unread:
        raise UsageError(
            f"--bind {unread[0]}: the reward does not read it{nearest(unread[0], given)}"
        )
    names: list[ImportedName] = []
    findings: list[Finding] = []
    matcher = _Matcher(task, entry.style)
    for each in entry.given:
        found = list(matcher.candidates(each.name, binds))
        if len(found) == 1:
            names.append(found[0])
        elif not each.optional:
            findings.append(_unmatched(each, found, task.table.public()))
    return Matches(tuple(names), tuple(findings))


def _bound_to(value: str, table: FeatureTable) -> str:
    if value == "action":
        return value
    try:
        constant = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        view, _, name = value.rpartition(".")
        if view not in ("", "state", "next_state"):
            raise UsageError(f"--bind …={value}: write state.{name} or next_state.{name}") from None
        public = table.public()
        if name not in public:
            raise UsageError(f"no feature '{name}'{nearest(name, public.names)}") from None
        return f"{view or 'next_state'}.{name}"
    if not isinstance(constant, bool | int | float | list | tuple):
        raise UsageError(f"--bind …={value}: only numbers and lists of numbers are constants")
    return value


class _Matcher:
    """Finds what a name stands for, the surest way first."""

    def __init__(self, task: Task, style: Style) -> None:
        self._table = task.table.public()
        self._style = style
        self._known = _known(task)

    def candidates(self, name: str, binds: Mapping[str, str]) -> Iterator[ImportedName]:
        """Yield what a name may stand for; more than one where that cannot be told."""
        last = name.rpartition(".")[2]
        if name in binds:
            yield self._written(name, binds[name], "bound")
        elif last in self._table:
            yield _name(name, f"next_state.{last}", "exact", self._table[last])
        elif last in self._known:
            yield self._written(name, self._known[last], "known")
        else:
            now = _without_before(last)
            view = "next_state" if now == last else "state"
            for found in self._meant(f"{name.removesuffix(last)}{now}", now, view):
                yield found.model_copy(update={"name": name})

    def _meant(self, name: str, last: str, view: str) -> Iterator[ImportedName]:
        wanted = meaning(name)
        found = [f for f in self._table if of_feature(f) == wanted]
        if not found and "torso" not in meaning(last).words:
            found = [f for f in self._table if of_feature(f) == meaning(last)]
        for feature in found:
            yield self._written(name, f"{view}.{feature.name}", "meaning")
        if not found:
            yield from self._composed(name, wanted, view)

    def _composed(self, name: str, wanted: Meaning, view: str) -> Iterator[ImportedName]:
        """Yield what follows from features of other frames, or from several features."""
        rotation = self._part(wanted.words - {"angular", "velocity"} | {"quaternion"}, (4,), "1")
        other = [
            f
            for f in self._table
            if of_feature(f) == Meaning(wanted.words, not wanted.local) and f.shape == (3,)
        ]
        if "velocity" in wanted.words and rotation is not None and len(other) == 1:
            turn = "quat_rotate_inverse" if wanted.local else "quat_apply"
            text = f"{turn}({view}.{rotation.name}, {view}.{other[0].name})"
            into = "the body's" if wanted.local else "the world's"
            yield _name(name, text, "meaning", other[0], f"turned into {into} frame")
        elif wanted.words == frozenset({"torso", "height"}):
            position = self._part(frozenset({"torso", "position"}), (3,), "m")
            if position is not None:
                yield _name(name, f"{view}.{position.name}[:, 2]", "meaning", position)
        elif wanted.words - {"torso"} == _GRAVITY and wanted.local:
            rotation = self._part(frozenset({"torso", "quaternion"}), (4,), "1")
            if rotation is not None:
                down = f"torch.tensor([0.0, 0.0, -1.0]).expand_as({view}.{rotation.name}[:, :3])"
                text = f"quat_rotate_inverse({view}.{rotation.name}, {down})"
                yield _name(name, text, "meaning", rotation)
        elif wanted.words in _BODIES and "state" in name:
            yield from self._state(name, wanted.words, view)

    def _state(self, name: str, body: frozenset[str], view: str) -> Iterator[ImportedName]:
        """Yield a body's 13 numbers: position, quaternion, velocities in the world's frame."""
        parts = [
            self._part(body | set(words.split()), shape, unit)
            for words, (shape, unit) in _ROOT.items()
        ]
        position, rotation, velocity, spin = parts
        if position is None or rotation is None or velocity is None or spin is None:
            return
        turned = f"{view}.{rotation.name}"
        quaternion = self._ordered(turned)
        moving = (
            f"quat_apply({turned}, {view}.{each.name})"
            if of_feature(each).local
            else f"{view}.{each.name}"
            for each in (velocity, spin)
        )
        columns = ", ".join([f"{view}.{position.name}", quaternion, *moving])
        note = "13 numbers: position, quaternion, velocity, angular velocity"
        if quaternion != turned:
            note += f"; {_LAST_OF_GYM}"
        yield _name(name, f"torch.cat([{columns}], dim=1)", "meaning", None, note)

    def _part(self, words: frozenset[str], shape: tuple[int, ...], unit: str) -> Feature | None:
        found = [
            f
            for f in self._table
            if of_feature(f).words == words and f.shape == shape and f.unit == unit
        ]
        return found[0] if len(found) == 1 else None

    def _written(self, name: str, expression: str, how: How) -> ImportedName:
        """Return a match; quaternions are put into the order of the system they come from."""
        feature = expression.rpartition(".")[2]
        if feature not in self._table or not expression.startswith(("state.", "next_state.")):
            return _name(name, expression, how, None)
        found = self._table[feature]
        is_quaternion = found.shape == (4,) and "quaternion" in of_feature(found).words
        if is_quaternion and self._ordered(expression) != expression:
            return _name(name, self._ordered(expression), how, found, _LAST_OF_GYM)
        is_joints = len(found.shape) == 1 and "joint" in of_feature(found).words
        return _name(name, expression, how, found, _OUR_JOINTS if is_joints else "")

    def _ordered(self, quaternion: str) -> str:
        if self._style != "isaac-gym":
            return quaternion
        return f"torch.roll({quaternion}, -1, -1)"


def _without_before(name: str) -> str:
    """Return what a name says of now, if it says it of a step ago."""
    prefix = next((each for each in _BEFORE if name.startswith(each)), "")
    return name.removeprefix(prefix)


def _known(task: Task) -> dict[str, str]:
    """Return what both kinds of simulators call the same everywhere: name → expression."""
    dt, steps = task.control_dt_s, task.episode_steps
    known = dict.fromkeys(("action", "actions", "_actions"), "action")
    if isinstance(task.action, BoxAction):
        before = ("prev_actions", "previous_actions", "last_actions", "_previous_actions")
        known |= dict.fromkeys((*before, "prev_action", "previous_action"), "state.last_action")
    passed = f"torch.round(next_state.episode_time_s / {dt!r})"
    known |= dict.fromkeys(("progress_buf", "episode_length_buf"), passed)
    known |= dict.fromkeys(("reset_terminated", "dones"), "next_state.terminated")
    known |= dict.fromkeys(("dt", "step_dt", "control_dt"), repr(dt))
    known |= {
        "max_episode_length": repr(float(steps)),
        "max_episode_length_s": repr(task.episode_s),
        "num_envs": "action.shape[0]",
        "env_origins": "torch.zeros(action.shape[0], 3)",  # positions here count from there
        "device": "action.device",
    }
    return known


def _name(
    name: str, expression: str, how: How, feature: Feature | None, note: str = ""
) -> ImportedName:
    return ImportedName(
        name=name,
        expression=expression,
        how=how,
        feature=None if feature is None else feature.name,
        shape=None if feature is None else feature.shape,
        unit=None if feature is None else feature.unit,
        note=note,
    )


def _unmatched(each: Given, found: list[ImportedName], table: FeatureTable) -> Finding:
    features = [table[name.feature] for name in found if name.feature is not None]
    problem = "may mean several features" if found else "means no feature of this task"
    listed = ", ".join(
        f"{f.name} ({', '.join(['B', *map(str, f.shape)])}{'' if f.shape else ','}) {f.unit}"
        for f in features or nearest_features(each.name, table)
    )
    return finding(
        "ambiguous-name" if found else "unmatched-name",
        each.nodes[0],
        f"'{each.name}' {problem}; the nearest are: {listed}",
        f"say what it is: --bind '{each.name}=FEATURE', or =NUMBER if it is a constant",
    )
