"""The same MobileNetV2 in Octavo and in the engines that people use, measured in turns within one run.

    peers.py --models FOLDER --octavo PROGRAM --photos FOLDER [--out peers.json]

FOLDER holds one network as Octavo wrote it: the model folders float/ and int8/, and float.onnx, int8.onnx, float.tflite,
int8.tflite. Each engine gets what suits it best: ONNX Runtime the exported int8 model and what its own quantizer makes
of the float one (QDQ and QOperator, per channel, unsigned activations); LiteRT the exported .tflite with XNNPACK;
OpenVINO the ONNX files with the LATENCY hint; ncnn what pnnx makes of the ONNX file, in float32 and int8. All rows of
one number of threads take turns, round by round, pinned to as many processors; a row's time is the median over the
rounds of the median of a round's runs, after a warm-up. An engine or a file that is not there is skipped with a line
that says so.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy


def photo_batch(folder, count):
    """The first photos that lie evenly in the folder, as NHWC float32 in [-1, 1]."""
    from PIL import Image

    files = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    chosen = [files[i * len(files) // count] for i in range(min(count, len(files)))]
    images = [numpy.asarray(Image.open(p).convert("RGB").resize((224, 224), Image.BILINEAR)) for p in chosen]
    return [image.astype(numpy.float32)[None] / 127.5 - 1 for image in images]


def timed(run, runs):
    """The median of `runs` runs in ms, after a fifth of them and five to warm up, as `octavo bench` does it."""
    warm = runs // 5 + 5
    times = []
    for _ in range(runs + warm):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[warm:])


class Octavo:
    name = "octavo"

    def __init__(self, program, folder, threads):
        self.command, self.folder, self.threads = program, str(folder), threads
        self.version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]

    def median_ms(self, runs):
        line = subprocess.run([self.command, "bench", self.folder, "--threads", str(self.threads), "--runs", str(runs), "--json"],
                              capture_output=True, text=True, check=True).stdout
        return json.loads(line)["median_ms"]

    def classes(self, images):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for i, image in enumerate(images):
                files.append(f"{folder}/{i:04}.npy")
                numpy.save(files[-1], image)
            text = subprocess.run([self.command, "run", self.folder, "--top", "1", "--numbers", *files],
                                  capture_output=True, text=True, check=True).stdout
        return [int(line.split()[0]) for line in text.splitlines() if line.startswith(" ")]


class InProcess:
    """An engine in this process: subclasses set self.run, which reads self.image, and convert outputs to scores."""

    def median_ms(self, runs):
        return timed(self.run, runs)

    def classes(self, images):
        found = []
        for image in images:
            self.give(image)
            found.append(int(numpy.argmax(self.run())))
        return found


class OnnxRuntime(InProcess):
    name = "onnxruntime"

    def __init__(self, path, threads):
        import onnxruntime

        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        entry = self.session.get_inputs()[0]
        self.input, self.channels_first = entry.name, entry.shape[1] == 3
        self.give(numpy.zeros((1, 224, 224, 3), numpy.float32))

    def give(self, image):
        self.feed = {self.input: numpy.ascontiguousarray(image.transpose(0, 3, 1, 2)) if self.channels_first else image}

    def run(self):
        return self.session.run(None, self.feed)[0]


class LiteRt(InProcess):
    name = "litert"

    def __init__(self, path, threads):
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter

        self.version = getattr(ai_edge_litert, "__version__", "") or version_of("ai-edge-litert")
        self.interpreter = Interpreter(str(path), num_threads=threads)  # XNNPACK is the default delegate
        self.interpreter.allocate_tensors()
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        self.give(numpy.zeros((1, 224, 224, 3), numpy.float32))

    def give(self, image):
        if self.input["dtype"] != numpy.float32:
            scale, zero = self.input["quantization"]
            limits = numpy.iinfo(self.input["dtype"])
            image = numpy.clip(numpy.round(image / scale) + zero, limits.min, limits.max).astype(self.input["dtype"])
        self.interpreter.set_tensor(self.input["index"], image)

    def run(self):
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output["index"])


class OpenVino(InProcess):
    name = "openvino"

    def __init__(self, path, threads):
        import openvino

        self.version = openvino.__version__.split("-")[0]
        core = openvino.Core()
        model = core.read_model(str(path))
        shape = [int(extent) for extent in model.inputs[0].partial_shape.get_min_shape()]
        self.channels_first = shape[1] == 3
        model.reshape([1, 3, 224, 224] if self.channels_first else [1, 224, 224, 3])
        # float32 stays float32: nothing is lost behind our back.
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        self.give(numpy.zeros((1, 224, 224, 3), numpy.float32))

    def give(self, image):
        import openvino

        layout = numpy.ascontiguousarray(image.transpose(0, 3, 1, 2)) if self.channels_first else image
        self.request.set_input_tensor(openvino.Tensor(layout))

    def run(self):
        self.request.infer()
        return self.request.get_output_tensor(0).data


class Ncnn(InProcess):
    name = "ncnn"

    def __init__(self, stem, threads):
        import ncnn

        self.version, self.ncnn = ncnn.__version__, ncnn
        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.load_param(f"{stem}.param")
        self.net.load_model(f"{stem}.bin")
        self.give(numpy.zeros((1, 224, 224, 3), numpy.float32))

    def give(self, image):
        self.array = numpy.ascontiguousarray(image[0].transpose(2, 0, 1))  # a Mat does not own what it shows
        self.image = self.ncnn.Mat(self.array)

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("in0", self.image)
        return numpy.array(extractor.extract("out0")[1])


def version_of(package):
    from importlib.metadata import version

    return version(package)


def quantized_by_onnxruntime(models, photos):
    """What ONNX Runtime's quantizer makes of float.onnx, calibrated on the photos: label -> path."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = models / "ort_float.onnx"
    quant_pre_process(str(models / "float.onnx"), str(prepared), skip_symbolic_shape=True)
    probe = OnnxRuntime(prepared, 1)

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.images = iter(photos)

        def get_next(self):
            image = next(self.images, None)
            if image is None:
                return None
            probe.give(image)
            return probe.feed

    made = {}
    for label, form in (("QDQ", QuantFormat.QDQ), ("QOperator", QuantFormat.QOperator)):
        path = models / f"ort_{label.lower()}.onnx"
        quantize_static(str(prepared), str(path), Reader(), quant_format=form, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        made[f"own quantizer, {label}, u8s8 per channel"] = path
    return made


def ncnn_rows(models, photos):
    """ncnn's float model, and the int8 form of it, calibrated on the photos."""
    rows = [("ncnn", "float.ncnn", "float32", "by pnnx", lambda t: Ncnn(models / "float.ncnn", t))]
    try:
        import ncnn
        from ncnn_int8 import quantize_ncnn

        quantize_ncnn(ncnn, models / "float.ncnn", models / "int8.ncnn", [photo[0].transpose(2, 0, 1) for photo in photos])
        rows.append(("ncnn", "int8.ncnn", "int8", "by pnnx, largest values", lambda t: Ncnn(models / "int8.ncnn", t)))
    except (ImportError, ValueError) as problem:
        print(f"peers: ncnn's int8 model: {problem}")
    return rows


def contestants(arguments, photos):
    """(engine, model, precision, settings, function from a number of threads to an engine)."""
    models = pathlib.Path(arguments.models)
    rows = []
    for precision in ("float32", "int8"):
        name = "float" if precision == "float32" else "int8"
        rows.append(("octavo", name, precision, "", lambda threads, f=models / name: Octavo(arguments.octavo, f, threads)))
        onnx, tflite = models / f"{name}.onnx", models / f"{name}.tflite"
        if onnx.exists():
            rows.append(("onnxruntime", onnx.name, precision, "exported by Octavo", lambda t, f=onnx: OnnxRuntime(f, t)))
            rows.append(("openvino", onnx.name, precision, "exported by Octavo, LATENCY", lambda t, f=onnx: OpenVino(f, t)))
        else:
            print(f"peers: no {onnx}; ONNX Runtime and OpenVINO go without it")
        if tflite.exists():
            rows.append(("litert", tflite.name, precision, "exported by Octavo, XNNPACK", lambda t, f=tflite: LiteRt(f, t)))
        else:
            print(f"peers: no {tflite}; LiteRT goes without it")
    for extra in arguments.tflite:
        rows.append(("litert", pathlib.Path(extra).name, "int8", "XNNPACK", lambda t, f=extra: LiteRt(f, t)))
    if (models / "float.onnx").exists():
        try:
            for label, path in quantized_by_onnxruntime(models, photos[:50]).items():
                rows.append(("onnxruntime", path.name, "int8", label, lambda t, f=path: OnnxRuntime(f, t)))
                rows.append(("openvino", path.name, "int8", label + ", LATENCY", lambda t, f=path: OpenVino(f, t)))
        except ImportError as missing:
            print(f"peers: ONNX Runtime's quantizer is not there ({missing})")
    if (models / "float.ncnn.param").exists():
        rows += ncnn_rows(models, photos[:50])
    else:
        print(f"peers: no {models / 'float.ncnn.param'} (pnnx makes it of float.onnx); ncnn goes without it")
    return rows


def measure(arguments, photos):
    rows = []
    made = contestants(arguments, photos)  # once: the other quantizer's models are the same for each number of threads
    for threads in arguments.threads:
        processors = sorted(os.sched_getaffinity(0))[:threads]
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, processors)
        engines = []
        for engine, model, precision, settings, make in made:
            try:
                engines.append(((engine, model, precision, settings), make(threads), []))
            except Exception as problem:  # another engine's own errors: of any type
                print(f"peers: {engine} {model}: skipped: {str(problem).splitlines()[0] if str(problem) else type(problem)}")
        for turn in range(arguments.rounds):
            for _, engine, times in engines:
                times.append(engine.median_ms(arguments.runs))
            print(f"peers: {threads} threads, round {turn + 1} of {arguments.rounds}", file=sys.stderr)
        truth = engines[0][1].classes(photos)  # Octavo's float model
        for (engine, model, precision, settings), running, times in engines:
            agreement = statistics.fmean(a == b for a, b in zip(running.classes(photos), truth))
            rows.append({"engine": engine, "version": running.version, "settings": settings, "model": model,
                         "precision": precision, "threads": threads, "median_ms": statistics.median(times),
                         "runs": arguments.rounds * arguments.runs, "top1_agreement": agreement})
        os.sched_setaffinity(0, before)
    return rows


def processor():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    parser.add_argument("--models", required=True)
    parser.add_argument("--octavo", required=True, help="the program octavo")
    parser.add_argument("--photos", required=True, help="for agreement, and for the peers' own calibration")
    parser.add_argument("--tflite", nargs="*", default=[], help="further .tflite models for LiteRT")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count()}))
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--runs", type=int, default=50, help="of each round")
    parser.add_argument("--images", type=int, default=100, help="photos for agreement")
    parser.add_argument("--out", default="peers.json")
    arguments = parser.parse_args()
    photos = photo_batch(arguments.photos, arguments.images)
    rows = measure(arguments, photos)
    for threads in arguments.threads:
        for precision in ("int8", "float32"):
            group = [row for row in rows if row["threads"] == threads and row["precision"] == precision]
            ours = next(row["median_ms"] for row in group if row["engine"] == "octavo")
            print(f"\n{precision}, {threads} thread{'s' if threads > 1 else ''}, batch 1, median of {group[0]['runs']} runs, n = {len(photos)}")
            for row in sorted(group, key=lambda row: row["median_ms"]):
                print(f"  {row['engine']:12} {row['version']:12} {row['median_ms']:8.3f} ms  {row['median_ms'] / ours:5.2f} x Octavo"
                      f"  top-1 as Octavo's float {100 * row['top1_agreement']:5.1f} %  {row['model']} {row['settings']}")
    machine = {"cpu": processor(), "processors": os.cpu_count(), "system": platform.platform()}
    pathlib.Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(arguments.out).write_text(json.dumps({"machine": machine, "images": len(photos), "rows": rows}, indent=1) + "\n",
                                           encoding="utf-8")


if __name__ == "__main__":
    main()
