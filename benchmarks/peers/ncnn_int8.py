"""Makes ncnn's int8 form of a float network; ncnn's own tools for it, ncnn2table and ncnn2int8, are in no package.

    quantize_ncnn(ncnn, "float.ncnn", "int8.ncnn", images)

One scale a channel for weights, one a tensor for activations, symmetric, both 127 over the largest absolute value (of
`images`, for activations). A convolution whose result only convolutions read hands int8 codes on, without a float
tensor between. Formats: ncnn's wiki, "param and model file structure"; int8 weights have the tag 0x000D4B38.
"""

import struct

import numpy

FLOAT_TAG, INT8_TAG = 0, 0x000D4B38
WEIGHTED = {"Convolution": ("6", "0", "5"), "ConvolutionDepthWise": ("6", "0", "5"), "InnerProduct": ("2", "0", "1")}


class Layer:
    """One line of a .param file."""

    def __init__(self, line):
        words = line.split()
        self.type, self.name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
        self.inputs, self.outputs = words[4:4 + inputs], words[4 + inputs:4 + inputs + outputs]
        self.settings = dict(word.split("=", 1) for word in words[4 + inputs + outputs:])

    def line(self):
        settings = " ".join(f"{key}={value}" for key, value in self.settings.items())
        return (f"{self.type:24} {self.name:24} {len(self.inputs)} {len(self.outputs)} "
                f"{' '.join(self.inputs + self.outputs)} {settings}")

    def number(self, position):
        return int(self.settings.get(WEIGHTED[self.type][position], 0))


def read_network(stem):
    """(first two lines, layers); each layer with weights gets .weights [outputs, rest] and .bias."""
    with open(f"{stem}.param", encoding="utf-8") as file:
        lines = file.read().splitlines()
    with open(f"{stem}.bin", "rb") as file:
        content = file.read()
    layers, at = [Layer(line) for line in lines[2:] if line.strip()], 0
    for layer in layers:
        if layer.type not in WEIGHTED:
            continue
        tag, count = struct.unpack_from("<I", content, at)[0], layer.number(0)
        if tag != FLOAT_TAG:
            raise ValueError(f"{stem}.bin: {layer.name}: tag {tag:#x}; expected float32 weights")
        layer.weights = numpy.frombuffer(content, "<f4", count, at + 4).reshape(layer.number(1), -1)
        at += 4 + 4 * count
        layer.bias = numpy.frombuffer(content, "<f4", layer.number(1) if layer.number(2) else 0, at)
        at += layer.bias.nbytes
    if at != len(content):
        raise ValueError(f"{stem}.bin: {len(content)} bytes; the layers of {stem}.param have {at}")
    return lines[:2], layers


def largest_inputs(ncnn, stem, layers, images):
    """The largest absolute value of each blob that a layer with weights reads. images: [3, height, width] float32."""
    net = ncnn.Net()
    net.opt.lightmode = False  # keeps all blobs
    net.load_param(f"{stem}.param")
    net.load_model(f"{stem}.bin")
    largest = {layer.inputs[0]: 0.0 for layer in layers if layer.type in WEIGHTED}
    for image in images:
        array = numpy.ascontiguousarray(image)
        given = ncnn.Mat(array)  # owns nothing: array and given have to live as long as the extractor
        extractor = net.create_extractor()
        extractor.input("in0", given)
        for blob in largest:
            values = array if blob == "in0" else numpy.array(extractor.extract(blob)[1])
            largest[blob] = max(largest[blob], float(numpy.abs(values).max()))
    return largest


def readers_of(blob, layers):
    """The layers that read a blob, through copies (Split)."""
    found = []
    for layer in layers:
        if blob in layer.inputs:
            found += [r for copy in layer.outputs for r in readers_of(copy, layers)] if layer.type == "Split" else [layer]
    return found


def quantize_ncnn(ncnn, float_stem, int8_stem, images):
    """Writes int8_stem.param and int8_stem.bin."""
    head, layers = read_network(float_stem)
    largest = largest_inputs(ncnn, float_stem, layers, images)
    content = bytearray()
    for layer in layers:
        if layer.type not in WEIGHTED:
            continue
        scales = 127 / numpy.maximum(numpy.abs(layer.weights).max(axis=1), 1e-20)
        codes = numpy.clip(numpy.round(layer.weights * scales[:, None]), -127, 127).astype(numpy.int8)
        content += struct.pack("<I", INT8_TAG) + codes.tobytes()
        content += bytes(-codes.size % 4)
        content += layer.bias.astype("<f4").tobytes() + scales.astype("<f4").tobytes()
        content += struct.pack("<f", 127 / largest[layer.inputs[0]])
        readers = readers_of(layer.outputs[0], layers)
        hands_codes = (layer.type != "InnerProduct" and bool(readers) and
                       all(reader.type in ("Convolution", "ConvolutionDepthWise") for reader in readers))
        if hands_codes:
            content += struct.pack("<f", 127 / largest[readers[0].inputs[0]])
        layer.settings["8"] = "101" if hands_codes else "1"
    with open(f"{int8_stem}.bin", "wb") as file:
        file.write(content)
    with open(f"{int8_stem}.param", "w", encoding="utf-8") as file:
        file.write("\n".join(head + [layer.line() for layer in layers]) + "\n")
