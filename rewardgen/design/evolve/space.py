"""The search space of a task: its signals, what is wanted of them, and their scales.

Built from public specs, the sentence, a random policy's ranges and, once candidates have been
evaluated, from how each quantity went along with fitness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.design.evolve.describe import column_of
from rewardgen.design.evolve.grammar import Form, Signal
from rewardgen.design.evolve.lexicon import Role, Want, role_of
from rewardgen.design.evolve.sentence import Sentence, later_clause, milestones
from rewardgen.design.evolve.words import stems
from rewardgen_envs.features import Feature
from rewardgen_envs.task import BoxAction

if TYPE_CHECKING:
    from rewardgen.design.designer import DesignContext

# costs of the action and the clock are not quantities to be wanted
LEFT_OUT = frozenset({"last_action", "episode_time_s", "terminated"})
# typical size where no data say better, in SI units
NATURAL: dict[Role, float] = {
    Role.VELOCITY: 1.0,
    Role.RATE: 2.0,
    Role.ANGLE: 1.0,
    Role.DISTANCE: 1.0,
    Role.HEIGHT: 0.5,
    Role.POSITION: 1.0,
    Role.EVENT: 1.0,
    Role.PURE: 1.0,
    Role.COUNT: 1.0,
    Role.OTHER: 1.0,
}
# the length of such a vector means nothing
NO_NORM = frozenset({Role.EVENT, Role.PURE, Role.HEIGHT, Role.COUNT})
# words of a vector that leads from one thing to another
BETWEEN = frozenset(stems("vector offset error gap delta distance toward between relative"))
# components of larger vectors are one of many alike: joints, rays, forces
MANY = 4


@dataclass(frozen=True)
class Quantity:
    """A signal and what is known about it.

    Attributes:
        signal: the signal.
        role: its kind.
        relevance: weight with which it is chosen.
        wants: weight of each want.
        target: the value to be near to.
        seen: its distribution so far (random policy, or what candidates reached).
        scale: a typical size of its differences.
        milestones: places on a way that its description names.
        follows: how much the sentence speaks of it as what is to come after something else.
    """

    signal: Signal
    role: Role
    relevance: float
    wants: dict[Want, float]
    target: float
    seen: ColumnStatistics
    scale: float
    milestones: tuple[float, ...] = ()
    follows: float = 0.0

    @property
    def column(self) -> str:
        """Name of its column in statistics."""
        return column_of(self.signal)


@dataclass(frozen=True)
class Space:
    """What programs of a task can be made of.

    Attributes:
        quantities: the signals, most relevant first.
        has_actions: whether the action is continuous, so that its size is a cost.
        control_dt_s: control step; turns progress per step into progress per second.
        ends: share of steps at which a random policy was terminated; None if unknown.
    """

    quantities: tuple[Quantity, ...]
    has_actions: bool
    control_dt_s: float
    ends: float | None

    def find(self, signal: Signal) -> Quantity | None:
        """Return the quantity of a signal, whatever its form."""
        plain = signal.form if signal.form is Form.NORM else Form.PLAIN
        wanted = replace(signal, form=plain)
        return next((q for q in self.quantities if q.signal == wanted), None)


def build_space(context: DesignContext) -> Space:
    """Return the space of a context, before anything has been tried."""
    features = [f for f in context.table if f.name not in LEFT_OUT]
    described = [(f.name, f.description) for f in features]
    sentence = Sentence(context.sentence, described)
    later = Sentence(later_clause(context.sentence), described)
    quantities: list[Quantity] = []
    for feature in features:
        role = role_of(feature.name, feature.unit, feature.description)
        three = feature.shape == (3,)
        signals = [Signal(feature.name, i) for i in product(*map(range, feature.shape))]
        if len(feature.shape) == 1 and role not in NO_NORM:
            signals.append(Signal(feature.name, (), Form.NORM))
        for signal in signals:
            norm = signal.form is Form.NORM
            kind = _component_role(role, signal, feature, three)
            axis = signal.index[0] if three and not norm else None
            reading = sentence.read(kind, feature.name, feature.description, axis, norm)
            then = later.read(kind, feature.name, feature.description, axis, norm)
            seen = context.feature_ranges.get(column_of(signal))
            alike = 1.0 if len(signals) <= MANY or norm else 1.0 / len(signals)
            strongest = max(reading.wants.values())
            quantities.append(
                Quantity(
                    signal=signal,
                    role=kind,
                    relevance=alike * (0.2 + reading.relevance) * strongest,
                    wants=reading.wants,
                    target=reading.target,
                    seen=seen or ColumnStatistics(0.0, -NATURAL[kind], 0.0, NATURAL[kind]),
                    scale=_scale(kind, seen),
                    milestones=() if feature.shape else milestones(kind, feature.description),
                    follows=alike * then.relevance * max(then.wants.values()),
                )
            )
    quantities.sort(key=lambda q: (-q.relevance, q.signal))
    ends = context.feature_ranges.get("terminated")
    return Space(
        quantities=tuple(quantities),
        has_actions=isinstance(context.action, BoxAction),
        control_dt_s=context.control_dt_s,
        ends=None if ends is None else ends.mean,
    )


def _component_role(role: Role, signal: Signal, feature: Feature, three: bool) -> Role:
    """The norm of a vector between two things is a distance; a position's third part a height."""
    words = set(stems(f"{feature.name} {feature.description}"))
    if role is Role.POSITION and signal.form is Form.NORM and words & BETWEEN:
        return Role.DISTANCE
    if role is Role.DISTANCE and signal.index and signal.form is Form.PLAIN:
        return Role.POSITION
    return Role.HEIGHT if role is Role.POSITION and three and signal.index == (2,) else role


def _scale(role: Role, seen: ColumnStatistics | None) -> float:
    natural = NATURAL[role]
    if seen is None or seen.high - seen.low <= 1e-6:
        return natural
    spread = seen.high - seen.low
    # angles and pure numbers have a natural size that a timid random policy does not show
    return max(spread, natural) if role in (Role.ANGLE, Role.PURE) else spread
