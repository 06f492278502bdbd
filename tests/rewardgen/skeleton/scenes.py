"""Scenes that new tasks are written for in tests, and the smallest way to one."""

from __future__ import annotations

from pathlib import Path

from rewardgen.skeleton.robot import Robot, read_robot

ROOT = Path(__file__).parents[3]
GO1 = ROOT / "docs" / "examples" / "go1" / "go1.xml"
ARM = Path(__file__).with_name("arm.xml")

# names that are no identifiers, words of Python's, and names that differ in their case only
ODD_NAMES = """
<mujoco model="odd">
  <worldbody>
    <geom name="floor" type="plane" size="5 5 0.1" pos="0 0 0.5"/>
    <body name="Käfer &quot;A&quot;" pos="0 0 1"><freejoint/><geom size="0.2" mass="2"/>
      <body name="1. leg" pos="0.3 0 0"><joint name="1. knee" range="-1 1" limited="true"/>
        <geom name="1\\" size="0.1" mass="1" pos="0.2 0 0"/><site name="in"/></body>
      <body name="2. leg" pos="-0.3 0 0"><joint name="Knee" range="-1 1" limited="true"/>
        <geom name="2 &quot;tip&quot;" size="0.1" mass="1" pos="-0.2 0 0"/><site name="IN"/>
        <body name="toe" pos="-0.3 0 0"><joint name="knee" type="ball" damping="0.1"/>
          <geom size="0.05" mass="0.5"/></body></body></body>
  </worldbody>
  <actuator><motor name="1.&quot;" joint="1. knee" ctrlrange="-1 1"/>
    <motor joint="Knee" ctrlrange="-2 1" gear="-3"/></actuator>
  <sensor><gyro name="lambda" site="in"/><gyro name="state" site="IN"/>
    <gyro name="last_action" site="in"/><jointpos name="__x" joint="Knee"/></sensor>
</mujoco>
"""

NO_NAMES = """
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 0.1"/>
    <body pos="0 0 1"><freejoint/><geom size="0.2"/><site name="a"/>
      <body pos="0.3 0 0"><joint name="only" damping="1"/><geom size="0.1" pos="0.2 0 0"/><site/>
      </body></body>
    <body pos="1 0 1"><joint type="slide" damping="1" range="-1 1" limited="true"/>
      <joint type="ball" damping="1"/><geom size="0.1"/></body>
  </worldbody>
  <actuator><position joint="only" kp="20" dampratio="1" ctrlrange="-2 2"/></actuator>
  <sensor><accelerometer site="a"/><gyro site="a"/><clock/></sensor>
</mujoco>
"""

# contacts that only a sensor of the acceleration stage sees, one thing that never moves, a muscle
TOUCHING = """
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 0.1"/>
    <site name="wall" pos="0 0 2"/>
    <body name="hand" pos="0 0 0.3"><joint name="lift" type="slide" axis="0 0 1" damping="5"/>
      <geom size="0.1" mass="1"/><site name="palm" size="0.2"/></body>
    <body name="arm" pos="1 0 1"><joint name="elbow" damping="0.2" stiffness="1"/>
      <geom type="capsule" fromto="0 0 0 0.4 0 0" size="0.05" mass="0.5"/></body>
  </worldbody>
  <actuator><motor name="lift" joint="lift" ctrlrange="0 20"/>
    <muscle name="biceps" joint="elbow" ctrlrange="0 1" force="5" lengthrange="-1 1"/></actuator>
  <sensor><touch name="palm" site="palm"/><framepos name="wall" objtype="site" objname="wall"/>
    <actuatorfrc name="pull" actuator="biceps"/></sensor>
</mujoco>
"""

# at a step of 0.01 s the spring is too stiff for the integrator that all tasks share
STIFF = """
<mujoco>
  <option timestep="0.01" gravity="0 0 0"/>
  <worldbody>
    <body name="cart"><joint name="slide" type="slide" axis="1 0 0" stiffness="1e5"/>
      <geom size="0.1" mass="1"/></body>
  </worldbody>
  <actuator><motor joint="slide" ctrlrange="-100 100"/></actuator>
</mujoco>
"""


def robot(text: str, folder: Path) -> Robot:
    """Compile a scene that is written to a folder."""
    path = folder / "robot.xml"
    path.write_text(text, encoding="utf-8")
    return read_robot(path)
