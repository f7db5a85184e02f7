"""The payments service without its barrier, to measure what the barrier costs: `python -m lab.bench_throughput_unheld --settings FILE`.

A program of the lab, and no setting: an acknowledgement without a copy in another cloud must not be something that one can configure.
"""

import os
import sys

from lab.bench_barrier_world import unheld
from workload.payments.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, unheld))
