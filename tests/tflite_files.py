"""Small TensorFlow Lite models, written by the schema that LiteRT brings."""

import numpy as np
import pytest

TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int8": 9}


def save_tagger(path, weights, layer, bias):
    """A sound of s samples: feature = `weights` x sound (tensor 2), logits = layer x feature + bias (tensor 5).

    `layer` (tensor 3, name `layer`) and `bias` (tensor 4, name `bias`) are numbers, or (whole numbers, scales, zero
    points, axis). The logits are made only of plain numbers; a quantised layer stands in the file for itself.
    """
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    dimension, samples = weights.shape
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description, model.buffers = 3, "tagger", [buffer(schema, None)]
    graph.tensors, plain = [], not isinstance(layer, tuple)
    add(schema, model, graph, "sound", (1, samples))
    add(schema, model, graph, "weights", weights.shape, weights.astype(np.float32))
    add(schema, model, graph, "feature", (1, dimension))
    for name, constant in (("layer", layer), ("bias", bias)):
        numbers, *quantisation = constant if isinstance(constant, tuple) else (constant.astype(np.float32),)
        add(schema, model, graph, name, numbers.shape, numbers, quantisation)
    graph.operators = [connected(schema, [0, 1, -1], 2)]
    if plain:
        add(schema, model, graph, "logits", (1, len(bias)))
        graph.operators.append(connected(schema, [2, 3, 4], 5))
    graph.inputs, graph.outputs = [0], [5 if plain else 2]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def buffer(schema, values):
    made = schema.BufferT()
    made.data = None if values is None else np.frombuffer(values.tobytes(), dtype=np.uint8)
    return made


def add(schema, model, graph, name, shape, values=None, quantisation=()):
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, list(shape)
    tensor.type = TYPES["float32" if values is None else values.dtype.name]
    tensor.buffer = 0
    if values is not None:
        model.buffers.append(buffer(schema, values))
        tensor.buffer = len(model.buffers) - 1
    if quantisation:
        made = schema.QuantizationParametersT()
        scales, zero_points, made.quantizedDimension = quantisation
        made.scale, made.zeroPoint = list(scales), list(zero_points)
        tensor.quantization = made
    graph.tensors.append(tensor)


def connected(schema, inputs, output):
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = 0, inputs, [output]
    made.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    made.builtinOptions = schema.FullyConnectedOptionsT()
    return made
