"""A graph as data, and the activations in operators of ONNX.

Only `onnx_parts`, which converts it, needs the onnx package.

The graph uses operators of opset 17 that onnxruntime has in float32 and float64 (except
Erf, for which 'gelu' casts to float32). onnxruntime has no Elu or Softplus in float64,
so these are composed.
"""

import numpy as np

# Of 2022; onnxruntime reads them since 1.12.
OPSET, IR_VERSION = 17, 8
# Operators of other domains, and the version of the domain.
DOMAINS = dict.fromkeys(("LabelEncoder", "TreeEnsembleRegressor"), "ai.onnx.ml")
ML_OPSET = 3


class Graph:
    """Nodes and constants, in the order of computation.

    Parameters
    ----------
    dtype : dtype
        Of the network's computation, float32 or float64.
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.scope = ""  # begins the names of nodes and constants
        self.inputs = []  # (name, dtype, number of columns)
        self.nodes = []  # (operator, input names, output name, attributes)
        self.constants = {}  # name -> ndarray

    def add(self, operator, *inputs, output=None, **attributes):
        """Add a node; return the name of its output."""
        output = output or f"{self.scope}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append((operator, inputs, output, attributes))
        return output

    def constant(self, name, array):
        """Add a constant; return its name."""
        name = self.scope + name
        self.constants[name] = array
        return name

    def number(self, value):
        """Add a number in the dtype of the network; return its name."""
        return self.constant(f"number_{value:g}", np.array(value, dtype=self.dtype))


def identity(graph, z):
    """z."""
    return z


def logistic(graph, z):
    """1 / (1 + exp(-z))."""
    return graph.add("Sigmoid", z)


def tanh(graph, z):
    """The hyperbolic tangent."""
    return graph.add("Tanh", z)


def relu(graph, z):
    """max(z, 0)."""
    return graph.add("Relu", z)


def gelu(graph, z):
    """z (1 + erf(z / sqrt 2)) / 2; onnxruntime has Erf only in float32."""
    scaled = graph.add("Mul", z, graph.number(np.sqrt(0.5)))
    erf = graph.add("Erf", graph.add("Cast", scaled, to=np.float32))
    erf = graph.add("CastLike", erf, z)
    half = graph.add("Mul", z, graph.number(0.5))
    return graph.add("Mul", half, graph.add("Add", erf, graph.number(1.0)))


def silu(graph, z):
    """z / (1 + exp(-z))."""
    return graph.add("Mul", z, graph.add("Sigmoid", z))


def leaky_relu(graph, z):
    """max(z, 0.01 z); the operator LeakyRelu has 0.01 only in float32."""
    return graph.add("Max", z, graph.add("Mul", z, graph.number(0.01)))


def softplus(graph, z):
    """log(1 + exp(z)) as max(z, 0) + log(1 + exp(-|z|)), which cannot overflow."""
    exp = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    log = graph.add("Log", graph.add("Add", exp, graph.number(1.0)))
    return graph.add("Add", graph.add("Relu", z), log)


def elu(graph, z):
    """max(z, 0) + exp(min(z, 0)) - 1."""
    exp = graph.add("Exp", graph.add("Min", z, graph.number(0.0)))
    return graph.add("Add", graph.add("Relu", z), graph.add("Sub", exp, graph.number(1.0)))


ACTIVATIONS = {
    "identity": identity,
    "logistic": logistic,
    "tanh": tanh,
    "relu": relu,
    "gelu": gelu,
    "silu": silu,
    "leaky_relu": leaky_relu,
    "softplus": softplus,
    "elu": elu,
}


def onnx_parts(graph):
    """Return the nodes and the constants of a Graph as objects of onnx."""
    from onnx import helper, numpy_helper

    def node_of(operator, inputs, output, attributes):
        if operator == "Cast":
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(attributes["to"]))
            attributes = {"to": kind}
        domain = DOMAINS.get(operator)
        return helper.make_node(operator, inputs, [output], domain=domain, **attributes)

    constants = graph.constants.items()
    return (
        [node_of(*node) for node in graph.nodes],
        [numpy_helper.from_array(array, name) for name, array in constants],
    )
