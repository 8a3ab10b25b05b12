"""Images/s of one training step of MobileNetV2 1.0 with PyTorch on the CPU: the peer of bench_training_step.

Forward, cross-entropy, backward and Adam on all layers, 224 x 224, batch 32, both memory layouts. With --octavo PROGRAM
the two are measured in turn, step group by step group, so that a machine that changes its speed changes it for both.
Needs PyPI torch and torchvision.
"""

import argparse
import json
import statistics
import subprocess
import time

import torch
import torchvision


def torch_rates(threads, steps, channels_last):
    """Images/s of each step after one warm-up."""
    torch.set_num_threads(threads)
    model = torchvision.models.mobilenet_v2(num_classes=9).train()
    images = torch.rand(32, 3, 224, 224) * 2 - 1
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(32) % 9
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    rates = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        rates.append(32 / (time.perf_counter() - start))
    return rates[1:]


def octavo_rates(program, threads):
    """Images/s of the float and of the quantization-aware step."""
    command = [program, f"--benchmark_filter=size:224/batch:32/threads:{threads}/", "--benchmark_format=json"]
    output = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {b["name"].split("/")[1]: b["images/s"] for b in output["benchmarks"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--octavo", help="path of bench_training_step")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=3, help="steps of each group")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates = {}
    for _ in range(options.rounds):
        for name, last in (("torch NCHW", False), ("torch NHWC", True)):
            rates.setdefault(name, []).extend(torch_rates(options.threads, options.steps, last))
        if options.octavo:
            for name, rate in octavo_rates(options.octavo, options.threads).items():
                rates.setdefault("octavo " + name, []).append(rate)
    print(f"torch {torch.__version__}, {options.threads} threads, images/s")
    for name, values in rates.items():
        print(f"{name:16} median {statistics.median(values):6.1f}  best {max(values):6.1f}  of {len(values)}")


if __name__ == "__main__":
    main()
