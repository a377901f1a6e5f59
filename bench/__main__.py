"""The command line of the benchmark: ``python -m bench [compare|scale|load|profile|proxy|flows|every-operation]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import compare, flows, load, machine, profile, proxy, scale, table, wrk

QUICK = compare.Plan(runs=1, seconds=1.0, warm_up=1.0)
KUBERNETES = Path(__file__).parents[1] / "../shared/corpus/documents/v2.0-kubernetes.json"


def main(arguments: Sequence[str]) -> int:
    """Run one scenario; 0 if it could be measured, 1 if not, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    scenarios = parser.add_subparsers(dest="scenario", required=True)
    _compare_arguments(scenarios.add_parser("compare", help="this product and its peers (the default)"))
    _scale_arguments(scenarios.add_parser("scale", help="10,000 operations against 10"))
    _load_arguments(scenarios.add_parser("load", help="seconds until a document is live"))
    _profile_arguments(scenarios.add_parser("profile", help="where the time of a request goes"))
    _proxy_arguments(scenarios.add_parser("proxy", help="passing requests on, beside other ways to call"))
    scenarios.add_parser("flows", help="what flows and expressions cost").set_defaults(run=_flows)
    _every_arguments(scenarios.add_parser("every-operation", help="every document of a folder, every operation called"))
    given = list(arguments)
    if not given or given[0] not in (*scenarios.choices, "-h", "--help"):
        given.insert(0, "compare")
    options = parser.parse_args(given)
    return int(options.run(options))


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="every run as JSON instead of the table")
    parser.add_argument("--quick", action="store_true", help="one run of one second: shows that it works, no more")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="subjects with WORD in their name")
    parser.add_argument("--runs", type=int, default=5, help="runs of five seconds for each request (default 5)")
    parser.add_argument("--no-pin", dest="pinned", action="store_false", help="let servers and wrk share all cores")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    if reason := wrk.missing():
        print(reason, file=sys.stderr)
        return 1
    plan = replace(QUICK if options.quick else compare.Plan(options.runs), pinned=options.pinned)
    facts = machine.facts()
    rows = compare.compare(compare.chosen(options.only), plan)
    if options.json:
        print(json.dumps(compare.as_json(rows, plan, facts), indent=2))
    else:
        print("\n".join(table.lines(rows, facts)))
    return 0 if any(row.runs for row in rows) else 1


def _scale_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="one run of one second: shows that it works, no more")
    parser.add_argument("--runs", type=int, default=5, help="runs of five seconds (default 5)")
    parser.set_defaults(run=_scale)


def _scale(options: argparse.Namespace) -> int:
    if reason := wrk.missing():
        print(reason, file=sys.stderr)
        return 1
    plan = QUICK if options.quick else compare.Plan(options.runs)
    print("\n".join(scale.lines(scale.scale(plan))))
    return 0


def _load_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubernetes", type=Path, default=KUBERNETES, help="the document of Kubernetes")
    parser.add_argument("--cache", type=Path, help="a folder for the npm package that has Microsoft Graph")
    parser.add_argument("--apis", type=int, default=500, help="how many APIs to start with; 0 leaves this out")
    parser.set_defaults(run=_load)


def _load(options: argparse.Namespace) -> int:
    times = list(load.load(options.kubernetes, options.cache, options.apis))
    print("\n".join(load.lines(times)))
    return 0 if times else 1


def _profile_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=20_000, help="requests of each kind (default 20,000)")
    parser.add_argument("--functions", type=int, default=25, help="functions to show (default 25)")
    parser.add_argument("--sort", default="tottime", choices=["tottime", "cumtime", "ncalls"], help="order")
    parser.set_defaults(run=_profile)


def _profile(options: argparse.Namespace) -> int:
    print("\n".join(profile.lines(options.requests, options.functions, options.sort)))
    return 0


def _proxy_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="every run as JSON instead of the table")
    parser.add_argument("--quick", action="store_true", help="one run of one second: shows that it works, no more")
    parser.add_argument("--runs", type=int, default=5, help="runs of five seconds for each request (default 5)")
    parser.set_defaults(run=_proxy)


def _proxy(options: argparse.Namespace) -> int:
    if reason := wrk.missing():
        print(reason, file=sys.stderr)
        return 1
    plan = QUICK if options.quick else compare.Plan(options.runs)
    facts = machine.facts()
    rows = proxy.measure(plan)
    if options.json:
        print(json.dumps(compare.as_json(rows, plan, facts), indent=2))
    else:
        print("\n".join(proxy.lines(rows, facts)))
    return 0 if any(row.runs for row in rows) else 1


def _flows(_: argparse.Namespace) -> int:
    print("\n".join(flows.lines()))
    return 0


def _every_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="documents anywhere below it are taken in")
    parser.add_argument("--every", type=int, default=1, help="take only each Nth document (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="documents at a time (default 1)")
    parser.add_argument("--failures", type=int, default=0, help="failures to show of each document (default 0)")
    parser.set_defaults(run=_every)


def _every(options: argparse.Namespace) -> int:
    from bench import every_operation  # the other scenarios start the product as a process of its own

    paths = every_operation.documents(options.folder)[:: options.every]
    outcomes = list(every_operation.survey(paths, options.jobs))
    print("\n".join(every_operation.lines(outcomes, options.failures)))
    return 0 if outcomes and not any(outcome.crash for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
