"""Every benchmark of speed, one after the other.

    python benchmarks/run.py                    everything: tables, benchmarks/results.json
    python benchmarks/run.py --publish          the same, and puts figures and picture into docs/
    python benchmarks/run.py --quick            short: shows that all run, judges nothing
    python benchmarks/run.py --only decode startup
    python benchmarks/run.py --from-json        shows and publishes the last run's figures once more

The exit status is 1 where a budget was missed, but for `--quick`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cache
import decode
import latency
import memory
import msgspec
import scaling
import startup
import throughput
from speed_lab import command
from speed_lab.plot import draw
from speed_lab.publish import publish
from speed_lab.report import Results, print_report

BENCHMARKS: dict[str, command.Measure] = {
    "throughput": throughput.measure,
    "decode": decode.measure,
    "cache": cache.measure,
    "latency": latency.measure,
    "startup": startup.measure,
    "memory": memory.measure,
    "scaling": scaling.measure,
}
_HERE = Path(__file__).resolve().parent
_RESULTS = _HERE / "results.json"
_DOCS = _HERE.parent / "docs"
_PAGE, _APPENDIX = _DOCS / "benchmarks.md", _DOCS / "benchmarks-appendix.md"
_PICTURE = _DOCS / "images" / "benchmarks.svg"


def main() -> int:
    """Do what the command line asks for.

    Returns:
        The exit status.
    """
    parser = command.parser(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), help="leave the others out")
    parser.add_argument("--publish", action="store_true", help="put figures and picture into docs/")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the picture there")
    parser.add_argument("--from-json", action="store_true", help="measure nothing: read the last figures")
    throughput.add_options(parser)
    memory.add_options(parser)
    options = parser.parse_args()
    if options.publish and options.quick:
        parser.error("--publish needs a whole run: figures of a quick one mean nothing")
    if options.json is None and not options.quick:
        options.json = _RESULTS
    if options.from_json:
        try:
            results = msgspec.json.decode(options.json.read_bytes(), type=Results)
        except (OSError, msgspec.MsgspecError) as error:
            parser.error(f"no figures to read: {error}")
        for report in results.reports:
            print_report(report)
    else:
        results = command.run(options, [BENCHMARKS[name] for name in options.only or BENCHMARKS])
    picture = options.plot or (_PICTURE if options.publish else None)
    if picture is not None:
        print("", draw(picture, results.reports), sep="\n")
    if options.publish:
        publish(_PAGE, _APPENDIX, results)
    return command.exit_status(results)


if __name__ == "__main__":
    sys.exit(main())
