"""The scene compiles, and what the task declares fits it."""

from __future__ import annotations

from collections.abc import Iterator

from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.scene import SceneError
from rewardgen_envs.task import BoxAction, TaskError

STAGE = "scene"


def scene(subject: Subject) -> Iterator[TaskFinding]:
    """The scene compiles, moves, can be acted on, and an episode has a length."""
    task = subject.task
    try:
        model = task.model
    except Exception as error:
        # whatever scene() raises: MjSpec itself refuses doubled names, unknown types, …
        problem = str(error) if isinstance(error, SceneError) else f"scene() fails: {error}"
        yield subject.broken(
            STAGE, "scene-compiles", "scene", problem, "correct the MJCF or scene()"
        )
        return
    try:
        names = task.table.names
    except TaskError as error:
        yield subject.broken(
            STAGE, "feature-names", "__init__", str(error), "give each feature a name of its own"
        )
        return
    if subject.task_class().scene_sha256 != task.scene_sha256:
        yield subject.broken(
            STAGE,
            "nondeterminism",
            "scene",
            "scene() builds another scene each time",
            "build the scene from constants; draw what differs between episodes in reset()",
        )
    for quantity in ("reward", "state", "action", "next_state"):
        if quantity in names:
            yield subject.broken(
                STAGE,
                "feature-names",
                "__init__",
                f"feature '{quantity}' has a name that reward code uses itself",
                "choose another name",
            )
    if model.nv == 0:
        yield subject.broken(
            STAGE, "scene-moves", "scene", "the scene has no joint", "add what shall move"
        )
    action = task.action
    if (action.size if isinstance(action, BoxAction) else action.count - 1) < 1:
        yield subject.broken(
            STAGE,
            "action-empty",
            "action",
            "there is nothing to act with: the scene has no actuator",
            "add actuators in scene() or declare the action space",
        )
    if task.decimation < 1 or task.episode_s < task.control_dt_s:
        yield subject.broken(
            STAGE,
            "episode-length",
            "__init__",
            f"an episode of {task.episode_s} s is no control step of {task.control_dt_s} s",
            "set decimation to at least 1 and episode_s to some seconds",
        )
