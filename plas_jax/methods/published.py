"""Every method of the tables at the size and with the constants that its authors, or those who measured it, published.

Shapes and knobs are the defaults of each method's file, where their sources stand; here are the lengths of training
and what depends on the data set.
"""

from plas_jax.algorithms import (
    bcq,
    bear,
    brac,
    cloning,
    cql,
    deterministic_cloning,
    iql,
    offline_td3,
    rebrac,
    sac,
    td3_bc,
)
from plas_jax.datasets.catalogue import family, robot, task
from plas_jax.methods.domain_constants import CQL, CQL_SHAPES, IQL, IQL_SHAPES, REBRAC, REBRAC_BATCH, TD3_BC
from plas_jax.methods.method import Method, Phase
from plas_jax.methods.presets import PAPER, plas_method
from plas_jax.methods.rebrac_penalties import REBRAC_PENALTIES

# Figure 7 of the paper, without its ε = 0, which is PLAS.
PERTURBATION_LIMITS = (0.01, 0.05, 0.1, 0.2, 0.5)

# The BC agent of BRAC: 300,000 updates before BRAC (google-research's run_bc.sh), 500,000 as a baseline (train_bc.py).
_CLONING = Phase(cloning.CLONING, cloning.Architecture(), cloning.Knobs(), 300_000)


def _brac(name: str, **constants: float) -> Method:
    return Method(
        name,
        # D4RL@bb001e9's run_primal_vp.sh and, for BRAC-p, run_primal_pr.sh: 500,000 updates. d4rl_evaluations'
        # train_brac.py, which came later, has 1,000,000, and α = 1 for both.
        Phase(brac.BRAC, brac.Architecture(), brac.Knobs(**constants), 500_000),
        first=_CLONING._replace(trains="behaviour policies"),
        inherit=lambda state: state.policy.parameters,
    )


def _rebrac(dataset: str) -> dict[str, float]:
    penalties, constants = REBRAC_PENALTIES.get(task(dataset)), dict(REBRAC.get(family(dataset), {}))
    if penalties is not None:
        constants |= {"policy_penalty": penalties.policy, "critic_penalty": penalties.critic}
    return constants


def _bear_kernel(dataset: str) -> dict[str, float]:
    # Laplacian where none was published: a choice of ours. A script for AntMaze that D4RL took back has the Gaussian
    # (scripts/antmaze_bear.py@bb001e9).
    return {"gaussian_kernel": bear.GAUSSIAN_KERNEL.get(robot(dataset), 0.0)}


_PLAS = plas_method(PAPER)
_IN_ORDER = (
    Method("bc", _CLONING._replace(updates=500_000)),
    Method(
        "bc_regression",
        Phase(
            deterministic_cloning.DETERMINISTIC_CLONING,
            deterministic_cloning.Architecture(),
            deterministic_cloning.Knobs(),
            1_000_000,
        ),
        uses_statistics=True,
    ),
    Method("td3", Phase(offline_td3.OFFLINE_TD3, offline_td3.Architecture(), offline_td3.Knobs(), 1_000_000)),
    # How long D4RL's own SAC on fixed data was trained is not known; the paper's length.
    Method("sac", Phase(sac.SAC, sac.Architecture(), sac.Knobs(), 500_000)),
    Method("bcq", Phase(bcq.BCQ, bcq.Architecture(), bcq.Knobs(), 1_000_000)),  # BCQ's main.py
    Method(
        "bear",
        # 500,000 as the paper trains; D4RL's script has 3,000 epochs of 1,000 and its results are of fewer.
        Phase(bear.BEAR, bear.Architecture(), bear.Knobs(), 500_000),
        knobs_of=_bear_kernel,
        unpublished_of=lambda dataset: () if robot(dataset) in bear.GAUSSIAN_KERNEL else ("gaussian_kernel",),
    ),
    _brac("brac_v"),
    _brac("brac_p", value_penalty=0.0, divergence_weight=1.0),
    _PLAS,
    _PLAS._replace(name="plas+p", controls=(), grid=(("perturbation_limit", PERTURBATION_LIMITS),)),
    Method(
        "td3+bc",
        Phase(td3_bc.TD3_BC, td3_bc.Architecture(), td3_bc.Knobs(), 1_000_000),
        knobs_of=lambda dataset: TD3_BC.get(family(dataset), {}),
        uses_statistics=True,
    ),
    Method(
        "cql",
        Phase(cql.CQL, cql.Architecture(), cql.Knobs(), 1_000_000),
        knobs_of=lambda dataset: CQL.get(family(dataset), {}),
        shapes_of=lambda dataset: CQL_SHAPES.get(family(dataset), {}),
        unpublished_of=lambda dataset: () if family(dataset) in {"", "locomotion", *CQL} else ("conservative_weight",),
        uses_statistics=True,
    ),
    Method(
        "iql",
        Phase(iql.IQL, iql.Architecture(), iql.Knobs(), 1_000_000),
        knobs_of=lambda dataset: IQL.get(family(dataset), {}),
        shapes_of=lambda dataset: IQL_SHAPES.get(family(dataset), {}),
        uses_statistics=True,
    ),
    Method(
        "rebrac",
        Phase(rebrac.REBRAC, rebrac.Architecture(), rebrac.Knobs(), 1_000_000),
        knobs_of=_rebrac,
        shapes_of=lambda dataset: {"batch_size": REBRAC_BATCH} if family(dataset) in REBRAC else {},
        unpublished_of=lambda dataset: (
            () if task(dataset) in REBRAC_PENALTIES else ("policy_penalty", "critic_penalty")
        ),
        uses_next_actions=True,
    ),
)
METHODS = {method.name: method for method in _IN_ORDER}
