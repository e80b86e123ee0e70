"""Attacks the built service and prints a table: `run.py [--short] [--seconds S] [--only TEXT]`."""

import argparse
import contextlib
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import catalogue  # noqa: E402
import siege  # noqa: E402
from harness import Service  # noqa: E402

GOAL = 25
"""Milliseconds within which a status request is to be answered, on a calm machine."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true",
                        help="with the short settings of the tests, instead of the defaults")
    parser.add_argument("--seconds", type=float, default=30, help="for each attack")
    parser.add_argument("--only", default="", help="attacks whose name has this in it")
    options = parser.parse_args()
    attacks = [attack for attack in catalogue.ALL.values() if options.only in attack.name]
    wrong = {}
    siege.print_headings()
    for settings in sorted({attack.settings if options.short else () for attack in attacks}):
        with serving(settings) as service:
            for row in siege.compare(service, options.seconds):
                siege.print_row(siege.cells(row))
            for attack in attacks:
                if options.short and attack.settings != settings:
                    continue
                patience = 0 if options.short else attack.patience
                row = siege.besiege(service, attack, max(options.seconds, patience))
                siege.print_row(siege.cells(row))
                found = siege.complaints(attack, row, GOAL)
                if found:
                    wrong[attack.name] = found
    print()
    for name, found in wrong.items():
        print(f"{name}: {'; '.join(found)}")
    return 1 if wrong else 0


@contextlib.contextmanager
def serving(settings):
    service = Service(*settings, tls=True, patient=False)
    try:
        siege.prepare(service)
        yield service
    finally:
        service.stop()


if __name__ == "__main__":
    sys.exit(main())
