#!/usr/bin/env python3
"""Times matrix products in PyTorch: a peer of `tuff bench matmul`. A line a size and layout, GFLOP/s
of the median and of the best call. Needs torch only.

    tools/golden/bench_matmul.py [THREADS]              f32 on the CPU
    tools/golden/bench_matmul.py cuda [f32|tf32|f16|bf16]  on a GPU, larger sizes too"""
import statistics
import sys
import time

import torch

SIZES = ((2048, 512, 768), (1024, 1024, 1024), (512, 512, 512))
GPU_SIZES = ((2048, 512, 768), (1024, 1024, 1024), (4096, 4096, 4096), (8192, 768, 3072))
TYPES = {"f32": torch.float32, "tf32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
CALLS = 20  # queued between two looks at the clock: a launch costs as much as a small product


def operand(transposed, rows, columns, **kind):
    return (torch.randn(columns, rows, **kind).t() if transposed
            else torch.randn(rows, columns, **kind))


def timed(device, call):
    if device == "cpu":
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(CALLS):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e-3 / CALLS


def main():
    device, name = "cpu", "f32"
    if sys.argv[1:2] == ["cuda"]:
        device, name = "cuda", (sys.argv + ["f32"])[2]
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, {name}")
    else:
        torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    kind = {"device": device, "dtype": TYPES[name]}
    for m, n, k in SIZES if device == "cpu" else GPU_SIZES:
        for layout in ("nt", "nn", "tn"):
            a = operand(layout[0] == "t", m, k, **kind)
            b = operand(layout[1] == "t", k, n, **kind)
            c = torch.empty(m, n, **kind)
            for _ in range(3):
                torch.mm(a, b, out=c)
            times = []
            began = time.perf_counter()
            while time.perf_counter() - began < (1.5 if device == "cpu" else 0.3):
                times.append(timed(device, lambda: torch.mm(a, b, out=c)))
            flop = 2e-9 * m * n * k
            print(f"{layout} {m}x{n}x{k}: {flop / statistics.median(times):.1f} GFLOP/s "
                  f"(best {flop / min(times):.1f}, {len(times)} calls)")


if __name__ == "__main__":
    main()
