"""Paths on the ground: way points of equal spacing, joined by straight segments.

Paths are drawn so that they never turn back on themselves: a point near one has one nearest place.
Arc lengths are metres along a path from its first way point.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from rewardgen_envs.draw import Draw

SPACING_M = 4.0
WAY_POINTS = 34
_WAVES = ((16, 0.4), (8, 0.15))  # of the path's direction: length in segments, largest swing in rad


class Place(NamedTuple):
    """Where a point is with respect to a path.

    Attributes:
        arc: arc length of the nearest place of the path, m.
        left: how far to the left of the path the point is, m; negative on the right.
        direction: direction of the path there, rad.
    """

    arc: Float[Tensor, " R"]
    left: Float[Tensor, " R"]
    direction: Float[Tensor, " R"]


def draw_path(draw: Draw) -> Float[Tensor, "R points 2"]:
    """Draw paths that begin at the origin and wind along x."""
    amount = draw.uniform("path_swing", (len(_WAVES), 1))
    phase = draw.uniform("path_phase", (len(_WAVES), 1), -math.pi, math.pi)
    segment = torch.arange(WAY_POINTS - 1, device=amount.device)
    direction = torch.zeros_like(amount[:, 0])
    for wave, (length, swing) in enumerate(_WAVES):
        angle = 2.0 * math.pi / length * segment + phase[:, wave]
        direction = direction + swing * amount[:, wave] * torch.sin(angle)
    steps = SPACING_M * torch.stack([torch.cos(direction), torch.sin(direction)], dim=2)
    return pad(steps.cumsum(1), (0, 0, 1, 0))


def place_on(path: Float[Tensor, "R points 2"], point: Float[Tensor, "R 2"]) -> Place:
    """Find the place of a path that is nearest to a point.

    First and last segment go on for ever, so that the path ends for nobody who drives on.
    """
    # x and y by themselves: sums over an axis of two are several times slower
    (path_x, path_y), (x, y) = path.unbind(2), point.unsqueeze(1).unbind(2)
    ahead_x, ahead_y = path_x.diff(dim=1) / SPACING_M, path_y.diff(dim=1) / SPACING_M
    away_x, away_y = x - path_x[:, :-1], y - path_y[:, :-1]
    along = ahead_x * away_x + ahead_y * away_y
    within = along.clamp(0.0, SPACING_M)
    within = torch.cat(
        [along[:, :1].clamp(max=SPACING_M), within[:, 1:-1], along[:, -1:].clamp(min=0.0)], dim=1
    )
    squared = (away_x - within * ahead_x).square() + (away_y - within * ahead_y).square()
    nearest = squared.argmin(1, keepdim=True)

    def there(values: Float[Tensor, "R segments"]) -> Float[Tensor, " R"]:
        return values.gather(1, nearest)[:, 0]

    side = there(ahead_x) * there(away_y) - there(ahead_y) * there(away_x)
    return Place(
        arc=there(within) + SPACING_M * nearest[:, 0],
        left=torch.copysign(there(squared).sqrt(), side),
        direction=torch.atan2(there(ahead_y), there(ahead_x)),
    )


def points_at(
    path: Float[Tensor, "R points 2"],
    arc: Float[Tensor, "R K"],
    left: Float[Tensor, "R K"] | None = None,
) -> Float[Tensor, "R K 2"]:
    """Return the points of a path at given arc lengths, or so far to the left of it."""
    segment = (arc / SPACING_M).floor().long().clamp(0, path.shape[1] - 2)
    chosen = segment.unsqueeze(2).expand(-1, -1, 2)
    begin, end = path.gather(1, chosen), path.gather(1, chosen + 1)
    tangent = (end - begin) / SPACING_M
    found = begin + (arc - SPACING_M * segment).unsqueeze(2) * tangent
    if left is None:
        return found
    normal = torch.stack([-tangent[..., 1], tangent[..., 0]], dim=2)
    return found + left.unsqueeze(2) * normal


def seen_from(yaw: Float[Tensor, " R"], vector: Float[Tensor, "R K 2"]) -> Float[Tensor, "R K 2"]:
    """Turn vectors of the world into the frame of somebody who looks along ``yaw``: ahead, left."""
    cosine, sine = torch.cos(yaw).unsqueeze(1), torch.sin(yaw).unsqueeze(1)
    x, y = vector.unbind(2)
    return torch.stack([cosine * x + sine * y, cosine * y - sine * x], dim=2)
