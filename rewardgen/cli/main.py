"""The ``rewardgen`` command: finds the verb, parses its arguments, runs it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Protocol

from rewardgen.cli.output import UnwritableError, complain, say
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.rewards.findings import RefusedRewardError
from rewardgen.rungs import gl
from rewardgen.store.errors import StoreError
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest


class Command(Protocol):
    """A parsed command line."""

    def run(self) -> int:
        """Do it and return the exit status."""
        ...


# verb → (module, class, what it does). Modules are imported when their verb is used, so that
# reading commands stay fast and need neither torch nor mujoco.
VERBS: dict[str, tuple[str, str, str]] = {
    "run": ("run", "Run", "search a reward for a task"),
    "resume": ("resume", "Resume", "go on with an interrupted run"),
    "list": ("runs", "ListRuns", "list runs"),
    "show": ("runs", "ShowRun", "show a run or one of its candidates"),
    "export": ("export", "Export", "write a reward and its policy as files for use elsewhere"),
    "export reward": ("export", "ExportReward", "write a reward alone, also for Isaac Lab"),
    "feedback": ("feedback", "Feedback", "say something that the next prompts of a run hold"),
    "analyze": ("analyze", "Analyze", "say what a run's policies live on, and how they fail"),
    "render": ("render", "Render", "render the video of a run"),
    "generate": ("generate", "Generate", "write reward files for a sentence, without training"),
    "check": ("check", "Check", "check a reward file without training"),
    "import reward": (
        "import_reward",
        "ImportReward",
        "rewrite a reward of Eureka, or a plain function, for a task",
    ),
    "train": ("train", "Train", "train policies on given rewards, without a search"),
    "compare": ("compare", "Compare", "compare rewards: on data, in a race, on fresh seeds"),
    "tasks list": ("tasks", "TasksList", "list the installed tasks"),
    "tasks show": ("tasks", "TasksShow", "show a task: features, fitness, human reward"),
    "tasks check": ("tasks", "TasksCheck", "check the contract of a task"),
    "tasks new": (
        "tasks",
        "TasksNew",
        "write a task for a robot, but for its fitness and human reward",
    ),
    "tasks baseline": ("baseline", "TasksBaseline", "measure a task's human and sparse rewards"),
    "doctor": ("doctor", "Doctor", "say what this machine offers"),
}

_NEEDS: dict[str, str | None] = {
    "list": None,
    "show": None,
    "feedback": "rewardgen.run.feedback",
    "tasks list": "rewardgen.tasks",
    "tasks show": "rewardgen.tasks",
    "tasks check": "rewardgen.tasks",
    "tasks new": "rewardgen.skeleton.write",
    "doctor": "rewardgen.run.machine",
}
"""What verbs import when they begin, by default ``rewardgen.api``."""


def main(arguments: list[str] | None = None, *, ready: Callable[[], None] = lambda: None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: the command line; by default that of this process.
        ready: called once all that the command needs is imported.

    0: done. 1: the job failed or the input was refused. 2: wrong usage or configuration.
    130: interrupted. 141: nobody reads the output any more.
    """
    gl.spare()
    given = sys.argv[1:] if arguments is None else arguments
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # what a terminal of another encoding cannot show is no reason to end in an error
        reconfigure(errors="backslashreplace")
    try:
        _check_text(given)
        if not given or given[0] in ("-h", "--help"):
            say(_overview(VERBS))
            return 0 if given else 2
        if given[0] == "--version":
            say(_version())
            return 0
        group = _group(given[0])
        if group and given[1:] in (["-h"], ["--help"]):
            say(_overview(group))
            return 0
        verb, rest = _verb(given)
        command = _parse(verb, rest)
        needed = _NEEDS.get(verb, "rewardgen.api")
        if needed is not None:
            importlib.import_module(needed)
        ready()
        return command.run()
    except UsageError as error:
        complain(str(error))
        return 2
    except (StoreError, RefusedRewardError, HostUnavailable) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:  # as in `| head`
        _drop_output()
        return 141
    except UnwritableError as error:
        _drop_output()
        complain(str(error))
        return 1


def _drop_output() -> None:
    """Let what is still buffered not fail once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_text(given: list[str]) -> None:
    """Refuse what is no text, such as a path in another encoding: no log could record it."""
    for argument in given:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"{argument!a} is no text in the encoding {sys.getfilesystemencoding()}: "
                "rename the folder or file in UTF-8, or set LC_ALL=C.UTF-8"
            ) from None


def _verb(given: list[str]) -> tuple[str, list[str]]:
    pair = " ".join(given[:2])
    if pair in VERBS:
        return pair, given[2:]
    if given[0] in VERBS:
        return given[0], given[1:]
    group = _group(given[0])
    if group:
        raise UsageError(f"'rewardgen {given[0]}' needs one of: {', '.join(group)}")
    raise UsageError(f"unknown command '{given[0]}'{nearest(given[0], VERBS)}")


def _group(word: str) -> list[str]:
    """Return the commands of two words that begin with one that is none by itself."""
    return [] if word in VERBS else [verb for verb in VERBS if verb.startswith(f"{word} ")]


def _parse(verb: str, rest: list[str]) -> Command:
    module, name, _ = VERBS[verb]
    command = getattr(importlib.import_module(f"rewardgen.cli.{module}"), name)
    parse = getattr(command, "parse", None)
    if parse is not None:
        return parse(rest)
    from rewardgen.cli.flags import parse_flags

    return parse_flags(command, rest, prog=f"rewardgen {verb}")


def _overview(verbs: Iterable[str]) -> str:
    width = max(len(verb) for verb in verbs)
    lines = [f"  {verb:<{width}}  {VERBS[verb][2]}" for verb in verbs]
    return "\n".join(
        ["usage: rewardgen COMMAND [options]    (rewardgen COMMAND --help)", "", *lines]
    )


def _version() -> str:
    from importlib.metadata import version

    return f"rewardgen-lab {version('rewardgen-lab')}"


if __name__ == "__main__":
    sys.exit(main())
