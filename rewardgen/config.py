"""The one configuration of a run, YAML presets, and recipes.

Precedence: defaults < preset file < flags. Presets hold only what differs from the defaults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import tyro
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from rewardgen.isolation.protection import Mode
from rewardgen.llm.settings import EndpointSettings
from rewardgen.racing import Race
from rewardgen.rewards.wrappers.catalogue import AnyWrapper
from rewardgen.store.compare_records import Stage
from rewardgen_envs.engines.choice import EngineChoice, EngineName, engine_for
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest
from rewardgen_envs.settings_file import SettingsFileError, read_settings, read_value

WriterName = Literal["tensorboard", "wandb"]
_DEVICES = re.compile(r"cpu|cuda|cuda:\d+(,cuda:\d+)*")


class ConfigError(UsageError):
    """A configuration that cannot be used; names the key and the valid choices."""


def _known_device(value: str) -> str:
    if not _DEVICES.fullmatch(value):
        raise ValueError("valid are cpu, cuda, cuda:N, and several as cuda:0,cuda:1")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("it says nothing; give words, or leave it out")
    return value


def _of_flag(value: object) -> object:
    return read_value(value) if isinstance(value, str) else value


_Words = Annotated[str, AfterValidator(_not_blank)]
_Wrapper = Annotated[AnyWrapper, BeforeValidator(_of_flag)]
PrefilterName = Literal["duplicates", "sign", "ranking", "shares"]
DesignerName = Literal["evolve", "llm", "manual", "replay"]


class DesignConfig(BaseModel):
    """What is to be designed, by whom, and how a language model is reached."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    task: str = ""
    """Installed task, path/to/file.py:Class, or path/to/map.yaml. There is no default."""
    text: _Words | None = None
    """What the robot shall do, in your words, in place of the task's sentence."""
    designer: DesignerName = "evolve"
    """Who proposes candidates: evolve varies programs, llm asks a language model, manual writes
    prompts to files and waits for answers, replay repeats another run's."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Every random number follows from it."""
    runs_dir: Path = Path("runs")
    """Where runs, and replies of language models, are kept."""
    isolation: Mode = "standard"
    """How generated code is kept from this machine."""

    model: str | None = None
    """Language model, as its endpoint calls it."""
    base_url: str | None = None
    """Endpoint that speaks OpenAI's protocol; by default OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""
    temperature: float | None = Field(default=None, ge=0.0)
    """Sampling temperature; by default none is sent."""
    max_completion_tokens: int = Field(default=16_000, ge=1)
    """Longest reply, reasoning included."""
    usd_per_mtok: tuple[float, float] | None = None
    """Price of a million tokens, input and output, in place of the price table's."""
    unpriced: bool = False
    """Use a model whose price is not known; its cost is not counted."""
    max_cost_usd: float | None = Field(default=None, gt=0.0)
    """Stop asking the model before it has cost more; calls in flight count."""

    @property
    def endpoint(self) -> EndpointSettings | None:
        """How the language model is reached; None for designers that need none.

        Raises:
            ConfigError: no model is named, or a value is not valid.
        """
        if self.designer != "llm":
            return None
        if self.model is None:
            raise ConfigError("designer llm needs a model: give --model NAME")
        try:
            return EndpointSettings(
                model=self.model,
                base_url=self.base_url,
                api_key_env=self.api_key_env,
                temperature=self.temperature,
                max_completion_tokens=self.max_completion_tokens,
                usd_per_mtok=self.usd_per_mtok,
                unpriced=self.unpriced,
                max_cost_usd=self.max_cost_usd,
            )
        except ValidationError as error:
            raise ConfigError(explain(error, EndpointSettings)) from error


class GenerateConfig(DesignConfig):
    """Reward files from a sentence, without training."""

    n: int = Field(default=4, ge=1)
    """How many rewards."""
    out: Path = Path("rewards")
    """Folder that the files are written to."""
    start: str | None = None
    """Reward file to refine, or human for the task's own."""
    feedback: _Words | None = None
    """What is to change about the start, in your words."""


class RunConfig(DesignConfig):
    """One search for a reward: what to solve, how widely to search, what it may cost."""

    name: str | None = None
    """Folder of the run under runs_dir; by default task and time."""
    fitness: Path | None = None
    """File with fitness(state, action, next_state) to rank by, in place of the task's metric."""
    start: str | None = None
    """Reward that is trained before the first iteration: human, or a reward file."""
    from_: Path | None = Field(default=None, alias="from")
    """Run, or transcript of one, whose candidates designer replay proposes again."""
    wrapper: _Wrapper = None
    """What is put around every candidate: NAME, or {name: NAME, ...} with its parameters; by
    default what its designer names, if anything."""
    pause: bool = False
    """Stop after each iteration, to look and to say something with rewardgen feedback."""
    critic: bool = False
    """Have every candidate reviewed before it is trained: by lint and critic, and by the language
    model in one more call each where the designer is one."""

    iterations: int = Field(default=5, ge=1)
    """Rounds of propose, train, feed back."""
    samples: int = Field(default=16, ge=1)
    """Candidates per iteration."""
    train_seeds: int = Field(default=2, ge=1)
    """Members (policies) per candidate while searching."""
    env_steps: int = Field(default=1_000_000, ge=1)
    """Training budget of a member that passes every rung, in environment steps."""
    rungs: int = Field(default=3, ge=1)
    """Stretches of training of an iteration; the weaker candidates retire between them, and it is
    over when one is left."""
    keep: float = Field(default=0.5, gt=0.0, le=1.0)
    """Share of the candidates that goes on after each rung."""
    race: Race = "halving"
    """Of whom that share is: halving, of those who ran the rung together; asha, of all that ever
    ran it, so that a weak iteration ends early and a strong one keeps more."""
    wildcards: int = Field(default=0, ge=0)
    """How many more go on after each rung: those whose fitness has risen most since the last."""
    eval_episodes: int = Field(default=10, ge=1)
    """Evaluation episodes per member and rung."""
    prefilter: tuple[PrefilterName, ...] = ()
    """What transitions decide before training: duplicates (one of two that rank policies alike is
    trained), sign (of rewards almost opposite to the best), ranking (of successes above failures);
    shares tells designers what the terms weigh."""

    confirm_seeds: int = Field(default=10, ge=2)
    """Fresh training seeds per arm of the confirmation."""
    confirm_episodes: int = Field(default=10, ge=1)
    """Fresh evaluation episodes per confirmed member."""
    confirm_env_steps: int | None = Field(default=None, ge=1)
    """Training budget of a confirmed member; by default env_steps."""

    recipe: Path | None = None
    """PPO settings (YAML); by default those of the task's family."""
    threads: int | None = Field(default=None, ge=1)
    """Physics threads; by default one per CPU of this process."""
    engine: EngineName | None = None
    """Physics: mujoco (CPU) or warp (MuJoCo Warp); by default the one for the device."""
    device: Annotated[str, AfterValidator(_known_device)] = "cpu"
    """Where physics and policies are computed: cpu, cuda, or several as cuda:0,cuda:1."""
    cluster: str | None = None
    """Ray cluster that trains and evaluates: its address, or auto; by default this machine does."""
    max_env_steps: int | None = Field(default=None, ge=1)
    """Stop searching, and confirm, before this many environment steps are spent in all."""
    max_hours: float | None = Field(default=None, gt=0.0)
    """Stop between rungs once this much time has passed; the run can be resumed."""
    render: bool = True
    """Whether to render a video of winner, human and sparse at the end."""
    writers: tuple[WriterName, ...] = ("tensorboard",)
    """Viewers for which the curves of all policies are written, at the end."""

    @property
    def engines(self) -> tuple[EngineChoice, ...]:
        """What simulates, one for each device."""
        return _engines(self.engine, self.device)

    @property
    def rounds(self) -> int:
        """Iterations in all: the designer's, and before them that of the start."""
        return self.iterations + (self.start is not None)

    @property
    def confirm_steps(self) -> int:
        """Training budget of a confirmed member, in environment steps."""
        return self.confirm_env_steps or self.env_steps

    @property
    def rung_env_steps(self) -> int:
        """Environment steps per member and rung."""
        return max(1, self.env_steps // self.rungs)


class TrainConfig(BaseModel):
    """Training of given rewards, without a search."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    task: str
    """Installed task, path/to/file.py:Class, or path/to/map.yaml."""
    reward: tuple[str, ...] = ()
    """What to train on: human, sparse, or a reward file; several are trained side by side.
    By default human."""
    wrapper: _Wrapper = None
    """What is put around every reward file: NAME, or {name: NAME, ...} with its parameters; human
    and sparse stay as they are."""
    seeds: int = Field(default=5, ge=1)
    """Training seeds (members) per reward."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Every random number follows from it."""
    name: str | None = None
    """Folder of the run under runs_dir; by default task and a number."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    env_steps: int = Field(default=1_000_000, ge=1)
    """Training budget per member, in environment steps."""
    rungs: int = Field(default=1, ge=1)
    """Stretches of training; an interrupted training repeats at most one."""
    eval_episodes: int = Field(default=10, ge=1)
    """Evaluation episodes per member."""
    recipe: Path | None = None
    """PPO settings (YAML); by default those of the task's family."""
    isolation: Mode = "standard"
    """How reward files are kept from this machine."""
    threads: int | None = Field(default=None, ge=1)
    """Physics threads; by default one per CPU of this process."""
    engine: EngineName | None = None
    """Physics: mujoco (CPU) or warp (MuJoCo Warp); by default the one for the device."""
    device: Annotated[str, AfterValidator(_known_device)] = "cpu"
    """Where physics and policies are computed: cpu, cuda, or several as cuda:0,cuda:1."""
    cluster: str | None = None
    """Ray cluster that trains and evaluates: its address, or auto; by default this machine does."""
    max_env_steps: int | None = Field(default=None, ge=1)
    """Start nothing that takes more environment steps than this in all, evaluation included."""
    max_hours: float | None = Field(default=None, gt=0.0)
    """Stop between rungs once this much time has passed; the run can be resumed."""
    writers: tuple[WriterName, ...] = ("tensorboard",)
    """Viewers for which the curves of all policies are written, at the end."""

    @property
    def engines(self) -> tuple[EngineChoice, ...]:
        """What simulates, one for each device."""
        return _engines(self.engine, self.device)

    @property
    def rewards(self) -> tuple[str, ...]:
        """What to train on, with the default filled in."""
        return self.reward or ("human",)


class CompareConfig(TrainConfig):
    """Rewards compared: before training, in a race, on fresh seeds."""

    reward: tyro.conf.Positional[tuple[str, ...]] = ()
    """What to compare: reward files, human, sparse, RUN:CANDIDATE or RUN:ARM (RUN alone: its
    winner), in any mix."""
    stage: Stage = "data"
    """How far to go; each stage includes the former ones."""
    reference: str | None = None
    """What distances are told from, and fresh seeds are compared with: human, which is the default,
    sparse, a file or RUN:CANDIDATE, or none."""
    data: tuple[str, ...] = ()
    """Run whose policies act in the transitions, beside random actions and the policy that the task
    brings along; or a file of transitions, which is used as it is."""
    transitions: int = Field(default=20_000, ge=1)
    """How many transitions are gathered, at least."""
    out: Path | None = None
    """Folder for report, figures and transitions; of a race, by default that of its run."""
    seeds: int = Field(default=2, ge=1)
    """Training seeds (members) per reward in the race."""
    rungs: int = Field(default=3, ge=1)
    """Stretches of training in the race; the weaker rewards retire between them."""
    keep: float = Field(default=0.5, gt=0.0, le=1.0)
    """Share of the rewards that goes on after each rung."""
    wildcards: int = Field(default=0, ge=0)
    """How many more go on after each rung: those whose fitness has risen most since the last."""
    eval_episodes: int = Field(default=10, ge=1)
    """Evaluation episodes per member and rung of the race."""
    confirm_seeds: int = Field(default=10, ge=10)
    """Fresh training seeds per reward that is confirmed."""
    confirm_episodes: int = Field(default=10, ge=1)
    """Fresh evaluation episodes per confirmed member."""


def _engines(name: EngineName | None, devices: str) -> tuple[EngineChoice, ...]:
    engine = name or engine_for(devices)
    return tuple(EngineChoice(engine, device) for device in devices.split(","))


def configs_directory() -> Path:
    """Return the folder of shipped presets and recipes: in the wheel, or in a checkout."""
    packaged = Path(__file__).parent / "_configs"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "configs"


def preset_names() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(path.stem for path in configs_directory().glob("*.yaml"))


def load_config(reference: str | None) -> RunConfig:
    """Read a run configuration.

    Args:
        reference: a YAML file, the name of a shipped preset, or None for the defaults.

    Raises:
        ConfigError: no such file or preset, unreadable YAML, an unknown key, a bad value.
    """
    if reference is None:
        return RunConfig()
    path = Path(reference)
    if not path.is_file():
        shipped = configs_directory() / f"{path.stem}.yaml"
        if path.name not in (path.stem, shipped.name) or not shipped.is_file():
            if path.parts[:1] == ("configs",) and shipped.is_file():
                path = shipped
            else:
                hint = nearest(path.stem, preset_names())
                raise ConfigError(f"no configuration file or preset '{reference}'{hint}")
        else:
            path = shipped
    try:
        values = read_settings(path)
    except SettingsFileError as error:
        raise ConfigError(str(error)) from error
    return parse_config(values, str(reference))


def parse_config(values: dict[str, Any], where: str) -> RunConfig:
    """Validate the values of a run's configuration.

    Raises:
        ConfigError: an unknown key (the nearest valid one is named) or a bad value.
    """
    return _validated(RunConfig, values, where)


def train_config(values: dict[str, Any]) -> TrainConfig:
    """Validate the values of a training's configuration.

    Raises:
        ConfigError: an unknown key (the nearest valid one is named) or a bad value.
    """
    return _validated(TrainConfig, values, "training")


def compare_config(values: dict[str, Any]) -> CompareConfig:
    """Validate the values of a comparison's configuration.

    Raises:
        ConfigError: an unknown key (the nearest valid one is named) or a bad value.
    """
    return _validated(CompareConfig, values, "comparison")


_Config = TypeVar("_Config", bound=BaseModel)


def _validated(kind: type[_Config], values: dict[str, Any], where: str) -> _Config:
    known = [field.alias or name for name, field in kind.model_fields.items()]
    unknown = [key for key in values if key not in known]
    if unknown:
        hint = nearest(unknown[0], known)
        raise ConfigError(f"{where}: unknown key '{unknown[0]}'{hint}")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error, kind)}") from error


# where people put a key by mistake
_UNQUOTED = {"base_url", "api_key_env"}


def explain(
    error: ValidationError, kind: type[BaseModel], spelling: Callable[[str], str] = str
) -> str:
    """Return the problems of a validation in one line: keys, what is wrong, values given.

    Args:
        error: raised by the validation.
        kind: what was validated.
        spelling: how the user wrote a key.
    """
    problems: list[str] = []
    for problem in error.errors():
        field = str(problem["loc"][0]) if problem["loc"] else ""
        # which of several values it is, the value says
        place = ".".join(part for part in problem["loc"] if isinstance(part, str))
        key = f"{spelling(place)}: " if place else ""
        if problem["type"] == "literal_error":
            choices = literal_choices(kind.model_fields[field].annotation)
            problems.append(key + unknown_choice(problem["input"], choices))
        else:
            says = problem["msg"].removeprefix("Value error, ")
            got = f", got {problem['input']!r}" if place and field not in _UNQUOTED else ""
            problems.append(f"{key}{says}{got}")
    return "; ".join(problems)


def literal_choices(annotation: object) -> tuple[str, ...]:
    """Return the values of the literals in a type, also in an optional one."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    return tuple(choice for part in get_args(annotation) for choice in literal_choices(part))


def unknown_choice(value: object, choices: Iterable[str]) -> str:
    """Return that a value is none of the choices, with the nearest and all of them."""
    return f"unknown value {value!r}{nearest(str(value), choices)}"


def recipe_path(task_name: str, chosen: Path | None) -> Path | None:
    """Return the recipe file of a task: the chosen one, its own, its family's, or None (defaults).

    A task has a file of its own, ``FAMILY-TASK.yaml``, where what suits it harms the others of its
    robot.

    Raises:
        ConfigError: the chosen file does not exist.
    """
    if chosen is not None:
        if not chosen.is_file():
            raise ConfigError(f"recipe file {chosen} does not exist")
        return chosen
    folder = configs_directory() / "recipes"
    plain = task_name.partition("@")[0]  # the same robot, in worlds that differ
    names = (plain.replace("/", "-"), plain.split("/")[0])
    files = [folder / f"{name}.yaml" for name in names]
    return next((file for file in files if file.is_file()), None)


def mapped_recipe_path() -> Path:
    """Return the recipe of all Gymnasium environments with a feature map."""
    return configs_directory() / "recipes" / "gymnasium.yaml"
