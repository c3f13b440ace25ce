# Data sets: generated (micro) or from the hub, to one schema.
# Input: parquet files or hub ids. Output: <results>/data/<dataset>.jsonl, images beside it in images/; which benchmark
# items also stand in a training set.


rule make_micro:
    output:
        PLAN.micro_files.values(),
    log:
        "<logs>/make_micro.log",
    benchmark:
        "<benchmarks>/make_micro.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("make_micro"),
        folder=lambda wildcards: CONFIG.micro.folder,
        spec=lambda wildcards: as_json(CONFIG.micro),
    shell:
        """
        python -m dreamr.cli.make_micro \
            --out {params.folder:q} \
            --spec {params.spec:q} \
            > {log:q} 2>&1
        """


# Hub data are read here and nowhere else, on the machine that runs Snakemake: compute nodes may have no network.
rule prepare:
    input:
        lambda wildcards: PLAN.micro_files.get(wildcards.dataset, []),
    output:
        questions="<results>/data/{dataset}.jsonl",
    log:
        "<logs>/prepare/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(PLAN.datasets),
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=lambda wildcards: PLAN.adapter_digest(wildcards.dataset),
        spec=lambda wildcards: as_json(PLAN.prepare(wildcards.dataset)),
        offline=lambda wildcards: int(PLAN.is_micro(wildcards.dataset)),
    shell:
        """
        HF_HUB_OFFLINE={params.offline:q} python -m dreamr.cli.prepare \
            --spec {params.spec:q} \
            --out {output.questions:q} \
            > {log:q} 2>&1
        """


rule audit:
    input:
        data=data(PLAN.datasets),
    output:
        overlaps="<results>/audit/overlaps.csv",
    log:
        "<logs>/audit.log",
    benchmark:
        "<benchmarks>/audit.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("audit"),
        data=folder("data"),
        benchmarks=[name for name in CONFIG.benchmarks if name in PLAN.datasets],
        training_sets=[name for name in CONFIG.training_sets if name in PLAN.datasets],
    shell:
        """
        python -m dreamr.cli.audit \
            --data {params.data:q} \
            --benchmarks {params.benchmarks:q} \
            --training-sets {params.training_sets:q} \
            --out {output.overlaps:q} \
            > {log:q} 2>&1
        """
