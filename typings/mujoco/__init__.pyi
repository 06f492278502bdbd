"""The MuJoCo names that this project uses; MuJoCo ships no types."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__version__: str

class mjtBias(IntEnum):
    mjBIAS_NONE = 0
    mjBIAS_AFFINE = 1
    mjBIAS_MUSCLE = 2

class mjtConDataField(IntEnum):
    mjCONDATA_FOUND = 0

class mjtCone(IntEnum):
    mjCONE_PYRAMIDAL = 0
    mjCONE_ELLIPTIC = 1

class mjtDisableBit(IntEnum):
    mjDSBL_CONSTRAINT = 1
    mjDSBL_EQUALITY = 2
    mjDSBL_FRICTIONLOSS = 4
    mjDSBL_LIMIT = 8
    mjDSBL_CONTACT = 16
    mjDSBL_SPRING = 32
    mjDSBL_DAMPER = 64
    mjDSBL_GRAVITY = 128
    mjDSBL_CLAMPCTRL = 256
    mjDSBL_WARMSTART = 512
    mjDSBL_FILTERPARENT = 1024
    mjDSBL_ACTUATION = 2048
    mjDSBL_REFSAFE = 4096
    mjDSBL_SENSOR = 8192
    mjDSBL_MIDPHASE = 16384
    mjDSBL_EULERDAMP = 32768
    mjDSBL_AUTORESET = 65536
    mjDSBL_NATIVECCD = 131072
    mjDSBL_ISLAND = 262144
    mjDSBL_MULTICCD = 524288

class mjtDyn(IntEnum):
    mjDYN_NONE = 0
    mjDYN_INTEGRATOR = 1
    mjDYN_FILTER = 2
    mjDYN_FILTEREXACT = 3

class mjtEq(IntEnum):
    mjEQ_CONNECT = 0
    mjEQ_WELD = 1

class mjtGain(IntEnum):
    mjGAIN_FIXED = 0

class mjtGeom(IntEnum):
    mjGEOM_PLANE = 0
    mjGEOM_HFIELD = 1
    mjGEOM_SPHERE = 2
    mjGEOM_CAPSULE = 3
    mjGEOM_ELLIPSOID = 4
    mjGEOM_CYLINDER = 5
    mjGEOM_BOX = 6
    mjGEOM_MESH = 7
    mjGEOM_SDF = 8

class mjtIntegrator(IntEnum):
    mjINT_EULER = 0
    mjINT_RK4 = 1
    mjINT_IMPLICIT = 2
    mjINT_IMPLICITFAST = 3
    mjINT_DISCRETE = 4

class mjtJoint(IntEnum):
    mjJNT_FREE = 0
    mjJNT_BALL = 1
    mjJNT_SLIDE = 2
    mjJNT_HINGE = 3

class mjtCamera(IntEnum):
    mjCAMERA_FREE = 0
    mjCAMERA_TRACKING = 1
    mjCAMERA_FIXED = 2

class mjtObj(IntEnum):
    mjOBJ_UNKNOWN = 0
    mjOBJ_BODY = 1
    mjOBJ_XBODY = 2
    mjOBJ_JOINT = 3
    mjOBJ_DOF = 4
    mjOBJ_GEOM = 5
    mjOBJ_SITE = 6
    mjOBJ_CAMERA = 7
    mjOBJ_LIGHT = 8
    mjOBJ_FLEX = 9
    mjOBJ_MESH = 10
    mjOBJ_SKIN = 11
    mjOBJ_HFIELD = 12
    mjOBJ_TEXTURE = 13
    mjOBJ_MATERIAL = 14
    mjOBJ_PAIR = 15
    mjOBJ_EXCLUDE = 16
    mjOBJ_EQUALITY = 17
    mjOBJ_TENDON = 18
    mjOBJ_ACTUATOR = 19
    mjOBJ_SENSOR = 20
    mjOBJ_NUMERIC = 21
    mjOBJ_TEXT = 22
    mjOBJ_TUPLE = 23
    mjOBJ_KEY = 24
    mjOBJ_PLUGIN = 25
    mjOBJ_FRAME = 100
    mjOBJ_DEFAULT = 101
    mjOBJ_MODEL = 102

class mjtSensor(IntEnum):
    mjSENS_TOUCH = 0
    mjSENS_ACCELEROMETER = 1
    mjSENS_VELOCIMETER = 2
    mjSENS_GYRO = 3
    mjSENS_FORCE = 4
    mjSENS_TORQUE = 5
    mjSENS_MAGNETOMETER = 6
    mjSENS_RANGEFINDER = 7
    mjSENS_CAMPROJECTION = 8
    mjSENS_JOINTPOS = 9
    mjSENS_JOINTVEL = 10
    mjSENS_TENDONPOS = 11
    mjSENS_TENDONVEL = 12
    mjSENS_ACTUATORPOS = 13
    mjSENS_ACTUATORVEL = 14
    mjSENS_ACTUATORFRC = 15
    mjSENS_JOINTACTFRC = 16
    mjSENS_TENDONACTFRC = 17
    mjSENS_BALLQUAT = 18
    mjSENS_BALLANGVEL = 19
    mjSENS_JOINTLIMITPOS = 20
    mjSENS_JOINTLIMITVEL = 21
    mjSENS_JOINTLIMITFRC = 22
    mjSENS_TENDONLIMITPOS = 23
    mjSENS_TENDONLIMITVEL = 24
    mjSENS_TENDONLIMITFRC = 25
    mjSENS_FRAMEPOS = 26
    mjSENS_FRAMEQUAT = 27
    mjSENS_FRAMEXAXIS = 28
    mjSENS_FRAMEYAXIS = 29
    mjSENS_FRAMEZAXIS = 30
    mjSENS_FRAMELINVEL = 31
    mjSENS_FRAMEANGVEL = 32
    mjSENS_FRAMELINACC = 33
    mjSENS_FRAMEANGACC = 34
    mjSENS_SUBTREECOM = 35
    mjSENS_SUBTREELINVEL = 36
    mjSENS_SUBTREEANGMOM = 37
    mjSENS_INSIDESITE = 38
    mjSENS_GEOMDIST = 39
    mjSENS_GEOMNORMAL = 40
    mjSENS_GEOMFROMTO = 41
    mjSENS_CONTACT = 42
    mjSENS_E_POTENTIAL = 43
    mjSENS_E_KINETIC = 44
    mjSENS_CLOCK = 45
    mjSENS_TACTILE = 46
    mjSENS_PLUGIN = 47
    mjSENS_USER = 48

class mjtSolver(IntEnum):
    mjSOL_PGS = 0
    mjSOL_CG = 1
    mjSOL_NEWTON = 2

class mjtStage(IntEnum):
    mjSTAGE_NONE = 0
    mjSTAGE_POS = 1
    mjSTAGE_VEL = 2
    mjSTAGE_ACC = 3

class mjtTrn(IntEnum):
    mjTRN_JOINT = 0
    mjTRN_JOINTINPARENT = 1
    mjTRN_SLIDERCRANK = 2
    mjTRN_TENDON = 3
    mjTRN_SITE = 4
    mjTRN_BODY = 5

class mjtWarning(IntEnum):
    mjWARN_INERTIA = 0
    mjWARN_CONTACTFULL = 1
    mjWARN_CNSTRFULL = 2
    mjWARN_BADQPOS = 3
    mjWARN_BADQVEL = 4
    mjWARN_BADQACC = 5
    mjWARN_BADCTRL = 6

class mjtWrap(IntEnum):
    mjWRAP_JOINT = 1

class MjsActuator:
    name: str
    target: str
    trntype: mjtTrn

class MjsCompiler:
    settotalmass: float
    degree: bool
    meshdir: str

class MjsGeom:
    name: str
    density: float
    mass: float
    type: mjtGeom
    size: NDArray[np.float64]
    friction: NDArray[np.float64]

class MjsJoint:
    name: str
    @property
    def range(self) -> NDArray[np.float64]: ...
    @range.setter
    def range(self, value: Sequence[float]) -> None: ...

class MjsDefault: ...

class MjsBody:
    name: str
    pos: NDArray[np.float64]
    quat: NDArray[np.float64]
    def add_body(self, default: MjsDefault | None = ..., *, name: str = ...) -> MjsBody: ...
    def add_joint(
        self,
        default: MjsDefault | None = ...,
        *,
        type: mjtJoint = ...,
        axis: Sequence[float] = ...,
    ) -> object: ...
    def add_geom(
        self,
        default: MjsDefault | None = ...,
        *,
        name: str = ...,
        type: mjtGeom = ...,
        pos: Sequence[float] = ...,
        size: Sequence[float] = ...,
        contype: int = ...,
        conaffinity: int = ...,
    ) -> MjsGeom: ...
    def add_camera(
        self,
        *,
        name: str = ...,
        pos: Sequence[float] = ...,
        quat: Sequence[float] = ...,
        mode: int = ...,
    ) -> object: ...
    def add_site(
        self,
        *,
        name: str = ...,
        pos: Sequence[float] = ...,
        size: Sequence[float] = ...,
        rgba: Sequence[float] = ...,
    ) -> object: ...

class MjOption:
    timestep: float
    integrator: int
    solver: int
    cone: int
    disableflags: int
    iterations: int
    gravity: NDArray[np.float64]

class MjSpec:
    compiler: MjsCompiler
    option: MjOption
    actuators: list[MjsActuator]
    geoms: list[MjsGeom]
    joints: list[MjsJoint]
    bodies: list[MjsBody]
    worldbody: MjsBody
    def __init__(self) -> None: ...
    @staticmethod
    def from_file(filename: str) -> MjSpec: ...
    @staticmethod
    def from_string(xml: str) -> MjSpec: ...
    def joint(self, name: str) -> MjsJoint: ...
    def add_sensor(
        self,
        *,
        name: str = ...,
        type: mjtSensor = ...,
        objtype: mjtObj = ...,
        objname: str = ...,
    ) -> object: ...
    def body(self, name: str) -> MjsBody | None: ...
    def camera(self, name: str) -> object: ...
    def delete(self, element: object) -> None: ...
    def geom(self, name: str) -> MjsGeom | None: ...
    def find_default(self, name: str) -> MjsDefault | None: ...
    def compile(self) -> MjModel: ...
    modelfiledir: str
    def to_xml(self) -> str: ...

class MjModel:
    opt: MjOption
    nq: int
    nv: int
    nu: int
    na: int
    nbody: int
    njnt: int
    ngeom: int
    nsite: int
    ncam: int
    nkey: int
    nsensor: int
    actuator_actadr: NDArray[np.int32]
    actuator_biasprm: NDArray[np.float64]
    actuator_biastype: NDArray[np.int32]
    actuator_ctrllimited: NDArray[np.uint8]
    actuator_ctrlrange: NDArray[np.float64]
    actuator_dyntype: NDArray[np.int32]
    actuator_forcelimited: NDArray[np.uint8]
    actuator_forcerange: NDArray[np.float64]
    actuator_gainprm: NDArray[np.float64]
    actuator_gaintype: NDArray[np.int32]
    actuator_gear: NDArray[np.float64]
    actuator_trnid: NDArray[np.int32]
    actuator_trntype: NDArray[np.int32]
    body_jntadr: NDArray[np.int32]
    body_jntnum: NDArray[np.int32]
    body_mass: NDArray[np.float64]
    body_parentid: NDArray[np.int32]
    body_rootid: NDArray[np.int32]
    body_subtreemass: NDArray[np.float64]
    body_treeid: NDArray[np.int32]
    body_weldid: NDArray[np.int32]
    dof_treeid: NDArray[np.int32]
    eq_type: NDArray[np.int32]
    geom_bodyid: NDArray[np.int32]
    geom_conaffinity: NDArray[np.int32]
    geom_contype: NDArray[np.int32]
    geom_rbound: NDArray[np.float64]
    body_mocapid: NDArray[np.int32]
    geom_size: NDArray[np.float64]
    geom_type: NDArray[np.int32]
    jnt_actfrclimited: NDArray[np.uint8]
    jnt_actfrcrange: NDArray[np.float64]
    jnt_bodyid: NDArray[np.int32]
    jnt_dofadr: NDArray[np.int32]
    jnt_limited: NDArray[np.uint8]
    jnt_qposadr: NDArray[np.int32]
    jnt_range: NDArray[np.float64]
    jnt_type: NDArray[np.int32]
    key_qpos: NDArray[np.float64]
    qpos0: NDArray[np.float64]
    sensor_adr: NDArray[np.int32]
    sensor_dim: NDArray[np.int32]
    sensor_intprm: NDArray[np.int32]
    sensor_needstage: NDArray[np.int32]
    sensor_objid: NDArray[np.int32]
    sensor_objtype: NDArray[np.int32]
    sensor_refid: NDArray[np.int32]
    sensor_reftype: NDArray[np.int32]
    sensor_type: NDArray[np.int32]
    site_bodyid: NDArray[np.int32]
    tendon_adr: NDArray[np.int32]
    tendon_num: NDArray[np.int32]
    tree_bodyadr: NDArray[np.int32]
    wrap_objid: NDArray[np.int32]
    wrap_type: NDArray[np.int32]
    stat: MjStatistic

class MjStatistic:
    center: NDArray[np.float64]
    extent: float

class MjvCamera:
    type: int
    fixedcamid: int
    trackbodyid: int
    lookat: NDArray[np.float64]
    distance: float
    azimuth: float
    elevation: float
    def __init__(self) -> None: ...

class MjWarningStat:
    lastinfo: int
    number: int

class MjData:
    time: float
    qpos: NDArray[np.float64]
    qvel: NDArray[np.float64]
    ctrl: NDArray[np.float64]
    actuator_force: NDArray[np.float64]
    actuator_length: NDArray[np.float64]
    geom_xmat: NDArray[np.float64]
    geom_xpos: NDArray[np.float64]
    moment_colind: NDArray[np.int32]
    xaxis: NDArray[np.float64]
    xmat: NDArray[np.float64]
    xpos: NDArray[np.float64]
    ncon: int
    nefc: int
    warning: Sequence[MjWarningStat]
    def __init__(self, model: MjModel) -> None: ...

class Renderer:
    def __init__(self, model: MjModel, height: int = ..., width: int = ...) -> None: ...
    def update_scene(self, data: MjData, camera: int | str | MjvCamera = ...) -> None: ...
    def render(self) -> NDArray[np.uint8]: ...
    def close(self) -> None: ...

def mj_name2id(m: MjModel, type: int, name: str) -> int: ...
def mj_id2name(m: MjModel, type: int, id: int) -> str | None: ...
def mj_geomDistance(
    m: MjModel,
    d: MjData,
    geom1: int,
    geom2: int,
    distmax: float,
    fromto: NDArray[np.float64] | None,
) -> float: ...
def mj_kinematics(m: MjModel, d: MjData) -> None: ...
def mj_forward(m: MjModel, d: MjData) -> None: ...
def mj_step(m: MjModel, d: MjData, nstep: int = ...) -> None: ...
def mj_fwdPosition(m: MjModel, d: MjData) -> None: ...
def mj_fwdVelocity(m: MjModel, d: MjData) -> None: ...
def mj_sensorPos(m: MjModel, d: MjData) -> None: ...
def mj_sensorVel(m: MjModel, d: MjData) -> None: ...
def mj_rnePostConstraint(m: MjModel, d: MjData) -> None: ...
def mj_copyData(dest: MjData, m: MjModel, src: MjData) -> None: ...
def mj_resetData(m: MjModel, d: MjData) -> None: ...
def mj_setConst(m: MjModel, d: MjData) -> None: ...
