"""A verdict as JUnit XML, which every CI service reads: a test case for each measure."""

from xml.etree import ElementTree

from plas_jax.verification.gate.report import UNDECIDED, Verdict, fails, with_interval


def junit(verdict: Verdict, seconds: float) -> str:
    """Return the XML text: a failure for each measure that moved but for the better, an error for no decision."""
    failed = [movement for movement in verdict.moved if fails(movement)]
    undecided = verdict.status == UNDECIDED
    counts = {"tests": len(verdict.compared) + undecided, "failures": len(failed), "errors": int(undecided)}
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
    if undecided:
        case = ElementTree.SubElement(suite, "testcase", classname="score_regression", name="decision")
        ElementTree.SubElement(case, "error", message=verdict.line)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
