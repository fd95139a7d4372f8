"""Constants published for mazes, hands and the kitchen, by family; those of locomotion stand in each method's file.

A method that is missing here has the same everywhere, or nothing was published for it: docs/domains.md says which.
"""

# ReBRAC: configs/offline/rebrac of CORL, equal to the authors' but for Maze2D, for which they have none. Next to the
# penalties of each data set.
REBRAC_BATCH = 256
_SLOW = {"policy_learning_rate": 3e-4, "critic_learning_rate": 3e-4}
REBRAC = {
    "maze2d": _SLOW,
    "adroit": _SLOW,
    "antmaze": {"policy_learning_rate": 3e-4, "critic_learning_rate": 5e-5, "discount": 0.999, "reward_scale": 100.0},
}

# IQL: configs/antmaze_config.py and kitchen_config.py of the official repository, the second of which is also for the
# hand; train_offline.py scales no rewards but locomotion's, and takes 1 from AntMaze's. For Maze2D CORL's
# configs/offline/iql have locomotion's τ and β, and rewards as they are.
_CAUTIOUS = {"expectile": 0.7, "inverse_temperature": 0.5, "scales_returns": 0.0}
IQL = {
    "maze2d": {"scales_returns": 0.0},
    "antmaze": {"expectile": 0.9, "inverse_temperature": 10.0, "scales_returns": 0.0, "reward_shift": -1.0},
    "adroit": _CAUTIOUS,
    "kitchen": _CAUTIOUS,
}

IQL_SHAPES = {family: {"policy_dropout": 0.1} for family in ("adroit", "kitchen")}

# TD3+BC: CORL's configs/offline/td3_bc; the authors have none but locomotion's.
TD3_BC = {"antmaze": {"reward_shift": -1.0}}

# CQL: CORL's configs/offline/cql; as everywhere in it, the temperature is trained at the policy's rate. AntMaze's
# critics are five layers deep there by configuration and by a slip of `train` the second has three: five here.
_FASTER = {"policy_learning_rate": 1e-4, "temperature_learning_rate": 1e-4}
CQL = {
    "maze2d": {"gap_threshold": 5.0},
    "antmaze": {
        **_FASTER,
        "conservative_weight": 5.0,
        "gap_threshold": 0.8,
        "smallest_gap": -200.0,
        "normalises_observations": 0.0,
        "reward_scale": 10.0,
        "reward_shift": -5.0,
    },
    "adroit": {**_FASTER, "conservative_weight": 1.0},
}
CQL_SHAPES = {"antmaze": {"critic_widths": (256,) * 5, "backup_candidates": 10}}
