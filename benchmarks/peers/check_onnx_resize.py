#!/usr/bin/env python3
"""Compares Octavo with ONNX Runtime on ONNX' Resize: random sizes, scales and attributes, and what Octavo writes again.

  check_onnx_resize.py --runner build/benchmarks/onnx_runner [--count 300]

Prints how many nodes of each mode were imported and refused, the largest differences of import and export in float32,
and in int8, as Octavo writes it after calibration, the values by their steps. A nearest one that differs is printed:
engines compute positions in float32, and next to a tie each in its own way.
Needs: onnxruntime, onnx, numpy.
"""
import argparse
import collections
import os
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def random_model(random):
    channels, height, width = (int(v) for v in random.integers(1, 12, 3))
    mode = str(random.choice(["nearest", "linear"]))
    attributes = {"mode": mode, "coordinate_transformation_mode": str(random.choice(COORDINATES))}
    if mode == "nearest":
        attributes["nearest_mode"] = str(random.choice(ROUNDINGS))
    if random.random() < 0.5:
        pixels = [int(v) for v in random.integers(1, 30, 2)]
        constant = helper.make_tensor("size", TensorProto.INT64, [4], [1, channels] + pixels)
        inputs = ["x", "", "", "size"]
    else:
        scale = [float(random.choice([0.5, 1.0, 1.5, 2.0, 3.0, 4.0])) for _ in range(2)]
        pixels = [max(1, int(height * scale[0])), max(1, int(width * scale[1]))]
        if min(height * scale[0], width * scale[1]) < 1:
            scale, pixels = [1.0, 1.0], [height, width]
        constant = helper.make_tensor("size", TensorProto.FLOAT, [4], [1.0, 1.0] + scale)
        inputs = ["x", "", "size"]
    node = helper.make_node("Resize", inputs, ["y"], **attributes)
    graph = helper.make_graph([node], "resize",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, height, width])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", channels] + pixels)],
                              [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model, attributes, (1, channels, height, width)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", required=True)
    parser.add_argument("--count", type=int, default=300)
    arguments = parser.parse_args()
    random = np.random.default_rng(1)
    counts, refused, worst = collections.Counter(), collections.Counter(), collections.defaultdict(float)
    steps = collections.defaultdict(collections.Counter)

    def run(model, image):
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return np.concatenate([session.run(None, {"x": image[i:i + 1]})[0] for i in range(len(image))])

    with tempfile.TemporaryDirectory() as folder:
        path, source, out = (os.path.join(folder, name) for name in ("model.onnx", "in.npy", "out"))
        for _ in range(arguments.count):
            model, attributes, shape = random_model(random)
            mode = attributes["mode"]
            onnx.save(model, path)
            image = random.uniform(-1, 1, (10,) + shape[1:]).astype(np.float32)
            np.save(source, np.ascontiguousarray(image.transpose(0, 2, 3, 1)))
            done = subprocess.run([arguments.runner, "export", path, source, out], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                assert "the runtime has no resize" in done.stderr, done.stderr
                refused[mode] += 1
                continue
            counts[mode] += 1
            subprocess.run([arguments.runner, "program", path, source, out + ".npy"], check=True)
            results = {kind: np.load(out + name) for kind, name in (("import", ".npy"), ("f32", "_f32.npy"), ("i8", "_i8.npy"))}
            for kind, ours in results.items():
                written = path if kind == "import" else f"{out}_{kind}.onnx"
                theirs = run(written, image).transpose(0, 2, 3, 1)
                difference = np.abs(ours.reshape(theirs.shape) - theirs)
                if kind == "i8":
                    grid = next(n for n in onnx.load(written).graph.node if n.op_type == "DequantizeLinear").input[1]
                    values = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(written).graph.initializer}
                    steps[mode].update(np.round(difference / float(values[grid])).astype(int).ravel().tolist())
                    continue
                worst[mode, kind] = max(worst[mode, kind], float(difference.max()))
                if mode == "nearest" and difference.max() > 0:
                    print("other pixels:", kind, attributes, shape, theirs.shape)
    for mode in ("nearest", "linear"):
        print(f"{mode}: {counts[mode]} imported, {refused[mode]} refused, largest difference import "
              f"{worst[mode, 'import']:.1e}, written {worst[mode, 'f32']:.1e}; int8 steps {dict(steps[mode])}")


if __name__ == "__main__":
    main()
