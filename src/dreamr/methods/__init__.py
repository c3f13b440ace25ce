"""The reasoning loops: how a target and a draft answer a question together, one file a method, beside its paper."""
