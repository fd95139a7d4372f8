"""A finding as JUnit XML, which every CI service reads: a test case for each measure."""

from xml.etree import ElementTree

from plas_jax.verification.gate.report import UNDECIDED, Finding, is_regression, with_interval


def junit(of: Finding, seconds: float) -> str:
    """The XML text: a failure for each measure that moved for the worse, an error where nothing was decided."""
    failed = [movement for movement in of.moved if is_regression(movement)]
    undecided = of.status == UNDECIDED
    counts = {"tests": len(of.compared) + undecided, "failures": len(failed), "errors": int(undecided)}
    suite = ElementTree.Element("testsuite", name="score_regression", time=f"{seconds:.1f}")
    suite.attrib |= {name: str(count) for name, count in counts.items()}
    for movement in of.compared:
        place = movement.place
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{place.dataset}.{place.algorithm}", name=place.measure
        )
        if movement in failed:
            step = f"{with_interval(movement.accepted)} to {with_interval(movement.now)}"
            ElementTree.SubElement(case, "failure", message=f"moved from {step}, p = {movement.p:.2g}")
    if undecided:
        case = ElementTree.SubElement(suite, "testcase", classname="score_regression", name="decision")
        ElementTree.SubElement(case, "error", message=of.line)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
