"""Which wrappers there are: a name and parameters each, as users and designers give them.

Plain data; imports neither torch nor numpy. ``sources`` does what is said here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

MOST_REFERENCES = 10
"""So many are enough (Fu et al. 2025): more hardly change a mean of sigmoids."""


class WrapperError(UsageError):
    """A wrapper that cannot be: unknown, or with parameters that it does not take."""


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"'{twice[0]}' is named twice")
    return names


Term = Annotated[str, Field(min_length=1)]
"""Name of a term that the reward returns."""
Terms = Annotated[tuple[Term, ...], AfterValidator(_distinct)]


class _Data(BaseModel, frozen=True):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Wrapper(_Data, frozen=True):
    """What is put around a reward R.

    Attributes:
        formula: what it pays.
        origin: where that is from.
        use: when to take it.
        name: how it is called.
    """

    formula: ClassVar[str]
    origin: ClassVar[str]
    use: ClassVar[str]

    name: str

    @property
    def reads(self) -> tuple[str, ...]:
        """Terms that the reward must return; empty for all that it returns, or none."""
        return ()

    @property
    def least_terms(self) -> int:
        """How many terms the reward must return at least."""
        return len(self.reads)

    @property
    def of_next_state(self) -> tuple[str, ...]:
        """Terms that must depend on ``next_state`` alone: they are asked of other states too."""
        return ()

    def within(self, returned: Iterable[str]) -> Mapping[str, tuple[float, float]]:
        """Return the terms that are meant to stay between two numbers, of all that are returned."""
        del returned
        return {}

    @property
    def adds(self) -> tuple[str, ...]:
        """Terms that it reports beside the reward's own."""
        return ()

    @property
    def memory(self) -> str:
        """What it remembers of an episode or of training; empty if nothing."""
        return ""

    @property
    def sha256(self) -> str:
        """Hash of name and parameters."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class _Potential(Wrapper, frozen=True):
    potential: Term
    """Term that is the potential Φ of next_state."""

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.potential,)

    @property
    def of_next_state(self) -> tuple[str, ...]:
        return (self.potential,)

    @property
    def adds(self) -> tuple[str, ...]:
        return ("shaping",)


class Pbrs(_Potential, frozen=True):
    """A potential that shows the way without changing which policies are best."""

    formula = "R + γΦ(s') - Φ(s), with Φ = 0 where s' terminates the episode"
    origin = "Ng, Harada and Russell 1999"
    use = "a sparse or late reward, and a quantity that says how near its goal is"

    name: Literal["pbrs"] = "pbrs"


class DynamicPbrs(_Potential, frozen=True):
    """A potential that fades while the policy learns, which changes as little."""

    formula = "R + γΦ(s', t+1) - Φ(s, t), with Φ(s, t) as it was when s was met"
    origin = "Devlin and Kudenko 2012"
    use = "a potential that helps at first and later only adds noise"

    name: Literal["dynamic_pbrs"] = "dynamic_pbrs"
    fade_env_steps: Annotated[int, Field(ge=1)]
    """Environment steps of a policy's training over which Φ falls to 0."""

    @property
    def memory(self) -> str:
        """What it remembers of an episode or of training."""
        return "the potential that a state had when it was met"


class WeightedSum(Wrapper, frozen=True):
    """A sum with weights of one's own."""

    formula = "Σ w_i r_i"
    origin = "common practice"
    use = "the terms are right and their balance is not"

    name: Literal["weighted_sum"] = "weighted_sum"
    weights: Annotated[dict[Term, Annotated[float, Field(ge=0.0)]], Field(min_length=1)]
    """Weight of each term, not negative: whether a term is a cost is for the code to say. Terms
    without a weight do not count."""

    @model_validator(mode="after")
    def _pays(self) -> Self:
        if not any(self.weights.values()):
            raise ValueError("every weight is 0, so nothing would be paid")
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """Terms that the reward must return."""
        return tuple(self.weights)


class Multiplicative(Wrapper, frozen=True):
    """Progress, cut down by factors: what is done badly on the way is not made up for by speed."""

    formula = "(M - M before) Π p_i + r_end, with M the largest progress so far in the episode"
    origin = "CaRL, Jaeger et al. 2025"
    use = "getting somewhere while several conditions hold"

    name: Literal["multiplicative"] = "multiplicative"
    progress: Term
    """Term that says how far next_state is; only what exceeds the episode's largest so far pays."""
    factors: Terms = ()
    """Terms between 0 and 1 that the progress is multiplied by; cut off there."""
    end: Term | None = None
    """Term that is added as it is, such as a cost of ending badly."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Terms that the reward must return."""
        return (self.progress, *self.factors, *([] if self.end is None else [self.end]))

    @property
    def of_next_state(self) -> tuple[str, ...]:
        """Terms that must depend on ``next_state`` alone."""
        return (self.progress,)

    def within(self, returned: Iterable[str]) -> Mapping[str, tuple[float, float]]:
        """Return the terms that are meant to stay between two numbers."""
        del returned
        return dict.fromkeys(self.factors, (0.0, 1.0))

    @property
    def adds(self) -> tuple[str, ...]:
        """Terms that it reports beside the reward's own."""
        return ("gain",)

    @property
    def memory(self) -> str:
        """What it remembers of an episode or of training."""
        return "the largest progress of the episode so far"


class _OfTerms(Wrapper, frozen=True):
    terms: Terms = ()
    """Terms that count; none named: all that the reward returns."""

    @property
    def reads(self) -> tuple[str, ...]:
        return self.terms


class Krc(_OfTerms, frozen=True):
    """A signed geometric mean: all terms have to be good at once; one that is 0 forfeits all."""

    formula = "sgn · (Π |r_i|)^(1/n), with sgn = 1 if no r_i is negative, else -1"
    origin = "Lucy-SKG, Moschopoulos et al. 2023"
    use = "terms of which none shall be bought off by another"

    name: Literal["krc"] = "krc"

    @property
    def least_terms(self) -> int:
        """How many terms the reward must return at least."""
        return max(1, len(self.terms))

    def within(self, returned: Iterable[str]) -> Mapping[str, tuple[float, float]]:
        """Return the terms that are meant to stay between two numbers."""
        return dict.fromkeys(self.terms or returned, (-1.0, 1.0))


class Level(_Data, frozen=True):
    """One level of a gate."""

    term: Term
    """Term that is paid on this level."""
    least: float | None = None
    """How large it has to be for the levels below to count; the last level has none."""


class Gate(Wrapper, frozen=True):
    """Levels: what matters less counts only where what matters more is good enough."""

    formula = "Σ_i r_i Π_{j above i} [r_j >= g_j]"
    origin = "gated reward accumulation (G-RA), 2025"
    use = "refinements that must not be learned in place of the goal"

    name: Literal["gate"] = "gate"
    levels: Annotated[tuple[Level, ...], Field(min_length=2)]
    """Terms, the most important first, as {"term": NAME, "least": NUMBER}: how large it has to be
    for those after it to count. The last one has no least."""
    per: Literal["step", "episode"] = "step"
    """What is judged: each step by itself; or the sums over an episode, paid at its end."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _distinct(self.reads)
        without = [level.term for level in self.levels[:-1] if level.least is None]
        if without:
            raise ValueError(f"level '{without[0]}' needs least: what opens the levels below it")
        if self.levels[-1].least is not None:
            raise ValueError(
                f"least of '{self.levels[-1].term}' opens nothing, as it is the last level"
            )
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """Terms that the reward must return."""
        return tuple(level.term for level in self.levels)

    @property
    def least(self) -> tuple[float, ...]:
        """What each level but the last has to reach."""
        return tuple(level.least for level in self.levels if level.least is not None)

    @property
    def memory(self) -> str:
        """What it remembers of an episode or of training."""
        return "the sums of the episode so far" if self.per == "episode" else ""


class Par(Wrapper, frozen=True):
    """A bounded reward: beyond what is good already, more of it pays hardly more."""

    formula = "1/M Σ_m sigmoid(k (R - ref_m))"
    origin = "PAR, Fu et al. 2025"
    use = "a reward without bounds that a policy learns to exploit"

    name: Literal["par"] = "par"
    references: Annotated[tuple[float, ...], Field(min_length=1, max_length=MOST_REFERENCES)] = (
        0.0,
    )
    """Rewards of a step that count as middling, for each of which half is paid."""
    slope: Annotated[float, Field(gt=0.0)] = 1.0
    """Steepness k: what is paid rises by k/4 of what R does, where R is near a single reference."""


class _Ensemble(_OfTerms, frozen=True):
    @property
    def least_terms(self) -> int:
        return max(2, len(self.terms))

    @model_validator(mode="after")
    def _several(self) -> Self:
        if len(self.terms) == 1:
            raise ValueError(f"an ensemble of '{self.terms[0]}' alone is that term: name several")
        return self


class Wco(_Ensemble, frozen=True):
    """The worst case of an ensemble: terms that each say the same in another way."""

    formula = "min_i r_i"
    origin = "Coste et al. 2024"
    use = "several rewards for the same, each with errors of its own"

    name: Literal["wco"] = "wco"


class Uwo(_Ensemble, frozen=True):
    """The mean of an ensemble, less its disagreement."""

    formula = "mean_i r_i - λ Var_i r_i"
    origin = "Coste et al. 2024"
    use = "the same, where the worst case is too cautious"

    name: Literal["uwo"] = "uwo"
    weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight λ of the variance, not negative: disagreement is never paid for."""


WRAPPERS: dict[str, type[Wrapper]] = {
    "pbrs": Pbrs,
    "dynamic_pbrs": DynamicPbrs,
    "weighted_sum": WeightedSum,
    "multiplicative": Multiplicative,
    "krc": Krc,
    "gate": Gate,
    "par": Par,
    "wco": Wco,
    "uwo": Uwo,
}
"""All wrappers by name."""


def wrapper_of(value: object) -> Wrapper:
    """Return the wrapper that a value names: an object with name and parameters, or a bare name.

    Raises:
        WrapperError: it is none; says what is valid.
    """
    if isinstance(value, Wrapper):
        return value
    given = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not isinstance(
        name := cast(Mapping[object, object], given).get("name"), str
    ):
        raise WrapperError(
            "a wrapper is an object with its name and parameters, such as "
            f'{{"name": "pbrs", "potential": "closeness"}}. Valid names: {", ".join(WRAPPERS)}'
        )
    if name not in WRAPPERS:
        raise WrapperError(f"unknown wrapper '{name[:60]}'{nearest(name[:60], WRAPPERS)}")
    kind = WRAPPERS[name]
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise WrapperError(_explained(kind, name, error)) from error


def _explained(kind: type[Wrapper], name: str, error: ValidationError) -> str:
    """Return the first thing that is wrong with parameters."""
    parameters = [field for field in kind.model_fields if field != "name"]
    # a misspelt parameter is told before the one that is therefore missing
    problem = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
        return f"wrapper {name} has no parameter '{place[:60]}'{nearest(place[:60], parameters)}"
    if problem["type"] == "missing":
        return f"wrapper {name} needs {place}; its parameters: {', '.join(parameters)}"
    says = problem["msg"].removeprefix("Value error, ")
    if not place:
        return f"wrapper {name}: {says}"
    return f"wrapper {name}: {place}: {says}, got {repr(problem['input'])[:60]}"


def maybe_wrapper(value: object) -> Wrapper | None:
    """Return the wrapper that a value names, None for nothing.

    Raises:
        WrapperError: it is none; says what is valid.
    """
    return None if value is None else wrapper_of(value)


def plain(wrapper: Wrapper | None) -> dict[str, Any] | None:
    """Return a wrapper as plain data, as it is stored."""
    return None if wrapper is None else wrapper.model_dump(mode="json")


AnyWrapper = Annotated[Wrapper | None, BeforeValidator(maybe_wrapper), PlainSerializer(plain)]
"""A field of a configuration or a job: none, or any wrapper, by name and parameters."""
