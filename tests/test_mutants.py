"""Mutants of the package: what is drawn is what the seed says, compiles, and is another program."""

import ast

import pytest
from by_subprocess import ROOT
from mutant_sites import drawn, mutants
from mutants import CORE, FLAGS, Order, first_failure

PACKAGE = ROOT / "plas_jax"


def test_a_draw_is_that_of_its_seed_and_has_a_function_once():
    chosen = drawn(PACKAGE, CORE, 60, 3)
    assert chosen == drawn(PACKAGE, CORE, 60, 3)
    assert chosen[:5] == drawn(PACKAGE, CORE, 5, 3)
    assert chosen != drawn(PACKAGE, CORE, 60, 4)
    assert len({(mutant.path, mutant.function, mutant.name) for mutant in chosen}) == 60
    assert {mutant.path.split("/")[0] for mutant in chosen} == set(CORE)


def test_every_mutant_compiles_and_differs():
    for mutant in drawn(PACKAGE, CORE, 200, 0):
        source = (PACKAGE / mutant.path).read_bytes()
        planted = mutant.planted(source)
        assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(source)), mutant.name
        compile(planted, mutant.path, "exec")


def test_the_mistakes_of_a_function_by_hand(tmp_path):
    path = tmp_path / "ε.py"
    body = 'log(ε, b)\n    return min(-ε, 1.5) if not ε < b else f"{ε + 1}"'
    path.write_text(f'def of(ε: int = 3) -> float:\n    """ε, 1."""\n    {body}\n')
    [found] = mutants(path, tmp_path)
    assert [(mutant.before, mutant.after) for mutant in found] == [
        ("log(ε, b)", "pass"),
        ("log(ε, b)", "(log(b, ε))"),
        ('min(-ε, 1.5) if not ε < b else f"{ε + 1}"', "(f'{ε + 1}' if not ε < b else min(-ε, 1.5))"),
        ("not ε < b", "(ε < b)"),
        ("ε < b", "(ε <= b)"),
        ("min", "(max)"),
        ("-ε", "(ε)"),
        ("1.5", "(2.5)"),
    ]
    assert b"return min((\xce\xb5), 1.5) if" in found[-2].planted(path.read_bytes())


def test_tests_that_import_a_module_are_asked_first():
    near, others = Order(ROOT).of("algorithms/brac.py")
    assert "tests/test_brac.py" in near
    assert "tests/test_statistics.py" in others
    assert len(near) + len(others) == len(list((ROOT / "tests").glob("test_*.py")))
    assert others[-1] != near[0]


@pytest.mark.parametrize(
    ("mark", "line", "failure"), [("", "", ""), ("", "assert 0", "test_it.py::test_it"), ("@mark.slow", "assert 0", "")]
)
def test_slow_tests_are_left_out_even_where_a_file_has_no_others(tmp_path, mark, line, failure):
    FLAGS.mark_as_parsed()
    (tmp_path / "test_it.py").write_text(f"from pytest import mark\n\n{mark}\ndef test_it():\n    {line or 'pass'}\n")
    assert first_failure(["test_it.py"], tmp_path) == failure
