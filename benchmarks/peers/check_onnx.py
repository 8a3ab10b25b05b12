#!/usr/bin/env python3
"""Compares Octavo with ONNX Runtime and OpenVINO on ONNX models, on photos, and prints tables for docs/compatibility.md.

  check_onnx.py --runner build/benchmarks/onnx_runner --data DIR [--photos 100] MODEL.onnx ...

Each float MODEL (NCHW, three channels) is checked in three ways:
  import   Octavo's nn::Graph against ONNX Runtime on the model itself
  quantized  ONNX Runtime's own quantizer makes QDQ and QOperator models of it (weights per channel or not, signed and
           unsigned codes); Octavo's runtime::Program of each against ONNX Runtime, in steps of the output's grid
  export   what Octavo writes, float and int8, in ONNX Runtime and OpenVINO (float32 precision), at the logits
Needs: onnxruntime, onnx, openvino, numpy, pillow, sympy (the quantizer's shape inference).
"""
import argparse
import collections
import logging
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

try:
    import openvino
except ImportError:
    openvino = None

logging.disable(logging.WARNING)


class Photos(CalibrationDataReader):
    def __init__(self, name, images):
        self.items = iter([{name: images[i:i + 1]} for i in range(len(images))])

    def get_next(self):
        return next(self.items, None)


def load_photos(folder, count, size):
    """Sorted, evenly spaced, NCHW in [-1, 1]."""
    names = sorted(os.listdir(folder))
    names = names[::max(1, len(names) // count)][:count]
    images = []
    for name in names:
        photo = Image.open(os.path.join(folder, name)).convert("RGB").resize(size, Image.BILINEAR)
        images.append(np.asarray(photo).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1)
    return np.stack(images).astype(np.float32)


def run_onnxruntime(model, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: images[i:i + 1]})[0] for i in range(len(images))])


def run_openvino(path, images):
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(images[i:i + 1])[0] for i in range(len(images))])


def run_octavo(runner, how, model, images, folder, out):
    source = os.path.join(folder, "in.npy")
    np.save(source, np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    done = subprocess.run([runner, how, model, source, out], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout.strip()


def last_grid(path):
    """The scale of the grid that the output was on."""
    model = onnx.load(path)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    nodes = [n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] not in constants]
    return float(constants[nodes[-1].input[1]])


def compare(ours, theirs, scale):
    ours = ours.reshape(theirs.shape)
    steps = np.round(np.abs(ours - theirs) / scale).astype(int)
    counts = " ".join(f"{k}: {n}" for k, n in sorted(collections.Counter(steps.ravel().tolist()).items()))
    agree = int((ours.argmax(1) == theirs.argmax(1)).sum())
    return f"{agree}/{len(ours)} | {counts}"


def check(path, arguments, folder):
    shape = [d.dim_value for d in onnx.load(path, load_external_data=False).graph.input[0].type.tensor_type.shape.dim]
    images = load_photos(os.path.join(arguments.data, "deepweeds", "images"), arguments.photos, (shape[3], shape[2]))
    name = os.path.basename(path)
    out = os.path.join(folder, "out")

    layers = run_octavo(arguments.runner, "graph", path, images, folder, out + ".npy")
    ours, theirs = np.load(out + ".npy"), run_onnxruntime(path, images)
    difference = np.abs(ours.reshape(theirs.shape) - theirs).max()
    print(f"| {name} | import | float32 | {int((ours.argmax(1) == theirs.argmax(1)).sum())}/{len(ours)} | "
          f"largest difference {difference:.1e}, largest value {np.abs(theirs).max():.2g} |  <!-- {layers} -->", flush=True)

    prepared = os.path.join(folder, "prepared.onnx")
    quant_pre_process(path, prepared)
    input_name = onnx.load(prepared).graph.input[0].name
    variants = [("S8S8, per channel", QuantType.QInt8, QuantType.QInt8, True),
                ("U8S8, per channel", QuantType.QUInt8, QuantType.QInt8, True),
                ("U8U8", QuantType.QUInt8, QuantType.QUInt8, False)]
    for form in (QuantFormat.QDQ, QuantFormat.QOperator):
        for label, activations, weights, per_channel in variants:
            made = os.path.join(folder, "quantized.onnx")
            quantize_static(prepared, made, Photos(input_name, images[:10]), quant_format=form,
                            activation_type=activations, weight_type=weights, per_channel=per_channel)
            run_octavo(arguments.runner, "program", made, images, folder, out + ".npy")
            print(f"| {name} | {form.name} | {label} | "
                  f"{compare(np.load(out + '.npy'), run_onnxruntime(made, images), last_grid(made))} |", flush=True)

    run_octavo(arguments.runner, "export", path, images, folder, out)
    for kind in ("f32", "i8", "u8"):
        written = f"{out}_{kind}.onnx"
        onnx.checker.check_model(written, full_check=True)
        ours = np.load(out + ("_f32.npy" if kind == "f32" else "_i8.npy"))
        engines = [("ONNX Runtime", run_onnxruntime(written, images))]
        if openvino is not None:
            engines.append(("OpenVINO", run_openvino(written, images)))
        for engine, theirs in engines:
            if kind == "f32":
                agree = int((ours.argmax(1) == theirs.argmax(1)).sum())
                print(f"| {name} | written, in {engine} | float32 | {agree}/{len(ours)} | largest difference "
                      f"{np.abs(ours - theirs).max():.1e} |", flush=True)
            else:
                print(f"| {name} | written, in {engine} | {'int8' if kind == 'i8' else 'uint8'} activations | "
                      f"{compare(ours, theirs, last_grid(written))} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    arguments = parser.parse_args()
    versions = f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}"
    if openvino is not None:
        versions += f", openvino {openvino.__version__.split('-')[0]}"
    print(f"{versions}; {arguments.photos} photos\n\n| model | what | codes | same top-1 | steps: values |")
    print("|---|---|---|---|---|", flush=True)
    for path in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            check(path, arguments, folder)


if __name__ == "__main__":
    main()
