"""The configuration: typed, closed, checked as a whole before any job starts.

`config/config.yaml` is the micro scale; the others beside it lie over it, `two_gpus.yaml` over `gpu.yaml`, `lab.yaml`
over `paper.yaml`. Every key is explained there, and in its field's description, which editors show. A wrong name or
value stops with the key, the value and what is allowed. All other code imports from here, not from the modules of this
package: so none of them is in a digest of code (`planning.plan.DIGEST_EXCLUDED`).
"""

from dreamr.config.base import NO_DRAFT, PLAIN, REFERENCE, Count, Fraction, Name, Planned, Spec, faults
from dreamr.config.calibration import Calibration, Guarantee
from dreamr.config.data import Clusters, DataSpec, ImageSize, Micro
from dreamr.config.display import Display
from dreamr.config.estimates import Device, Range, Size, Text
from dreamr.config.methods import Method, Sampling, TargetSpeculation
from dreamr.config.models import (
    FETCHED,
    FETCHED_CODE,
    AwqModel,
    EngineSpec,
    HubModel,
    LocalModel,
    Model,
    ModelRef,
    ZooModel,
    tokenizer_digest,
)
from dreamr.config.runs import LoadBlocks, Run, Slice, Suite
from dreamr.config.sweeps import Sweep
from dreamr.config.training import Awq, Drawing, Recipe, SapoSettings, Weights, sapo_model, sapo_recipe
from dreamr.config.whole import Config, Statistics

__all__ = [
    "FETCHED",
    "FETCHED_CODE",
    "NO_DRAFT",
    "PLAIN",
    "REFERENCE",
    "Awq",
    "AwqModel",
    "Calibration",
    "Clusters",
    "Config",
    "Count",
    "DataSpec",
    "Device",
    "Display",
    "Drawing",
    "EngineSpec",
    "Fraction",
    "Guarantee",
    "HubModel",
    "ImageSize",
    "LoadBlocks",
    "LocalModel",
    "Method",
    "Micro",
    "Model",
    "ModelRef",
    "Name",
    "Planned",
    "Range",
    "Recipe",
    "Run",
    "Sampling",
    "SapoSettings",
    "Size",
    "Slice",
    "Spec",
    "Statistics",
    "Suite",
    "Sweep",
    "TargetSpeculation",
    "Text",
    "Weights",
    "ZooModel",
    "faults",
    "sapo_model",
    "sapo_recipe",
    "tokenizer_digest",
]
