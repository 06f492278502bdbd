"""``rewardgen render RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from rewardgen.cli.output import complain, say, say_json


@dataclass(frozen=True)
class Render:
    """Render winner, human and sparse reward side by side, one evaluation episode, as mp4.

    Of a search that is not confirmed yet, the best candidates so far.
    """

    run_name: tyro.conf.Positional[str]
    """Name of the run, or path of its folder."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    camera: str | None = None
    """Point of view; a name that is none is answered with those of the task."""
    out: Path | None = None
    """The file to write; by default video.mp4 in the run's folder."""
    json: bool = False
    """Print one JSON object: {"video": path}."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen import api
        from rewardgen.rungs.offscreen import RenderError

        try:
            video = api.render(self.run_name, self.runs_dir, self.out, camera=self.camera)
        except RenderError as error:
            complain(str(error))
            return 1
        if self.json:
            say_json({"video": str(video)})
        else:
            say(str(video))
        return 0
