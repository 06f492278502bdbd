"""Features of a scene's sensors, each with its unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco

from rewardgen.skeleton.names import identifier
from rewardgen.skeleton.part import Part, listed, quoted
from rewardgen.skeleton.robot import Robot, turns
from rewardgen_envs.features import Feature

_FEW_SENSORS = 4  # so many of a kind have features of their own
_OBJECTS = mujoco.mjtObj
_KINDS = mujoco.mjtSensor
_ACCELERATION = int(mujoco.mjtStage.mjSTAGE_ACC)


@dataclass(frozen=True)
class _Reading:
    """What a kind of sensor reads.

    Attributes:
        words: what it is, with {} for the object that it is of.
        unit: its unit; of what turns.
        unit_along: its unit where the object does not turn but slides, or is a tendon.
        joint: what stands between the object and a second one that it is measured against.
    """

    words: str
    unit: str
    unit_along: str = ""
    joint: str = "in the frame of"


_READINGS: dict[int, _Reading] = {
    int(_KINDS.mjSENS_TOUCH): _Reading("Force of contacts at {}", "N"),
    int(_KINDS.mjSENS_ACCELEROMETER): _Reading("Acceleration of {}, gravity included", "m/s²"),
    int(_KINDS.mjSENS_VELOCIMETER): _Reading("Velocity of {} along its own axes", "m/s"),
    int(_KINDS.mjSENS_GYRO): _Reading("Angular velocity of {} about its own axes", "rad/s"),
    int(_KINDS.mjSENS_FORCE): _Reading("Force that the body of {} bears from its parent", "N"),
    int(_KINDS.mjSENS_TORQUE): _Reading("Torque that the body of {} bears from its parent", "N·m"),
    int(_KINDS.mjSENS_MAGNETOMETER): _Reading("Magnetic flux at {}, in the scene's own unit", "1"),
    int(_KINDS.mjSENS_RANGEFINDER): _Reading(
        "Distance from {} to what is next, -1 for nothing", "m"
    ),
    int(_KINDS.mjSENS_CAMPROJECTION): _Reading("Place of {} in a camera's picture", "px"),
    int(_KINDS.mjSENS_JOINTPOS): _Reading("Position of {}", "rad", "m"),
    int(_KINDS.mjSENS_JOINTVEL): _Reading("Velocity of {}", "rad/s", "m/s"),
    int(_KINDS.mjSENS_TENDONPOS): _Reading("Length of {}", "rad", "m"),
    int(_KINDS.mjSENS_TENDONVEL): _Reading("Velocity of {}", "rad/s", "m/s"),
    int(_KINDS.mjSENS_ACTUATORPOS): _Reading("Length of {}, gear included", "rad", "m"),
    int(_KINDS.mjSENS_ACTUATORVEL): _Reading("Velocity of {}, gear included", "rad/s", "m/s"),
    int(_KINDS.mjSENS_ACTUATORFRC): _Reading("Force of {}, before the gear", "N·m", "N"),
    int(_KINDS.mjSENS_JOINTACTFRC): _Reading("Force of all actuators on {}", "N·m", "N"),
    int(_KINDS.mjSENS_TENDONACTFRC): _Reading("Force of all actuators on {}", "N·m", "N"),
    int(_KINDS.mjSENS_BALLQUAT): _Reading("Orientation of {}, scalar part first", "1"),
    int(_KINDS.mjSENS_BALLANGVEL): _Reading("Angular velocity of {}", "rad/s"),
    int(_KINDS.mjSENS_JOINTLIMITPOS): _Reading("Distance to the limit of {}", "rad", "m"),
    int(_KINDS.mjSENS_JOINTLIMITVEL): _Reading("Velocity towards the limit of {}", "rad/s", "m/s"),
    int(_KINDS.mjSENS_JOINTLIMITFRC): _Reading("Force of the limit of {}", "N·m", "N"),
    int(_KINDS.mjSENS_TENDONLIMITPOS): _Reading("Distance to the limit of {}", "rad", "m"),
    int(_KINDS.mjSENS_TENDONLIMITVEL): _Reading("Velocity towards the limit of {}", "rad/s", "m/s"),
    int(_KINDS.mjSENS_TENDONLIMITFRC): _Reading("Force of the limit of {}", "N·m", "N"),
    int(_KINDS.mjSENS_FRAMEPOS): _Reading("Position of {}", "m"),
    int(_KINDS.mjSENS_FRAMEQUAT): _Reading("Orientation of {}, scalar part first", "1"),
    int(_KINDS.mjSENS_FRAMEXAXIS): _Reading("Direction of the x axis of {}", "1"),
    int(_KINDS.mjSENS_FRAMEYAXIS): _Reading("Direction of the y axis of {}", "1"),
    int(_KINDS.mjSENS_FRAMEZAXIS): _Reading("Direction of the z axis of {}", "1"),
    int(_KINDS.mjSENS_FRAMELINVEL): _Reading("Velocity of {}", "m/s"),
    int(_KINDS.mjSENS_FRAMEANGVEL): _Reading("Angular velocity of {}", "rad/s"),
    int(_KINDS.mjSENS_FRAMELINACC): _Reading("Acceleration of {}", "m/s²"),
    int(_KINDS.mjSENS_FRAMEANGACC): _Reading("Angular acceleration of {}", "rad/s²"),
    int(_KINDS.mjSENS_SUBTREECOM): _Reading("Centre of mass of all that hangs on {}", "m"),
    int(_KINDS.mjSENS_SUBTREELINVEL): _Reading(
        "Velocity of the centre of mass of all that hangs on {}", "m/s"
    ),
    int(_KINDS.mjSENS_SUBTREEANGMOM): _Reading("Angular momentum of all on {}", "kg·m²/s"),
    int(_KINDS.mjSENS_INSIDESITE): _Reading("1 while {}", "bool", joint="is inside"),
    int(_KINDS.mjSENS_GEOMDIST): _Reading("Distance between {}", "m", joint="and"),
    int(_KINDS.mjSENS_GEOMNORMAL): _Reading(
        "Direction of the shortest way between {}", "1", joint="and"
    ),
    int(_KINDS.mjSENS_GEOMFROMTO): _Reading(
        "Ends of the shortest way between {}, three numbers each", "m", joint="and"
    ),
    int(_KINDS.mjSENS_E_POTENTIAL): _Reading("Potential energy of {}", "J"),
    int(_KINDS.mjSENS_E_KINETIC): _Reading("Kinetic energy of {}", "J"),
    int(_KINDS.mjSENS_CLOCK): _Reading("Simulated time of {}", "s"),
}
_CONTACT: dict[str, _Reading] = {
    "mjCONDATA_FOUND": _Reading("Number of contacts of {}", "1", joint="and"),
    "mjCONDATA_FORCE": _Reading("Force of contacts on {}, in their frame", "N", joint="and"),
    "mjCONDATA_TORQUE": _Reading("Torque of contacts on {}, in their frame", "N·m", joint="and"),
    "mjCONDATA_DIST": _Reading("Gap at contacts of {}, negative for overlap", "m", joint="and"),
    "mjCONDATA_POS": _Reading("Position of contacts of {}", "m", joint="and"),
    "mjCONDATA_NORMAL": _Reading("Normal of contacts of {}", "1", joint="and"),
    "mjCONDATA_TANGENT": _Reading("Tangent of contacts of {}", "1", joint="and"),
    "mjCONDATA_LINVEL": _Reading("Velocity at contacts of {}", "m/s", joint="and"),
    "mjCONDATA_ANGVEL": _Reading("Angular velocity at contacts of {}", "rad/s", joint="and"),
}
"""What a contact sensor reads, by the one kind of data that it was asked for."""
_OTHER = _Reading("Reading at {}", "1", joint="and")
"""Of what mixes quantities, or is a plugin's or a user's own."""


def sensor_parts(robot: Robot) -> Iterator[Part]:
    """Yield the readings of all sensors; those of many sensors of a kind together."""
    model = robot.model
    alike: dict[tuple[int, str, int], list[int]] = {}
    for sensor in range(model.nsensor):
        key = (int(model.sensor_type[sensor]), _unit(robot, sensor), int(model.sensor_dim[sensor]))
        alike.setdefault(key, []).append(sensor)
    for sensors in alike.values():
        named = all(robot.name(_OBJECTS.mjOBJ_SENSOR, sensor) for sensor in sensors)
        if len(sensors) > _FEW_SENSORS and named:
            yield _together(robot, sensors)
        else:
            for sensor in sensors:
                yield _single(robot, sensor)


def _single(robot: Robot, sensor: int) -> Part:
    model, kind = robot.model, _kind(robot, sensor)
    size, first = int(model.sensor_dim[sensor]), int(model.sensor_adr[sensor])
    name = robot.name(_OBJECTS.mjOBJ_SENSOR, sensor)
    if name is None:
        code = (
            f'physics.field("sensordata")[:, {first if size == 1 else f"{first}:{first + size}"}]'
        )
    else:
        code = f"physics.sensor({quoted(name)})"
    return Part(
        Feature(
            identifier(name or kind, "sensor"),
            () if size == 1 else (size,),
            _unit(robot, sensor),
            _sentence(robot, sensor, _place(robot, sensor)),
            needs_acceleration=_needs_acceleration(robot, sensor),
        ),
        code,
    )


def _together(robot: Robot, sensors: Sequence[int]) -> Part:
    """Return one feature for sensors of one kind that all have a name."""
    first, kind = sensors[0], _kind(robot, sensors[0])
    size = int(robot.model.sensor_dim[first])
    names = tuple(robot.word(_OBJECTS.mjOBJ_SENSOR, sensor) for sensor in sensors)
    places = listed([_place(robot, sensor) for sensor in sensors])
    constant = f"{kind.upper()}_SENSORS"
    return Part(
        Feature(
            f"{kind}_sensors",
            (len(sensors),) if size == 1 else (len(sensors), size),
            _unit(robot, first),
            _sentence(robot, first, places),
            needs_acceleration=_needs_acceleration(robot, first),
        ),
        f"torch.stack([physics.sensor(name) for name in {constant}], dim=1)",
        names=(constant, names),
    )


def _kind(robot: Robot, sensor: int) -> str:
    """Return what a kind of sensor is called, ``gyro``."""
    name = _KINDS(int(robot.model.sensor_type[sensor])).name
    return name.removeprefix("mjSENS_").lower()


def _reading(robot: Robot, sensor: int) -> _Reading:
    model = robot.model
    if model.sensor_type[sensor] == int(_KINDS.mjSENS_CONTACT):
        asked = int(model.sensor_intprm[sensor, 0])  # one bit for each kind of data
        if asked & (asked - 1):
            return _OTHER
        return _CONTACT.get(mujoco.mjtConDataField(asked.bit_length() - 1).name, _OTHER)
    return _READINGS.get(int(model.sensor_type[sensor]), _OTHER)


def _place(robot: Robot, sensor: int) -> str:
    """Return what a sensor is attached to, and what it is measured against."""
    model = robot.model
    kind, number = int(model.sensor_objtype[sensor]), int(model.sensor_objid[sensor])
    place = _object(robot, kind, number)
    reference = int(model.sensor_reftype[sensor])
    if reference in (int(_OBJECTS.mjOBJ_UNKNOWN), int(_OBJECTS.mjOBJ_CAMERA)):
        return place
    other = _object(robot, reference, int(model.sensor_refid[sensor]))
    return f"{place} {_reading(robot, sensor).joint} {other}"


def _object(robot: Robot, kind: int, number: int) -> str:
    if kind == int(_OBJECTS.mjOBJ_UNKNOWN) or number < 0:
        return "the scene"
    # a body's frame, and the frame of its mass, have the body's name
    named = _OBJECTS.mjOBJ_BODY if kind == int(_OBJECTS.mjOBJ_XBODY) else _OBJECTS(kind)
    return robot.word(named, number)


def _sentence(robot: Robot, sensor: int, place: str) -> str:
    when = ", in the last physics step" if _needs_acceleration(robot, sensor) else ""
    return f"{_reading(robot, sensor).words.replace('{}', place)}{when}."


def _needs_acceleration(robot: Robot, sensor: int) -> bool:
    return int(robot.model.sensor_needstage[sensor]) == _ACCELERATION


def _unit(robot: Robot, sensor: int) -> str:
    reading = _reading(robot, sensor)
    kind = int(robot.model.sensor_objtype[sensor])
    number = int(robot.model.sensor_objid[sensor])
    if reading.unit_along and not turns(robot.model, kind, number):
        return reading.unit_along
    return reading.unit
