"""The names of mujoco_warp that are used; it has few annotations."""

from dataclasses import dataclass
from enum import IntFlag

import mujoco
import warp as wp

class OverflowType(IntFlag):
    NEFC: int
    NJMAX_NNZ: int
    BROADPHASE: int
    NARROWPHASE: int
    CCD: int
    HFIELD: int
    CONTACT_MATCH: int

class Option:
    warn_overflow: int
    graph_conditional: bool

@dataclass
class Model:
    opt: Option

@dataclass
class Contact: ...

@dataclass
class Constraint: ...

@dataclass
class Data:
    contact: Contact
    efc: Constraint
    sensordata: wp.array

def put_model(mjm: mujoco.MjModel) -> Model: ...
def put_data(
    mjm: mujoco.MjModel,
    mjd: mujoco.MjData,
    nworld: int,
    *,
    nconmax: int,
    naconmax: int,
    njmax: int,
) -> Data: ...
def set_const(m: Model, d: Data) -> None: ...
def step2(m: Model, d: Data) -> None: ...
def forward(m: Model, d: Data) -> None: ...
def fwd_position(m: Model, d: Data) -> None: ...
def fwd_velocity(m: Model, d: Data) -> None: ...
def sensor_pos(m: Model, d: Data) -> None: ...
def sensor_vel(m: Model, d: Data) -> None: ...
