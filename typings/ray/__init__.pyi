"""The names of ray that are used; its own annotations leave parts unknown."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypedDict, TypeVar

from ray import exceptions as exceptions
from ray import util as util

_T = TypeVar("_T")

class ObjectRef(Generic[_T]): ...

class NodeInfo(TypedDict):
    NodeID: str
    Alive: bool
    NodeManagerAddress: str
    Resources: dict[str, float]

class Method(Protocol):
    def options(self, *, num_returns: str | int) -> Method: ...
    def remote(self, *given: object) -> Iterator[ObjectRef[object]]: ...

class Actor(Protocol):
    def __getattr__(self, name: str) -> Method: ...

class ActorClass(Protocol):
    def options(
        self,
        *,
        num_cpus: int,
        num_gpus: int,
        scheduling_strategy: object,
    ) -> ActorClass: ...
    def remote(self, *given: object) -> Actor: ...

def init(
    *,
    address: str,
    namespace: str,
    log_to_driver: bool,
    logging_level: int,
) -> object: ...
def remote(cls: Callable[..., object]) -> ActorClass: ...
def get(ref: ObjectRef[_T], *, timeout: float | None = None) -> _T: ...
def wait(
    refs: Sequence[Iterator[ObjectRef[object]]],
    *,
    num_returns: int = 1,
    timeout: float | None,
) -> tuple[list[object], list[object]]: ...
def kill(actor: Actor) -> None: ...
def nodes() -> Sequence[NodeInfo]: ...
def shutdown() -> None: ...
