"""The names of imageio-ffmpeg that this project uses; it ships no types."""

from collections.abc import Generator
from typing import Any

from numpy.typing import NDArray

def get_ffmpeg_exe() -> str: ...
def write_frames(
    path: str,
    size: tuple[int, int],
    pix_fmt_in: str = ...,
    pix_fmt_out: str = ...,
    fps: float = ...,
    quality: float | None = ...,
    codec: str | None = ...,
    macro_block_size: int | None = ...,
    ffmpeg_log_level: str = ...,
    output_params: list[str] | None = ...,
) -> Generator[None, bytes | NDArray[Any] | None]: ...
