"""A verdict as JUnit XML, which every CI service reads: a test case for each measure and each golden replay."""

from xml.etree import ElementTree

from plas_jax.verification.gate.report import UNDECIDED, Verdict, fails, with_interval


def junit(verdict: Verdict, seconds: float) -> str:
    """Return the XML text: a failure for each measure that moved and replay that differs, an error for no decision.

    A measure that moved for the better is no failure.
    """
    failed = [movement for movement in verdict.moved if fails(movement)]
    undecided = verdict.status == UNDECIDED
    counts = {
        "tests": len(verdict.compared) + len(verdict.replays) + undecided,
        "failures": len(failed) + sum(replay.differs for replay in verdict.replays),
        "errors": int(undecided),
    }
    suite = ElementTree.Element("testsuite", name="score_regression", time=f"{seconds:.1f}")
    suite.attrib |= {name: str(count) for name, count in counts.items()}
    for movement in verdict.compared:
        place = movement.place
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{place.dataset}.{place.algorithm}", name=place.measure
        )
        if movement in failed:
            step = f"{with_interval(movement.accepted)} to {with_interval(movement.now)}"
            ElementTree.SubElement(case, "failure", message=f"moved from {step}, p = {movement.p:.2g}")
    for replay in verdict.replays:
        case = ElementTree.SubElement(suite, "testcase", classname=f"golden.{replay.method}", name="replay")
        if replay.differs:
            ElementTree.SubElement(case, "failure", message=f"{replay.file}: {replay.error:.2g} at {replay.tensor}")
    if undecided:
        case = ElementTree.SubElement(suite, "testcase", classname="score_regression", name="decision")
        ElementTree.SubElement(case, "error", message=verdict.line)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
