"""Replies of language models: recorded in the run before anything is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rewardgen.design.letters import Answer, Letter
from rewardgen.llm.errors import CostCapError
from rewardgen.llm.messages import Reply, Request
from rewardgen.llm.notebook import FileCache
from rewardgen.llm.settings import EndpointSettings
from rewardgen.store import payloads as p
from rewardgen.store.run_directory import RunDirectory

if TYPE_CHECKING:
    from rewardgen.llm.client import Endpoint


@dataclass
class RunNotebook:
    """The replies of a run, in its log.

    Attributes:
        directory: the run, open for writing.
        labels: key of a request → what it was asked for.
    """

    directory: RunDirectory
    labels: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def spent_usd(self) -> float:
        """What the run has paid so far."""
        return self.directory.state.cost_usd

    @property
    def dropped(self) -> tuple[str, ...]:
        """Parameters that the endpoint refused in this run."""
        return tuple(self.directory.state.refused_parameters)

    def find(self, key: str) -> Reply | None:
        """Return the reply recorded under a key."""
        recorded = self.directory.state.replies.get(key)
        if recorded is None:
            return None
        return Reply.model_validate_json(self.directory.artifacts.read_text(recorded.reply))

    def drop(self, name: str) -> None:
        """Record that the endpoint refused a parameter."""
        self.directory.append(p.ParameterRefused(parameter=name))

    def keep(self, key: str, request: Request, reply: Reply) -> None:
        """Record a reply."""
        put = self.directory.artifacts.put_text
        label = self.labels.get(key, "")
        name = label.replace("/", "-") or "request"
        self.directory.append(
            p.ReplyReceived(
                key=key,
                label=label,
                request=put(
                    request.model_dump_json(),
                    name=f"{name}.request.json",
                    media_type="application/json",
                ),
                reply=put(
                    reply.model_dump_json(),
                    name=f"{name}.reply.json",
                    media_type="application/json",
                ),
                model=reply.model,
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.completion_tokens,
                cost_usd=reply.cost_usd,
                cached=reply.cached,
                attempts=reply.attempts,
                estimated=reply.estimated,
            )
        )


@dataclass(frozen=True)
class ModelCorrespondent:
    """Carries letters to a language model.

    Attributes:
        endpoint: the model.
        settings: how it is reached.
        seed: the run's; another one asks anew.
        notebook: where replies are kept.
        say: tells people why some letters were not sent.
    """

    endpoint: Endpoint
    settings: EndpointSettings
    seed: int
    notebook: RunNotebook | FileCache
    say: Callable[[str], None]

    def ask(self, letters: Sequence[Letter]) -> list[Answer | None]:
        """Return the answers in the order of the letters; None where the cost cap forbids asking.

        Raises:
            ContextLengthError: the letters are too long for the model.
            EndpointError: no reply is to be had.
        """
        requests = [Request(messages=x.messages, sample=x.sample) for x in letters]
        keys = [request.key(self.settings, self.seed) for request in requests]
        if isinstance(self.notebook, RunNotebook):
            self.notebook.labels |= {key: x.label for key, x in zip(keys, letters, strict=True)}
        try:
            replies: list[Reply | None] = list(self.endpoint.ask(requests))
        except CostCapError as cap:
            self.say(str(cap))
            replies = [self.notebook.find(key) for key in keys]
        return [None if reply is None else Answer(reply.text, reply.finish) for reply in replies]
