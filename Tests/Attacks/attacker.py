"""One attack on one port, as a process of its own: `attacker.py NAME PORT SECONDS`; prints JSON."""

import json
import sys

import catalogue

if __name__ == "__main__":
    name, port, seconds = sys.argv[1:]
    print(json.dumps(catalogue.ALL[name].run(int(port), float(seconds))._asdict()))
