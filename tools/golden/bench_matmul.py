#!/usr/bin/env python3
"""Times f32 matrix products in PyTorch on the CPU: a peer of `tuff bench matmul`. A line a size and
layout, GFLOP/s of the median and of the best call. Needs torch only.

    tools/golden/bench_matmul.py [THREADS]"""
import statistics
import sys
import time

import torch

SIZES = ((2048, 512, 768), (1024, 1024, 1024), (512, 512, 512))


def operand(transposed, rows, columns):
    return torch.randn(columns, rows).t() if transposed else torch.randn(rows, columns)


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for m, n, k in SIZES:
        for layout in ("nt", "nn", "tn"):
            a = operand(layout[0] == "t", m, k)
            b = operand(layout[1] == "t", k, n)
            c = torch.empty(m, n)
            for _ in range(3):
                torch.mm(a, b, out=c)
            times = []
            began = time.perf_counter()
            while time.perf_counter() - began < 1.5:
                start = time.perf_counter()
                torch.mm(a, b, out=c)
                times.append(time.perf_counter() - start)
            flop = 2e-9 * m * n * k
            print(f"{layout} {m}x{n}x{k}: {flop / statistics.median(times):.1f} GFLOP/s "
                  f"(best {flop / min(times):.1f}, {len(times)} calls)")


if __name__ == "__main__":
    main()
