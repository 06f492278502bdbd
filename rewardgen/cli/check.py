"""``rewardgen check FILE``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from rewardgen.cli.flags import one_of
from rewardgen.cli.output import complain, say, say_record
from rewardgen.config import DesignConfig
from rewardgen.isolation.protection import Mode
from rewardgen.llm.settings import EndpointSettings
from rewardgen_envs.settings_file import read_value

Stage = Literal["gate", "probe", "lint", "critic"]
Switch = Literal["on", "off"]


@dataclass(frozen=True)
class Check:
    """Check a reward file, without training.

    First the static gate, then a probe in a reward host, then lint: what the reward does on states
    of the task. With a wrapper, also whether that fits: its parameters, and the terms that it
    reads. With --critic also whether the reward pays for what the task wants.
    """

    file: tyro.conf.Positional[Path]
    """Reward file, or a designer's reply with one fenced block."""
    task: str | None = None
    """Installed task, path/to/file.py:Class or path/to/map.yaml; all but the gate need it."""
    stage: Annotated[Stage | None, one_of("--stage", Stage)] = None
    """Run this stage alone; by default all but the critic."""
    critic: bool = False
    """Review the reward against its task: text, units, and fitness on sampled states."""
    model: str | None = None
    """Language model that the critic asks for a second opinion; by default none."""
    base_url: str | None = None
    """Its endpoint; by default OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""
    usd_per_mtok: tuple[float, float] | None = None
    """Price of a million tokens, input and output, in place of the price table's."""
    unpriced: bool = False
    """Use a model whose price is not known; its cost is not counted."""
    runs_dir: Path = Path("runs")
    """Where replies of language models are kept."""
    gate: Annotated[Switch, one_of("--gate", Switch)] = "on"
    """Whether the static gate is asked; without it the process that holds the code stands alone."""
    wrapper: str | None = None
    """What is put around the reward: NAME, or {name: NAME, ...} with its parameters."""
    isolation: Annotated[Mode, one_of("--isolation", Mode)] = "standard"
    """How the reward is kept from this machine."""
    json: bool = False
    """Print one JSON object (docs/schemas/check.json)."""

    def run(self) -> int:
        """Do it and return the exit status: 0 if accepted, else 1."""
        from rewardgen import api
        from rewardgen.llm.errors import EndpointError
        from rewardgen.report.text import finding_text

        wrapper = None if self.wrapper is None else read_value(self.wrapper)
        try:
            record = api.check(
                self.file,
                self.task,
                stage=self.stage,
                gate=self.gate == "on",
                isolation=self.isolation,
                wrapper=wrapper,
                critic=self.critic,
                endpoint=self._endpoint(),
                runs_dir=self.runs_dir,
                say=complain,
            )
        except EndpointError as error:
            complain(f"{error}; once that is mended, repeat the command")
            return 1
        if self.json:
            say_record(record)
        else:
            for finding in record.findings:
                say(finding_text(str(self.file), finding))
            say(record.verdict)
        return 0 if record.verdict == "accepted" else 1

    def _endpoint(self) -> EndpointSettings | None:
        """Return the language model to ask, None if there is none.

        Raises:
            ConfigError: a value is not valid.
        """
        if self.model is None:
            return None
        config = DesignConfig(
            designer="llm",
            model=self.model,
            base_url=self.base_url,
            api_key_env=self.api_key_env,
            usd_per_mtok=self.usd_per_mtok,
            unpriced=self.unpriced,
        )
        return config.endpoint
