"""Runs the tools on each pair and writes docs/diff-comparison.md to standard output; called by compare.sh."""

import os
import pathlib
import re
import subprocess
import sys
import time

PAIRS = pathlib.Path("fixtures/diff/pairs")
KCFG, DYFF, KUBECTL = (os.environ[name] for name in ("KCFG", "DYFF", "KUBECTL"))
NO_COLOUR = dict(os.environ, NO_COLOR="1", GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_PAGER="cat")
# A run is timed as the least of so many.
RUNS = 5


def run(command, runs=RUNS):
    best = None
    for _ in range(runs):
        begin = time.perf_counter()
        done = subprocess.run(command, env=NO_COLOUR, capture_output=True, text=True, timeout=60)
        best = min(best or 1e9, time.perf_counter() - begin)
    return done, best * 1000


def kubectl_diff(old, new):
    """The pair in a cluster of its own state: what `kubectl diff` says before `new` is applied over `old`, or why it cannot."""
    for namespace in ("shop", "ci"):
        subprocess.run([KUBECTL, "create", "namespace", namespace], capture_output=True)
    applied = subprocess.run([KUBECTL, "apply", "--server-side", "-f", old], capture_output=True, text=True)
    try:
        if applied.returncode != 0:
            return None
        done, took = run([KUBECTL, "diff", "--server-side", "--force-conflicts", "-f", new], 1)
        # More than 1 is an error: of the API server, which says why, or of the tool.
        return done.stdout if done.returncode <= 1 else done.stdout + done.stderr, took
    finally:
        for path in (old, new):
            subprocess.run([KUBECTL, "delete", "--ignore-not-found", "--wait=false", "--cascade=background", "--force", "-f", path],
                           capture_output=True)


def read_facts(path):
    facts = {"info": [], "cause": [], "never": [], "lines": 0}
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == "lines":
            facts["lines"] = int(value)
        else:
            facts[key].append(re.compile(value, re.M))
    return facts


def score(facts, text):
    """Information, quiet and cause, each from 0 to 1."""
    found = [bool(pattern.search(text)) for pattern in facts["info"]]
    info = sum(found) / len(found) if found else 1.0
    lines = len(text.splitlines())
    quiet = 0.0 if any(pattern.search(text) for pattern in facts["never"]) else 1.0
    if lines > facts["lines"]:
        quiet *= 0.5
    # A silence that keeps something back is no merit.
    quiet = quiet if info > 0 else 0.0
    cause = 1.0 if all(pattern.search(text) for pattern in facts["cause"]) else 0.0
    return info, quiet, cause


def main():
    tools = {"kcfg diff": [], "dyff": [], "git diff": [], "kubectl diff": []}
    names = []
    for folder in sorted(PAIRS.iterdir()):
        old, new, facts = str(folder / "old.yaml"), str(folder / "new.yaml"), read_facts(folder / "facts")
        names.append(folder.name)
        commands = {
            "kcfg diff": [KCFG, "diff", "--from-path", old, "--to-path", new],
            "dyff": [DYFF, "between", "--omit-header", "--color=off", old, new],
            "git diff": ["git", "diff", "--no-index", "--no-color", old, new],
        }
        for tool, command in commands.items():
            done, took = run(command)
            if done.returncode not in (0, 1):
                sys.exit(f"{command}: {done.stderr}")
            tools[tool].append((score(facts, done.stdout), len(done.stdout.splitlines()), took))
        result = kubectl_diff(old, new) if KUBECTL else None
        tools["kubectl diff"].append(
            result and (score(facts, result[0]), len(result[0].splitlines()), result[1]))
    write(names, tools)


def write(names, tools):
    print("# kcfg diff beside dyff, git diff and kubectl diff\n")
    print("Made by `just compare-diff` on the pairs of manifests under fixtures/diff/pairs, which are kcfg's own; do not edit.")
    print("Each tool gets up to three points a pair: is all information there (a part of it counts as that part), is there")
    print("no noise (what did not change, a secret, more lines than it takes), and is the cause or what follows named. The")
    print("patterns that decide are in the file `facts` of each pair, the same for all tools: what reads worse to you is worth")
    print("an issue. They were written beside kcfg and take its words for a cause among others, and pairs were chosen to show")
    print("what happens in Kubernetes, so a tool for any YAML has a hard time with `cause`;")
    print("the last rows give the parts. `kubectl diff` needs a cluster that has the older manifests, and shows neither what is removed")
    print("nor what the API server refuses; `–` is a pair that a bare API server cannot take (a custom resource, an API version that is gone).")
    print("It says nothing of pair 07, for nothing would change in the cluster: whoever wants just that may give it the points it loses.\n")
    print("| pair | " + " | ".join(f"{tool}: points, lines, ms" for tool in tools) + " |")
    print("|---|" + "---|" * len(tools))
    for index, name in enumerate(names):
        cells = []
        for results in tools.values():
            one = results[index]
            cells.append(f"{sum(one[0]):.1f}, {one[1]}, {one[2]:.0f}" if one else "–")
        print(f"| {name} | " + " | ".join(cells) + " |")
    for part, label in enumerate(("all information", "no noise", "the cause")):
        cells = [f"{sum(one[0][part] for one in results if one):.1f}" for results in tools.values()]
        print(f"| {label}, sum | " + " | ".join(cells) + " |")
    cells = []
    for results in tools.values():
        there = [one for one in results if one]
        points = sum(sum(one[0]) for one in there)
        milliseconds = sum(one[2] for one in there) / max(len(there), 1)
        cells.append(f"**{points:.1f}** of {3 * len(there)}, {sum(one[1] for one in there)}, {milliseconds:.0f} each")
    print("| **all** | " + " | ".join(cells) + " |")


main()
