"""The command line of every kernel: `python -m prk.<kernel>`."""

import argparse
import math
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from itertools import takewhile
from typing import Any, NoReturn

import prk
from prk.job import Job, Outcome
from prk.problem import Problem, Refusal
from prk.run import audit, completion, environment, output, registry, split
from prk.run.faults import options as faults
from prk.runtime import Runtime


class Parser(argparse.ArgumentParser):
    """Say what is wrong in one line, by a Refusal."""

    def error(self, message: str) -> NoReturn:
        option, _, problem = message.removeprefix("argument ").partition(": ")
        raise Refusal(option, problem or "wrong usage", f"{self.prog} --help lists what works")


def main(kernel: str, argv: Sequence[str]) -> int:
    """Run one kernel as the command line asks; return 0 if right, 1 if wrong or failed, 2 if refused."""
    if completion.asked():
        completion.answer(_completed(kernel))
    with output.lasting() as out:
        code = _main(kernel, argv)
    # Whoever closes a pipe has read enough.
    if code or out.error is None or isinstance(out.error, BrokenPipeError):
        return code
    lost = Refusal("standard output", f"it was lost ({out.error.strerror})", "write it where there is room")
    return report(kernel, Outcome(1, str(lost)))


def _main(kernel: str, argv: Sequence[str]) -> int:
    speaks = environment.speaks()
    starter = None
    try:
        starter = registry.starter()
        job, timeout = parse(kernel, argv)
        how = registry.runtime(job.runtime)
        if starter and starter.name != how.name:
            raise Refusal(
                "--runtime",
                f"this launcher starts processes of {starter.name}, and {how.name} sees none but its own",
                f"use --runtime {starter.name}, or another launcher",
            )
        why = registry.missing(job.runtime, kernel)
        if why:
            raise Refusal(
                "--runtime", f"{job.runtime} cannot run {kernel} here: {why}", "python -m prk lists what can"
            )
        end_after(timeout, kernel, speaks)
        outcome = launch(how, job)
    except Refusal as refusal:
        outcome = Outcome(2, str(refusal))
        if not speaks:
            # A launcher ends all processes when one fails, and the one that says why may still be starting.
            time.sleep(3)
    except SystemExit as stop:  # --help
        outcome = Outcome(int(stop.code or 0))
    if starter:
        outcome = starter.leave(kernel, outcome)
    return report(kernel, outcome, speaks)


def launch(how: Runtime, job: Job) -> Outcome:
    """Launch the job; a kernel that leaves its run has shown nothing, whatever code it leaves with."""
    try:
        return how.launch(job)
    except SystemExit:
        return Outcome(1, "the kernel left before the end of its run")


def report(kernel: str, outcome: Outcome, speaks: bool = True) -> int:
    """Say why the run was refused, if it was; return the exit code."""
    if outcome.message and speaks:
        print(f"prk.{kernel}: {outcome.message}", file=sys.stderr, flush=True)
    return outcome.code


def parse(kernel: str, argv: Sequence[str]) -> tuple[Job, float]:
    """Return the job that the arguments describe, and the time limit in seconds (0: none).

    Raises Refusal naming the option; SystemExit after --help.
    """
    early = Parser(add_help=False, allow_abbrev=False)
    early.add_argument("--runtime")
    chosen = early.parse_known_args(argv)[0].runtime or default_runtime()
    how = registry.runtime(chosen)
    if not registry.has(chosen, kernel):
        why = how.cell(kernel).absent
        raise Refusal(
            "--runtime",
            f"{chosen} has no {kernel}{f' ({why})' if why else ''}",
            f"use one of {', '.join(registry.offering(kernel))}",
        )
    own = faults.of(how, kernel)
    problem = registry.problem_class(kernel)

    parser = _parser(kernel, problem)
    for option in own:
        _add(parser, option.name, option.default, option.help, option.choices)
    if {"-h", "--help"} & set(argv):
        # What every runtime understands is only looked up for whoever wants to read it.
        parser.epilog = _options_by_runtime(kernel)
    arguments, unknown = parser.parse_known_args(named(problem, argv))
    if unknown:
        _refuse_unknown(kernel, chosen, unknown[0], parser)
    values = vars(arguments)
    for name, least in (("repeat", 1), ("timeout", 0), ("expect_ranks", 1), ("split", 1)):
        if values[name] is not None and values[name] < least:
            raise Refusal(
                f"--{name.replace('_', '-')}", f"{values[name]} is too small", f"use at least {least}"
            )
    options = faults.settled({option.name: values[option.name.replace("-", "_")] for option in own})
    if values["checkpoint_folder"] and options.get("state") != "disk":
        raise Refusal("--checkpoint-folder", "nothing is kept in it", "use it with --faults --state disk")
    job = Job(
        kernel=kernel,
        runtime=chosen,
        problem=problem(**{f.name: values[f.name] for f in _options(problem)}, audit=_audit(values)),
        options=options,
        repeat=values["repeat"],
        expect_ranks=values["expect_ranks"],
        json=values["json"],
        split=values["split"] or (split.REPETITIONS if values["trace"] else 0),
        trace=values["trace"],
        folder=values["checkpoint_folder"],
        quiet=values["quiet"],
        argv=(f"prk.{kernel}", *argv),
    )
    return job, values["timeout"]


def named(problem: type[Problem], argv: Sequence[str]) -> list[str]:
    """Return the arguments with the bare words before the first option named, as the C programs take them."""
    words = list(takewhile(lambda word: not word.startswith("-"), argv))
    order = problem.bare_words(words)
    if len(words) > len(order):
        known = " ".join(filter(None, [usage(problem), "[options]"]))
        raise Refusal(repr(words[len(order)]), "it belongs to no option", f"use {known}; --help lists them")
    found = []
    for word, name in zip(words, order, strict=False):
        if isinstance(name, str):
            found.append(f"--{name.replace('_', '-')}={word}")
        elif word not in name:
            raise Refusal(repr(word), "there is no such choice", f"use {' or '.join(name)}, or leave it out")
    return [*found, *argv[len(words) :]]


def usage(problem: type[Problem]) -> str:
    """Return the words that may stand before the options."""
    names = (name.upper() if isinstance(name, str) else "|".join(name) for name in problem.positional)
    return " ".join(f"[{name}]" for name in names)


def _options(problem: type[Problem]) -> list[Field[Any]]:
    """Return the parameters that are options of their own."""
    return [f for f in fields(problem) if f.name != "audit"]


def _audit(values: Mapping[str, Any]) -> int:
    """Return the seed of the audit that is asked for; 0 if none is."""
    seed: int | None = values["audit_seed"]
    if seed is None:
        return audit.DRAW if values["audit"] else 0
    if seed < 1:
        raise Refusal("--audit-seed", f"{seed} is too small", "use at least 1, or --audit, which draws one")
    return seed


def default_runtime() -> str:
    """Return a runtime under its own launcher, the baseline under one of MPI, else serial."""
    starter = registry.starter()
    if starter:
        return starter.name
    return registry.BASELINE if environment.launched() else registry.SERIAL


def _parser(kernel: str, problem: type[Problem]) -> Parser:
    parser = Parser(
        prog=f"python -m prk.{kernel}",
        usage=" ".join(filter(None, [f"python -m prk.{kernel}", usage(problem), "[options]"])),
        description=f"Parallel Research Kernels: {problem.title}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for f in _options(problem):
        _add(parser, f.name, f.default, f.metadata["help"], f.metadata["choices"])
    parser.add_argument(
        "--runtime",
        metavar="NAME",
        help=f"how it is executed (default: {registry.BASELINE} under an MPI launcher, a runtime under its "
        f"own launcher, else {registry.SERIAL}); python -m prk lists them",
    )
    parser.add_argument(
        "--repeat", type=integer, default=1, metavar="N", help="run the whole kernel N times (default: 1)"
    )
    parser.add_argument(
        "--audit", action="store_true", help="prove the answer on data that nobody could guess, and the clock"
    )
    parser.add_argument(
        "--audit-seed", type=integer, metavar="N", help="audit with the seed that an earlier one has drawn"
    )
    parser.add_argument(
        "--split",
        nargs="?",
        type=integer,
        const=split.REPETITIONS,
        metavar="N",
        help=f"say how long {split.REPETITIONS} or N more repetitions compute, communicate and wait",
    )
    parser.add_argument(
        "--trace",
        metavar="PATH",
        help="write their timeline to PATH, a new file: a page if it ends in .html, else Chrome's trace",
    )
    parser.add_argument(
        "--checkpoint-folder",
        metavar="PATH",
        help="keep --state disk in PATH, which all nodes see (default: the temporary folder)",
    )
    parser.add_argument("--json", metavar="PATH", help="write one record to PATH, a new file")
    parser.add_argument("--expect-ranks", type=integer, metavar="N", help="refuse to run on any other number")
    parser.add_argument(
        "--timeout",
        type=number,
        default=3600.0,
        metavar="SECONDS",
        help="end a run that takes longer (default: 3600; 0: never)",
    )
    parser.add_argument("--quiet", action="store_true", help="print only the verdict and the rate")
    parser.add_argument(
        "--version", action="version", version=f"prk {prk.__version__}", help="print the version; run nothing"
    )
    return parser


def _completed(kernel: str) -> Parser:
    """Return what a shell completes: the kernel's options, and those of the runtimes that have it."""
    parser = _parser(kernel, registry.problem_class(kernel))
    runtime = next(a for a in parser._actions if a.dest == "runtime")
    completion.complete(runtime, lambda **_: registry.offering(kernel))
    for option, names in completion.options(kernel).items():
        completion.add(parser, option, names)
    return parser


def _add(parser: Parser, name: str, default: Any, text: str, choices: tuple[str, ...]) -> None:
    """Add one parameter or runtime option; its type is its default's."""
    if not choices:
        text = f"{text} (default: {default})" if default not in (None, "") else text
    else:
        text = f"{text}: {' or '.join(choices)} (default: {default})"
    kind = {int: integer, float: number}.get(type(default), str) if default is not None else integer
    action = parser.add_argument(
        f"--{name.replace('_', '-')}",
        type=kind,
        default=default,
        choices=choices or None,
        metavar=name.replace("_", "-").rpartition("-")[2].upper(),
        help=text,
    )
    if choices == ("off", "on"):
        # It need not be said that a switch is on.
        action.nargs, action.const = "?", "on"


def integer(text: str) -> int:
    """Return a whole number that compiled code can hold. For argparse."""
    value = int(text)
    if abs(value) >= 1 << 63:
        raise argparse.ArgumentTypeError(f"{text} is beyond 64 bits")
    return value


def number(text: str) -> float:
    """Return a finite number. For argparse."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is no finite number")
    return value


def _options_by_runtime(kernel: str) -> str:
    """Return the help's last part: which runtimes have the kernel, and what each of them understands."""
    offering = registry.offering(kernel)
    lines = [f"runtimes that have it: {', '.join(offering)}", "", "options of single runtimes:"]
    for name in offering:
        for o in faults.of(registry.runtime(name), kernel):
            text = f"{o.help}: {' or '.join(o.choices)}" if o.choices else o.help
            default = f" (default: {o.default})" if o.default not in (None, "") else ""
            lines.append(f"  {name + ':':<13}--{o.name}  {text}{default}")
    return "\n".join(lines)


def _refuse_unknown(kernel: str, chosen: str, word: str, parser: Parser) -> NoReturn:
    """Say whose option it is, or which one is spelt alike."""
    name = word.partition("=")[0]
    others = [
        r
        for r in registry.offering(kernel)
        if any(f"--{o.name}" == name for o in faults.of(registry.runtime(r), kernel))
    ]
    mortal = faults.why_not(registry.runtime(chosen), kernel)
    if mortal and any(f"--{o.name}" == name for o in faults.OPTIONS):
        raise Refusal(name, mortal, f"use --runtime {' or '.join(others)}" if others else "leave it out")
    if others:
        raise Refusal(name, f"runtime {chosen} has no such option", f"--runtime {' or '.join(others)} has it")
    from difflib import get_close_matches

    known = [s for a in parser._actions for s in a.option_strings]
    close = get_close_matches(name, known, 1)
    raise Refusal(name, "there is no such option", f"use {close[0]}" if close else "--help lists them all")


def end_after(seconds: float, kernel: str, speaks: bool) -> threading.Timer:
    """End this process, and so the job, if it still runs after `seconds`, unless 0; a hang must not last.

    Return what can be cancelled.
    """

    def end() -> None:
        if speaks:
            print(
                f"prk.{kernel}: --timeout: no end after {seconds:g} s, so the run is ended; "
                "allow more seconds if it only needed more time",
                file=sys.stderr,
                flush=True,
            )
        os._exit(1)

    # The rank that speaks ends first, before the launcher takes the others down with the first to go.
    timer = threading.Timer(min(seconds if speaks else seconds + 2, threading.TIMEOUT_MAX), end)
    timer.daemon = True
    if seconds:
        timer.start()
    return timer
