"""``car/follow-path``: places on a path, what is seen from the car, infractions, controllers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rewardgen_envs.car.follow_path import OBSTACLES, FollowPath
from rewardgen_envs.car.path import SPACING_M, WAY_POINTS, draw_path, place_on, points_at, seen_from
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Initial
from tests.envs.scripted import Controller, at_random, first_fitness, success_rate

torch.set_num_threads(1)
TURN = 2.0 * math.pi
WHEELBASE_M = 2.5
NOWHERE = ((0.0, 50.0),) * OBSTACLES
CORNER = torch.tensor([[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]]]).double()  # turns left after 4 m


def seen(simulation: Simulation, step: Step | None = None) -> FeatureView:
    return simulation.task.table.view(simulation.state if step is None else step.next_state)


def placed(
    x: float = 6.0,
    y: float = 0.0,
    yaw: float = 0.0,
    *,
    speed: float = 0.0,
    obstacles: tuple[tuple[float, float], ...] = NOWHERE,
) -> Simulation:
    """A car on a straight path along x, whose start is at x = 6."""
    path = torch.zeros(1, WAY_POINTS, 2).double()
    path[0, :, 0] = SPACING_M * torch.arange(WAY_POINTS)

    class Placed(FollowPath):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            given = super().reset(mask, draw)
            qpos, qvel = torch.zeros_like(given.qpos), torch.zeros_like(given.qvel)
            marks = torch.tensor(obstacles).double()
            qpos[0, :3] = torch.tensor([x, y, yaw])
            qpos[0, -2 * OBSTACLES :] = marks.flatten()
            qvel[0, 0], qvel[0, 1] = speed * math.cos(yaw), speed * math.sin(yaw)
            return Initial(
                qpos=qpos,
                qvel=qvel,
                variables={
                    "way_points": path,
                    "obstacle_arcs": marks[:, 0].unsqueeze(0),
                    "obstacle_lefts": marks[:, 1].unsqueeze(0),
                },
            )

    return Simulation(Placed(), [0], 1, threads=1)


def new_draw(worlds: int) -> Draw:
    world = torch.arange(worlds)
    return Draw(torch.zeros_like(world), world, torch.zeros_like(world))


# ---- paths


@pytest.mark.parametrize(
    ("point", "arc", "left", "direction"),
    [
        ((1.0, 0.5), 1.0, 0.5, 0.0),
        ((3.0, -1.0), 3.0, -1.0, 0.0),
        ((5.0, 2.0), 6.0, -1.0, 0.25 * TURN),
        ((3.5, 3.0), 7.0, 0.5, 0.25 * TURN),
        ((-2.0, 1.0), -2.0, 1.0, 0.0),  # behind the first way point
        ((3.0, 7.0), 11.0, 1.0, 0.25 * TURN),  # beyond the last
        ((7.0, -4.0), 4.0, -5.0, 0.0),  # outside the corner: the corner is nearest
    ],
)
def test_the_place_on_a_path_with_a_corner(
    point: tuple[float, float], arc: float, left: float, direction: float
) -> None:
    place = place_on(CORNER, torch.tensor([point]).double())
    assert float(place.arc) == pytest.approx(arc)
    assert float(place.left) == pytest.approx(left)
    assert float(place.direction) == pytest.approx(direction)


def test_points_of_a_path_with_a_corner() -> None:
    arcs = torch.tensor([[1.0, 6.0, 9.0]]).double()
    assert points_at(CORNER, arcs)[0].tolist() == [[1.0, 0.0], [4.0, 2.0], [4.0, 5.0]]
    left = torch.tensor([[1.0, 1.0, -1.0]]).double()
    assert points_at(CORNER, arcs, left)[0].tolist() == [[1.0, 1.0], [3.0, 2.0], [5.0, 5.0]]


def test_a_place_is_the_nearest_of_all_points() -> None:
    """Against a search over points every 2 cm of the path."""
    path = draw_path(new_draw(50))
    arcs = torch.linspace(0.0, SPACING_M * (WAY_POINTS - 1), 6601).double().expand(50, -1)
    everywhere = points_at(path, arcs)
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(500, 6000, (50, 1), generator=generator)
    off = 6.0 * torch.rand(50, 2, generator=generator).double() - 3.0
    point = everywhere.gather(1, chosen.unsqueeze(2).expand(-1, -1, 2))[:, 0] + off
    nearest = (everywhere - point.unsqueeze(1)).norm(dim=2).min(1)
    place = place_on(path, point)
    torch.testing.assert_close(place.left.abs(), nearest.values, atol=1e-3, rtol=0.0)
    found = arcs.gather(1, nearest.indices.unsqueeze(1))[:, 0]
    torch.testing.assert_close(place.arc, found, atol=0.05, rtol=0.0)


def test_a_point_left_of_a_path_is_found_there() -> None:
    path = draw_path(new_draw(40))
    arc = torch.linspace(6.0, 102.0, 40).double().unsqueeze(1) // SPACING_M * SPACING_M + 2.0
    left = torch.linspace(-2.5, 2.5, 40).double().unsqueeze(1)
    place = place_on(path, points_at(path, arc, left)[:, 0])
    torch.testing.assert_close(place.arc, arc[:, 0], atol=0.3, rtol=0.0)
    torch.testing.assert_close(place.left, left[:, 0], atol=0.05, rtol=0.0)


def test_paths_are_smooth_and_never_turn_back() -> None:
    path = draw_path(new_draw(1000))
    steps = path[:, 1:] - path[:, :-1]
    torch.testing.assert_close(steps.norm(dim=2), torch.full((1000, WAY_POINTS - 1), 4.0).double())
    direction = torch.atan2(steps[..., 1], steps[..., 0])
    assert float(direction.abs().max()) < 0.56
    bends = (direction[:, 1:] - direction[:, :-1]).abs()
    assert 0.2 < float(bends.max()) < 0.28  # per 4 m: no curve is narrower than 14 m
    assert torch.equal(path[:, 0], torch.zeros(1000, 2).double())
    assert len(path[:, -1].unique(dim=0)) == 1000


def test_vectors_are_seen_from_a_heading() -> None:
    vector = torch.tensor([[[0.0, 3.0], [1.0, 0.0]]]).double()
    given = seen_from(torch.tensor([0.25 * TURN]).double(), vector)
    expected = torch.tensor([[3.0, 0.0], [0.0, -1.0]]).double()
    torch.testing.assert_close(given[0], expected, atol=1e-6, rtol=0.0)


# ---- features


def test_how_the_car_stands_to_the_path() -> None:
    features = seen(placed(20.0, 1.0, 0.3, speed=5.0))
    assert float(features.lateral_error) == pytest.approx(1.0)
    assert float(features.heading_error) == pytest.approx(0.3)
    assert float(features.progress) == pytest.approx(14.0)
    assert float(features.forward_speed) == pytest.approx(5.0)
    assert float(features.sideways_speed) == pytest.approx(0.0, abs=1e-6)
    for number, further in enumerate((4.0, 8.0, 12.0, 16.0)):
        ahead = further * math.cos(0.3) - math.sin(0.3)
        left = -further * math.sin(0.3) - math.cos(0.3)
        assert features.path_ahead[0, number].tolist() == pytest.approx([ahead, left], abs=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "clearance"),
    [
        (4.0, 0.0, 4.0 - 2.0 - 0.6),
        (0.0, -2.0, 2.0 - 0.86 - 0.6),
        (5.0, 4.86, 5.0 - 0.6),  # from the corner at (2, 0.86): 3, 4, 5
        (2.0, 0.0, -0.6),
    ],
)
@pytest.mark.parametrize("yaw", [0.0, 2.0])
def test_clearance_is_from_the_cars_outline(
    x: float, y: float, clearance: float, yaw: float
) -> None:
    spot = (
        20.0 + x * math.cos(yaw) - y * math.sin(yaw),
        x * math.sin(yaw) + y * math.cos(yaw),
    )
    features = seen(placed(20.0, 0.0, yaw, obstacles=((90.0, 9.0), spot, *NOWHERE[2:])))
    assert float(features.obstacle_clearance) == pytest.approx(clearance, abs=1e-5)
    assert features.obstacles[0, 1].tolist() == pytest.approx([x, y], abs=1e-5)
    assert float(features.hit_obstacle) == float(clearance < 0.0)


def test_the_next_obstacle_is_the_first_that_is_not_passed() -> None:
    obstacles = ((20.0, 2.5), (40.0, -2.5), (60.0, 2.4), (80.0, -2.4))
    for x, away, left in (
        (10.0, 10.0, 2.5),
        (22.5, -2.5, 2.5),
        (22.7, 17.3, -2.5),
        (90.0, -10.0, -2.4),
    ):
        features = seen(placed(x, obstacles=obstacles))
        assert float(features.next_obstacle_distance) == pytest.approx(away, abs=1e-4), x
        assert float(features.next_obstacle_left) == pytest.approx(left), x


@pytest.mark.parametrize(("y", "off"), [(2.9, 0.0), (3.1, 1.0), (-3.1, 1.0)])
def test_leaving_the_lane_ends_the_drive(y: float, off: float) -> None:
    features = seen(placed(20.0, y))
    assert (float(features.off_lane), float(features.terminated)) == (off, off)


# ---- the car


def test_a_slow_car_turns_as_a_bicycle_does() -> None:
    """Without sliding, its yaw rate is speed times the tangent of steering over the wheelbase."""
    simulation = placed(6.0, -2.5, speed=2.0)
    hold = torch.tensor([[0.4, (300.0 * 2.0 - 1000.0) / 4000.0]])  # drag of 2 m/s
    for _ in range(20):
        features = seen(simulation, simulation.step(hold))
    assert float(features.steering_angle) == pytest.approx(0.2, abs=0.005)
    speed, rate = float(features.forward_speed), float(features.yaw_rate)
    assert speed == pytest.approx(2.0, abs=0.1)
    assert rate == pytest.approx(speed * math.tan(0.2) / WHEELBASE_M, rel=0.05)


def test_a_fast_car_turns_no_harder_than_its_tyres_hold() -> None:
    """Two axles push with up to 4500 N each, however far the wheels are turned."""
    simulation = placed(6.0, -2.9, speed=14.0)
    velocity, hardest = simulation.engine.field("qvel")[0, :2].clone(), 0.0
    for _ in range(8):
        simulation.step(torch.tensor([[1.0, (300.0 * 14.0 - 1000.0) / 4000.0]]))
        before, velocity = velocity, simulation.engine.field("qvel")[0, :2].clone()
        hardest = max(hardest, float((velocity - before).norm()) / 0.05)
    hold = 2.0 * 4500.0 / float(simulation.task.model.body_mass[1:3].sum())
    assert 0.8 * hold < hardest < 1.1 * hold
    assert 14.0**2 * math.tan(0.5) / WHEELBASE_M > 4.0 * hold


def test_full_throttle_and_brakes() -> None:
    simulation, duration = placed(6.0, speed=4.0), 0.05
    mass = float(simulation.task.model.body_mass[1:3].sum())
    for action, force in ((1.0, 5000.0), (-1.0, -3000.0)):
        before = float(seen(simulation).forward_speed)
        step = simulation.step(torch.tensor([[0.0, action]]))
        gained = float(seen(simulation, step).forward_speed) - before
        assert gained == pytest.approx((force - 300.0 * before) / mass * duration, rel=0.03)


# ---- the score


def test_completion_is_the_share_of_the_route_until_the_infraction() -> None:
    simulation = placed(6.0, speed=10.0, obstacles=((40.0, 0.0), *NOWHERE[1:]))
    hold = torch.tensor([[0.0, (300.0 * 10.0 - 1000.0) / 4000.0]])
    step = simulation.step(hold)
    while not bool(step.ended):
        step = simulation.step(hold)
    features = seen(simulation, step)
    assert float(features.hit_obstacle) == 1.0
    # the bumper touches the obstacle after 40 - 6 - 2 - 0.6 m; one step is half a metre
    assert 0.314 <= float(step.fitness["route_completion"]) <= 0.32
    assert float(step.fitness["route_completion"]) == pytest.approx(
        float(features.progress) / 100.0, abs=1e-4
    )


def test_the_end_of_the_route_pays_once_and_no_more_way_counts() -> None:
    simulation, task, paid = placed(104.0, speed=10.0), FollowPath(), 0.0
    for _ in range(12):
        before = seen(simulation)
        step = simulation.step(torch.zeros(1, 2))
        paid += float(task.sparse_reward(before, torch.zeros(1, 2), seen(simulation, step)))
    assert paid == 1.0
    assert float(seen(simulation).progress) == 100.0
    assert float(seen(simulation).progress_velocity) == 0.0


def test_starts_are_on_the_path_with_obstacles_before_the_car() -> None:
    simulation = Simulation(FollowPath(), [0], 500, threads=1)
    features = seen(simulation)
    assert float(features.lateral_error.abs().max()) <= 0.5 + 1e-5
    assert float(features.heading_error.abs().max()) <= 0.1 + 1e-5
    assert float(features.progress.abs().max()) < 1e-4
    assert 0.0 <= float(features.forward_speed.min()) < float(features.forward_speed.max()) <= 2.0
    gaps = features.obstacle_arcs[:, 1:] - features.obstacle_arcs[:, :-1]
    assert float(gaps.min()) > 12.0
    off = features.obstacle_lefts.abs()
    assert 0.2 <= float(off.min()) < float(off.max()) <= 1.5
    assert 0.4 < float((features.obstacle_lefts > 0.0).double().mean()) < 0.6
    # the marks stand where the variables say
    path = features.way_points.double()
    spots = points_at(path, features.obstacle_arcs.double(), features.obstacle_lefts.double())
    shown = simulation.engine.field("qpos")[:, -2 * OBSTACLES :].reshape(-1, OBSTACLES, 2)
    torch.testing.assert_close(shown, spots, atol=1e-4, rtol=0.0)


# ---- controllers


def pursue(*, avoid: bool) -> Controller:
    """Steer to a point of the path ahead, or beside it where an obstacle is."""

    def act(features: FeatureView) -> Tensor:
        aim = features.path_ahead[:, 1]
        if avoid:
            obstacle, away = features.next_obstacle_left, features.next_obstacle_distance
            beside = obstacle - torch.where(obstacle >= 0.0, 1.85, -1.85)
            beside = torch.where((away < 16.0) & (away > -4.0), beside, 0.0)
            left = torch.stack(
                [torch.sin(features.heading_error), torch.cos(features.heading_error)], dim=1
            )
            aim = aim + beside.unsqueeze(1) * left
        curvature = 2.0 * aim[:, 1] / aim.square().sum(1)
        force = 1500.0 * (6.0 - features.forward_speed) + 300.0 * 6.0
        return torch.stack(
            [torch.atan(WHEELBASE_M * curvature) / 0.5, (force - 1000.0) / 4000.0], dim=1
        )

    return act


def test_pursuit_around_obstacles_completes_the_route_and_chance_does_not() -> None:
    task = FollowPath()
    assert success_rate(task, pursue(avoid=True)) >= 0.8
    assert float(first_fitness(task, pursue(avoid=False)).mean()) < 0.5
    assert success_rate(task, at_random(task)) == 0.0
