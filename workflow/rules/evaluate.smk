# Evaluation: answer, then grade.
# Input: models and prepared questions. Output: traces and scores, one file per run, target, draft and suite.


ANSWERED = "<results>/answered/{target}/{draft}/{run}/{suite}.json"


# On GPUs: the answers that are not timed, in a job that shares its node. It keeps them in <results>/cells, where
# `generate` takes them up; the output is a mark that they are there.
rule answer:
    input:
        environment("models"),
        cards=lambda wildcards: cards(PLAN.models_of(group(wildcards))),
        data=lambda wildcards: data(PLAN.benchmarks(group(wildcards))),
        calibrated=certificates,
    output:
        answered=ANSWERED,
    log:
        "<logs>/answer/{target}/{draft}/{run}/{suite}.log",
    benchmark:
        "<benchmarks>/answer/{target}/{draft}/{run}/{suite}.tsv"
    priority: 20
    conda:
        "../../envs/models.yaml"
    threads: ALL_CORES
    resources:
        **needs("answer", gpus=lambda wildcards: PLAN.gpus(group(wildcards))),
    params:
        begin=BEGIN,
        lock=lock_digest("models"),
        spec=lambda wildcards: as_json(PLAN.generate(group(wildcards))),
        python=python("models"),
        models=folder("cards", up=2),
        data=folder("data"),
        cells=f"{RESULTS}/cells",
        calibrated=option_of_files("--calibrated", "calibrated"),
    shell:
        """
        {params.begin} {log:q}
        exec {params.python:q} -m dreamr answer \
            --spec {params.spec:q} \
            --models {params.models:q} \
            --data {params.data:q} \
            --cells {params.cells:q} \
            {params.calibrated:q} \
            --out {output.answered:q} \
            >> {log:q} 2>&1
        """


# The job times its answers, so it takes all cores of the machine. Cells that are finished already are kept by digest in
# <results>/cells: a job that is killed, or rerun for one changed method, computes nothing twice.
rule generate:
    input:
        environment("models"),
        cards=lambda wildcards: cards(PLAN.models_of(group(wildcards))),
        data=lambda wildcards: data(PLAN.benchmarks(group(wildcards))),
        calibrated=certificates,
        answered=lambda wildcards: ANSWERED.format(**wildcards) if PLAN.apart(group(wildcards)) else [],
    output:
        traces="<results>/traces/{target}/{draft}/{run}/{suite}.jsonl",
    log:
        "<logs>/generate/{target}/{draft}/{run}/{suite}.log",
    benchmark:
        "<benchmarks>/generate/{target}/{draft}/{run}/{suite}.tsv"
    priority: 10
    conda:
        "../../envs/models.yaml"
    threads: ALL_CORES
    resources:
        **needs(
            "generate",
            gpus=lambda wildcards: PLAN.gpus(group(wildcards)),
            alone=lambda wildcards: PLAN.times(group(wildcards)),
        ),
    params:
        begin=BEGIN,
        lock=lock_digest("models"),
        spec=lambda wildcards: as_json(PLAN.generate(group(wildcards))),
        python=python("models"),
        models=folder("cards", up=2),
        data=folder("data"),
        cells=f"{RESULTS}/cells",
        calibrated=option_of_files("--calibrated", "calibrated"),
    shell:
        """
        {params.begin} {log:q}
        exec {params.python:q} -m dreamr generate \
            --spec {params.spec:q} \
            --models {params.models:q} \
            --data {params.data:q} \
            --cells {params.cells:q} \
            {params.calibrated:q} \
            --out {output.traces:q} \
            >> {log:q} 2>&1
        """


rule grade:
    input:
        data=lambda wildcards: data(PLAN.benchmarks(group(wildcards))),
        traces="<results>/traces/{target}/{draft}/{run}/{suite}.jsonl",
    output:
        scores="<results>/scores/{target}/{draft}/{run}/{suite}.jsonl",
    log:
        "<logs>/grade/{target}/{draft}/{run}/{suite}.log",
    benchmark:
        "<benchmarks>/grade/{target}/{draft}/{run}/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("grade"),
        data=folder("data"),
    shell:
        """
        python -m dreamr grade \
            --traces {input.traces:q} \
            --data {params.data:q} \
            --out {output.scores:q} \
            > {log:q} 2>&1
        """
