# Data sets: generated (micro), from a folder of one's own, or from the hub, to one schema.
# Input: local files or hub ids. Output: <results>/data/<dataset>.jsonl, images beside it in images/; which benchmark
# items also stand in a training set, and which of them SAPO drew.


rule make_micro:
    output:
        PLAN.micro_files.values(),
        PLANTED,
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
        python -m dreamr make-micro \
            --out {params.folder:q} \
            --spec {params.spec:q} \
            > {log:q} 2>&1
        """


# Hub data are read here and nowhere else, on the machine that runs Snakemake: compute nodes may have no network.
rule prepare:
    input:
        local_files,
    output:
        questions="<results>/data/{dataset}.jsonl",
    log:
        "<logs>/prepare/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(PLAN.datasets),
    priority: 1  # before trainings: what is wrong in data is told at once
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=lambda wildcards: PLAN.adapter_digest(wildcards.dataset),
        spec=lambda wildcards: as_json(PLAN.prepare(wildcards.dataset)),
        offline=lambda wildcards: int(wildcards.dataset in PLAN.made_files),
    shell:
        """
        HF_HUB_OFFLINE={params.offline:q} python -m dreamr prepare \
            --spec {params.spec:q} \
            --out {output.questions:q} \
            > {log:q} 2>&1
        """


AUDIT = expand("<results>/audit/{table}.csv", table=list(AUDITED))
AUDITING = PLAN.audit()


rule audit:
    input:
        data=data([*AUDITING.benchmarks, *AUDITING.training_sets]),
        planted=PLANTED,
    output:
        tables=AUDIT,
    log:
        "<logs>/audit.log",
    benchmark:
        "<benchmarks>/audit.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("audit"),
        spec=as_json(AUDITING),
        data=folder("data"),
        folder=folder("tables"),
    shell:
        """
        python -m dreamr audit \
            --spec {params.spec:q} \
            --data {params.data:q} \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """
