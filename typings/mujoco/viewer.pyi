"""MuJoCo's interactive viewer."""

from contextlib import AbstractContextManager

from mujoco import MjData, MjModel

class Handle(AbstractContextManager[Handle]):
    def sync(self) -> None: ...

def launch_passive(model: MjModel, data: MjData) -> Handle: ...
