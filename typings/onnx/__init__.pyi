"""The ONNX names that this project uses; ONNX's own types are partly unknown."""

from onnx import checker as checker

class NodeProto:
    def ClearField(self, field_name: str) -> None: ...

class GraphProto:
    name: str
    node: list[NodeProto]
    value_info: list[NodeProto]
    input: list[NodeProto]
    output: list[NodeProto]
    initializer: list[NodeProto]
    def ClearField(self, field_name: str) -> None: ...

class ModelProto:
    producer_name: str
    graph: GraphProto
    def ClearField(self, field_name: str) -> None: ...

def save(proto: ModelProto, f: str) -> None: ...
def load(f: str) -> ModelProto: ...
