"""Features of where a robot's parts are, and of what they touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import mujoco
import numpy as np

from rewardgen.skeleton.names import identifier
from rewardgen.skeleton.part import Part, columns, listed, quoted
from rewardgen.skeleton.robot import Robot
from rewardgen_envs.features import Feature

_FEW_PLACES = 8  # so many have features of their own
_ON_FLOOR_M = 0.005
_OBJECTS = mujoco.mjtObj
_ROUND = (int(mujoco.mjtGeom.mjGEOM_SPHERE), int(mujoco.mjtGeom.mjGEOM_CAPSULE))
_HOLDING = (int(mujoco.mjtEq.mjEQ_CONNECT), int(mujoco.mjtEq.mjEQ_WELD))


def place_parts(robot: Robot) -> Iterator[Part]:
    """Yield the positions of all sites that move; of a robot without sites, where it ends."""
    model = robot.model
    sites: list[str] = []
    without = set(robot.driven_trees)
    for number in range(model.nsite):
        name = robot.name(_OBJECTS.mjOBJ_SITE, number)
        body = int(model.site_bodyid[number])
        if name is not None and robot.moves(body):
            sites.append(name)
            without.discard(int(model.body_treeid[body]))
    yield from _places("site", sites)
    yield from _places("body", list(_last_bodies(robot, without)))


def _places(kind: str, names: Sequence[str]) -> Iterator[Part]:
    if len(names) <= _FEW_PLACES:
        for name in names:
            feature = Feature(
                f"{identifier(name, kind)}_position", (3,), "m", f"Position of the {kind} {name}."
            )
            yield Part(feature, f"physics.{kind}_position({quoted(name)})")
        return
    plural, constant = ("sites", "SITES") if kind == "site" else ("bodies", "BODIES")
    yield Part(
        Feature(
            f"{kind}_positions",
            (len(names), 3),
            "m",
            f"Positions of the {plural} {listed(names)}.",
        ),
        f"torch.stack([physics.{kind}_position(name) for name in {constant}], dim=1)",
        names=(constant, tuple(names)),
    )


def _last_bodies(robot: Robot, trees: set[int]) -> Iterator[str]:
    """Yield the named bodies of some trees on which no other hangs."""
    model = robot.model
    parents = {int(parent) for parent in model.body_parentid}
    for body in range(1, model.nbody):
        name = robot.name(_OBJECTS.mjOBJ_BODY, body)
        first = int(model.tree_bodyadr[int(model.body_treeid[body])]) if robot.moves(body) else 0
        hangs = body not in parents and body != first
        if name is not None and hangs and int(model.body_treeid[body]) in trees:
            yield name


def tip_parts(robot: Robot) -> Iterator[Part]:
    """Yield how far feet and the like are from the floor, of a robot that walks on it.

    That follows from positions alone, so it costs little and is the same on every engine.
    """
    floor_m = robot.floor_height_m
    tips = list(_tips(robot)) if robot.roams and floor_m is not None else []
    if not tips:
        return
    one, shape = len(tips) == 1, () if len(tips) == 1 else (len(tips),)
    names, less = listed(tips), f" - {floor_m:g}" if floor_m else ""
    heights, on_floor = ("tip_height", "tip_on_floor") if one else ("tip_heights", "tips_on_floor")
    code = f"physics.lowest_point({quoted(tips[0])})"
    if not one:
        code = "torch.stack([physics.lowest_point(tip) for tip in TIPS], dim=1)"
    near = f"within {1000.0 * _ON_FLOOR_M:g} mm of the floor"
    common = Part(
        Feature(heights, shape, "m", f"Height of the lowest point of {names} above the floor."),
        heights,
        setup=f"{heights} = {code}{less}",
        names=None if one else ("TIPS", tuple(tips)),
    )
    yield common
    sentence = f"1 while {names} is {near}." if one else f"1 for each of {names} that is {near}."
    yield replace(
        common,
        feature=Feature(on_floor, shape, "bool", sentence),
        expression=f"{heights} < {_ON_FLOOR_M:g}",
    )


def _tips(robot: Robot) -> Iterator[str]:
    """Yield the geom that reaches farthest on each last link, if its lowest point is simple."""
    model, data = robot.model, robot.data
    links = [int(link) for link in model.body_weldid]  # bodies welded together are one link
    last = set(links) - {links[int(model.body_parentid[link])] for link in set(links) if link}
    for link in sorted(last):
        if not robot.moves(link) or int(model.body_treeid[link]) not in robot.driven_trees:
            continue
        geoms = [
            geom
            for geom in range(model.ngeom)
            if links[int(model.geom_bodyid[geom])] == link and robot.collides(geom)
        ]
        if not geoms:
            continue
        away = np.linalg.norm(data.geom_xpos[geoms] - data.xpos[link], axis=1)
        tip = geoms[int((away + model.geom_rbound[geoms]).argmax())]
        name = robot.name(_OBJECTS.mjOBJ_GEOM, tip)
        if name is not None and int(model.geom_type[tip]) in _ROUND:
            yield name


def contact_parts(robot: Robot) -> Iterator[Part]:
    """Yield what presses on each body, where the file's own sensors make MuJoCo compute it."""
    model = robot.model
    if not robot.own_acceleration:
        return
    bodies = sorted(
        {
            int(model.geom_bodyid[geom])
            for geom in range(model.ngeom)
            if robot.collides(geom) and robot.moves(int(model.geom_bodyid[geom]))
        }
    )
    if not bodies:
        return
    held = any(int(kind) in _HOLDING for kind in model.eq_type)
    names = listed([robot.body(body) for body in bodies])
    setup = f'forces = physics.field("cfrc_ext")[:, {columns(bodies)}, 3:]'
    source = "contacts, welds and the like" if held else "contacts"
    yield Part(
        Feature(
            "contact_forces",
            (len(bodies), 3),
            "N",
            f"Force of {source} on {names}, in the world's axes.",
            needs_acceleration=True,
        ),
        "forces",
        setup=setup,
    )
    if not held:  # else a force does not mean a touch
        yield Part(
            Feature(
                "touching",
                (len(bodies),),
                "bool",
                f"1 where something presses on {names}.",
                needs_acceleration=True,
            ),
            "(forces != 0.0).any(-1)",
            setup=setup,
        )
