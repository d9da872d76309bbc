"""``ran-deploy doctor``: what works on this machine, and how to mend what does not."""

from typing import TYPE_CHECKING

from ran_deploy.cli.facts import fact
from ran_deploy.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from ran_deploy.machine.commands import Ability
    from ran_deploy.machine.diagnose import DoctorReport
    from ran_deploy.machine.packages import Package

EPILOG = "Example: ran-deploy doctor"


def doctor_command(as_json: JsonFlag = False) -> None:
    """Show runtimes, GPUs, drivers and versions, which commands work with them, and the fix for each that does not."""
    from ran_deploy.machine.diagnose import doctor

    report = doctor()
    emit(report, "doctor/v1", as_json=as_json, lines=report_lines(report))


def report_lines(report: "DoctorReport") -> list[str]:
    """Lay the report out for a person: the machine, the packages, what works, what to do."""
    lines = [*fact("ran-deploy", f"{report.version}, Python {report.python}"), *_machine(report), ""]
    lines += [
        *table(("package", "version", "accepted", "state"), [_package(package) for package in report.packages]),
        "",
    ]
    lines += table(("", "what", "commands", "lacks"), [_ability(ability) for ability in report.abilities])
    if report.problems:
        lines += ["", "Problems"]
        for problem in report.problems:
            lines += [*fact("", problem.text), *fact("", f"fix: {problem.fix}")]
    fixes = list(dict.fromkeys(fix for ability in report.abilities for fix in ability.fixes))
    if fixes:
        lines += ["", "To make the rest work"]
        for fix in fixes:
            what = [ability.what for ability in report.abilities if fix in ability.fixes]
            lines += [f"  {fix}", f"    for: {'; '.join(what)}"]
    return lines


def _machine(report: "DoctorReport") -> list[str]:
    lines: list[str] = []
    if (environment := report.environment) is not None:
        memory = "" if environment.memory_bytes is None else f", {environment.memory_bytes / 2**30:.0f} GiB of memory"
        lines += fact("CPU", f"{environment.cpu}, {environment.cpus} usable{memory}")
        for gpu in environment.gpus:
            lines += fact("GPU", f"{gpu.get('name')}, driver {gpu.get('driver_version')}")
    if report.driver.state == "ok":
        lines += fact("CUDA", f"the driver runs CUDA {report.driver.facts['version']}")
    for advice in report.advice:
        lines += fact(advice.topic if advice.good else f"{advice.topic} !", advice.text)
    return lines


def _package(package: "Package") -> tuple[str, str, str, str]:
    facts = "; ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in package.facts.items())
    state = {"ok": f"ok  {facts}", "absent": "not installed"}.get(package.state, f"{package.state.upper()}: see below")
    return package.name, package.version or "–", package.wanted or "any", state


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ability(ability: "Ability") -> tuple[str, str, str, str]:
    return "yes" if ability.works else "no", ability.what, ", ".join(ability.commands), ", ".join(ability.lacks)
