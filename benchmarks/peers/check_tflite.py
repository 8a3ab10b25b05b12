#!/usr/bin/env python3
"""Compares Octavo with LiteRT on .tflite models, tensor by tensor, on photos.

  check_tflite.py --runner build/benchmarks/tflite_runner --data DIR [--photos 100] [--mode tflite_double] MODEL...

--mode tflite_double: LiteRT's reference kernels (BUILTIN_REF), every byte of every tensor must be equal.
--mode nearest_even_f32: LiteRT with XNNPACK; prints the largest step of each tensor that both have, and how often the
most likely class is the same.
--mode tflite_micro: TFLite Micro's interpreter, every byte of the outputs.
--mode layers: each operator alone, nearest_even_f32 against LiteRT with XNNPACK, at most one step.
Needs: ai-edge-litert, numpy, pillow, for TFLite Micro tflite-micro. Photos: DIR/deepweeds/images, sorted, every 45th.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from ai_edge_litert import interpreter as litert


def photos(folder, count):
    names = sorted(os.listdir(folder))
    step = max(1, len(names) // count)
    return [os.path.join(folder, name) for name in names[::step][:count]]


def prepare(path, detail, seed):
    """A photo as the model's input; inputs that are no RGB image get seeded noise."""
    shape = [int(v) for v in detail["shape"]]
    dtype = detail["dtype"]
    channels_first = len(shape) == 4 and shape[1] == 3
    if len(shape) != 4 or not (shape[3] == 3 or channels_first):
        noise = np.random.default_rng(seed)
        if dtype == np.float32:
            return noise.uniform(-1, 1, shape).astype(np.float32)
        low = np.iinfo(dtype).min
        return (noise.integers(0, 256, shape) + low).astype(dtype)
    height, width = (shape[2], shape[3]) if channels_first else (shape[1], shape[2])
    pixels = np.asarray(Image.open(path).convert("RGB").resize((width, height), Image.BILINEAR))
    if channels_first:
        pixels = pixels.transpose(2, 0, 1)
    if dtype == np.float32:
        return (pixels.astype(np.float32) / 127.5 - 1).reshape(shape).astype(np.float32)
    if dtype == np.int8:
        return (pixels.astype(np.int16) - 128).astype(np.int8).reshape(shape)
    return pixels.astype(np.uint8).reshape(shape)


def prepare_all(paths, details):
    return [[prepare(path, detail, 1000 * k + i) for k, detail in enumerate(details)] for i, path in enumerate(paths)]


def make_interpreter(model, reference):
    kind = litert.OpResolverType.BUILTIN_REF if reference else litert.OpResolverType.BUILTIN
    made = litert.Interpreter(model_path=model, experimental_op_resolver_type=kind, num_threads=1,
                              experimental_preserve_all_tensors=True)
    made.allocate_tensors()
    return made


def run_octavo(runner, model, mode, inputs):
    """The names, types and values of all activations, image by image."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
        with open(source, "wb") as file:
            for image in inputs:
                for array in image:
                    file.write(array.tobytes())
        subprocess.run([runner, model, mode, source, target], check=True)
        tensors = []
        offset = 0
        for line in open(target + ".txt"):
            name, dtype, size = line.rstrip("\n").split("\t")
            dtype = np.dtype({"float32": "float32", "int8": "int8", "uint8": "uint8"}[dtype])
            tensors.append((name, dtype, int(size), offset))
            offset += int(size) * dtype.itemsize
        data = np.fromfile(target, np.uint8)
        for i in range(len(inputs)):
            block = data[i * offset:(i + 1) * offset]
            yield {name: block[at:at + size * dtype.itemsize].view(dtype) for name, dtype, size, at in tensors}


def compare(runner, model, mode, count, data):
    reference = mode != "nearest_even_f32"
    theirs = make_interpreter(model, reference)
    details = theirs.get_input_details()
    output = theirs.get_output_details()[0]
    paths = photos(os.path.join(data, "deepweeds", "images"), count)
    inputs = prepare_all(paths, details)
    by_name = {t["name"]: t for t in theirs.get_tensor_details() if t["name"]}
    different, compared, worst, same_top = {}, set(), {}, 0
    for image, ours in zip(inputs, run_octavo(runner, model, mode, inputs)):
        for detail, array in zip(details, image):
            theirs.set_tensor(detail["index"], array)
        theirs.invoke()
        for name, values in ours.items():
            plain = name[:-5] if name.endswith("/int8") and name not in by_name else name
            if plain not in by_name:
                continue
            try:
                expected = theirs.get_tensor(by_name[plain]["index"]).reshape(-1)
            except ValueError:  # a delegate keeps it to itself
                continue
            if expected.size != values.size:
                continue
            if expected.dtype == np.uint8 and values.dtype == np.int8:
                expected = (expected.astype(np.int16) - 128).astype(np.int8)
            compared.add(name)
            if values.dtype == np.float32:
                scale = max(1e-6, float(np.abs(expected).max()))
                worst[name] = max(worst.get(name, 0), float(np.abs(values - expected).max()) / scale)
                continue
            step = np.abs(values.astype(np.int32) - expected.astype(np.int32))
            worst[name] = max(worst.get(name, 0), int(step.max()))
            if step.any():
                different[name] = different.get(name, 0) + int((step > 0).sum())
        result = theirs.get_tensor(output["index"]).reshape(-1)
        mine = ours[output["name"]]
        same_top += int(np.argmax(result) == np.argmax(mine))
    name = os.path.basename(model)
    print(f"{name}: {len(inputs)} images, {len(compared)} tensors compared, {len(different)} differ, "
          f"largest difference {max(worst.values()):.3g}, same best class {same_top}/{len(inputs)}")
    order = list(ours)
    for tensor in sorted(different, key=order.index)[:8]:
        print(f"    {tensor}: {different[tensor]} values differ, by at most {worst[tensor]}")
    return not different or not reference


def compare_micro(runner, model, count, data):
    """Outputs only: TFLite Micro keeps no other tensor."""
    from tflite_micro.python.tflite_micro import runtime as micro
    theirs = micro.Interpreter.from_file(model, arena_size=40 << 20)
    details = make_interpreter(model, True).get_input_details()
    names = [d["name"] for d in make_interpreter(model, True).get_output_details()]
    paths = photos(os.path.join(data, "deepweeds", "images"), count)
    inputs = prepare_all(paths, details)
    worst, wrong = 0.0, 0
    for image, ours in zip(inputs, run_octavo(runner, model, "tflite_micro", inputs)):
        for k, array in enumerate(image):
            theirs.set_input(array, k)
        theirs.invoke()
        for i, name in enumerate(names):
            expected = theirs.get_output(i).reshape(-1)
            distance = np.abs(expected.astype(np.float64) - ours[name].astype(np.float64))
            worst = max(worst, float(distance.max()))
            wrong += int((distance > 0).sum())
    print(f"{os.path.basename(model)}: {len(inputs)} images, TFLite Micro, {wrong} output values differ, "
          f"by at most {worst:.3g}")
    return wrong == 0 or details[0]["dtype"] == np.float32


def compare_layers(runner, model, count, data):
    """Each operator as a model of its own, on our inputs of it: LiteRT with XNNPACK against nearest_even_f32."""
    details = make_interpreter(model, True).get_input_details()
    paths = photos(os.path.join(data, "deepweeds", "images"), count)
    inputs = prepare_all(paths, details)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([runner, model, "split", folder], check=True)
        layers = []
        for i in range(len(os.listdir(folder))):
            path = os.path.join(folder, f"{i}.tflite")
            single = litert.Interpreter(model_path=path, num_threads=1)
            single.allocate_tensors()
            layers.append(single)
        steps, differing, total = {}, 0, 0
        for ours in run_octavo(runner, model, "nearest_even_f32", inputs):
            for i, single in enumerate(layers):
                for d in single.get_input_details():
                    single.set_tensor(d["index"], ours[d["name"]].reshape(d["shape"]))
                single.invoke()
                d = single.get_output_details()[0]
                expected = single.get_tensor(d["index"]).reshape(-1)
                if expected.dtype == np.float32:
                    continue
                step = np.abs(expected.astype(np.int32) - ours[d["name"]].astype(np.int32))
                steps[i] = max(steps.get(i, 0), int(step.max()))
                differing += int((step > 0).sum())
                total += step.size
    worst = max(steps.values())
    above = [i for i, v in steps.items() if v > 1]
    print(f"{os.path.basename(model)}: {len(inputs)} images, {len(steps)} layers alone, LiteRT with XNNPACK, largest step "
          f"{worst}, {differing} of {total} values differ, layers above 1 step: {above or 'none'}")
    return worst <= 1


def golden(models):
    """Prints, for tests/golden/tflite_models_test.cpp, a 64-bit FNV-1a hash of what LiteRT's reference kernels give."""
    for model in models:
        theirs = make_interpreter(model, True)
        detail = theirs.get_input_details()[0]
        size = int(np.prod(detail["shape"]))
        state, value = 1, 0xCBF29CE484222325
        images = 1 if size > 100000 else 4
        for _ in range(images):
            codes = np.empty(size, np.uint8)
            for i in range(size):
                state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
                codes[i] = state >> 24
            theirs.set_tensor(detail["index"], codes.view(detail["dtype"]).reshape(detail["shape"]))
            theirs.invoke()
            for op in theirs._get_ops_details():
                if op["op_name"] == "QUANTIZE":
                    continue
                out = theirs.get_tensor(op["outputs"][0]).reshape(-1)
                data = out.view(np.uint8) ^ (0 if out.dtype == np.int8 else 0x80)
                for byte in data.tobytes():
                    value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        print(f'{{"{os.path.basename(model)}", {images}, 0x{value:016X}ULL}},')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", help="the program tflite_runner of benchmarks/")
    parser.add_argument("--data", help="the folder with deepweeds/")
    parser.add_argument("--golden", action="store_true", help="print hashes of LiteRT's tensors and stop")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--mode", default="tflite_double", choices=["tflite_double", "nearest_even_f32", "tflite_micro", "layers"])
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    if options.golden:
        return golden(options.models)
    equal = []
    for model in options.models:
        if options.mode == "tflite_micro":
            equal.append(compare_micro(options.runner, model, options.photos, options.data))
        elif options.mode == "layers":
            equal.append(compare_layers(options.runner, model, options.photos, options.data))
        else:
            equal.append(compare(options.runner, model, options.mode, options.photos, options.data))
    sys.exit(0 if all(equal) else 1)


if __name__ == "__main__":
    main()
